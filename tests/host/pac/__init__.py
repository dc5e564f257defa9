"""Tests for iphttps.host.pac."""
