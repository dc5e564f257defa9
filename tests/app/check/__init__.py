"""Tests for iphttps.app.check."""
