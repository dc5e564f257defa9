"""Tests for iphttps.net.iphttps."""
