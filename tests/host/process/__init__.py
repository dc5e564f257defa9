"""Tests for iphttps.host.process."""
