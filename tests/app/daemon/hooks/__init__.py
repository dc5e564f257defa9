"""Tests for iphttps.app.daemon.hooks."""
