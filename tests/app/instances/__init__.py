"""Tests for iphttps.app.instances."""
