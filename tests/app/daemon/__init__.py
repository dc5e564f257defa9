"""Tests for iphttps.app.daemon."""
