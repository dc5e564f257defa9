"""Tests for iphttps.app.enrol."""
