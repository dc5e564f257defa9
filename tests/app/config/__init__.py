"""Tests for iphttps.app.config."""
