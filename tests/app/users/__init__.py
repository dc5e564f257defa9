"""Tests for iphttps.app.users."""
