"""Tests for iphttps.core.proxy."""
