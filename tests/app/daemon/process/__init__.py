"""Tests for iphttps.app.daemon.process."""
