"""Tests for iphttps.app.cli."""
