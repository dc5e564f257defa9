"""Tests for iphttps.app.control."""
