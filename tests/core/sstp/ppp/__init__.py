"""Tests for iphttps.core.sstp.ppp."""
