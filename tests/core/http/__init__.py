"""Tests for iphttps.core.http."""
