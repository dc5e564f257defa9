"""Tests for iphttps.core.iphttps."""
