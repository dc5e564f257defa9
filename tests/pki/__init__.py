"""Tests for iphttps.pki."""
