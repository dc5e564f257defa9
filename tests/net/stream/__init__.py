"""Tests for iphttps.net.stream."""
