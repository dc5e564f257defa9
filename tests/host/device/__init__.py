"""Tests for iphttps.host.device."""
