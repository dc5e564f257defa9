"""Tests for iphttps.net.sstp."""
