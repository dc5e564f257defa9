"""Tests for iphttps.net.connect."""
