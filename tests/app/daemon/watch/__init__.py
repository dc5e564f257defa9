"""Tests for iphttps.app.daemon.watch."""
