"""Tests for iphttps.core.ip."""
