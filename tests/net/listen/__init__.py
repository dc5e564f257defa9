"""Tests for iphttps.net.listen."""
