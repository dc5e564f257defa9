"""Tests for iphttps.host.kernel."""
