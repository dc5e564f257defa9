"""Tests for iphttps.core.sstp."""
