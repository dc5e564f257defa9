"""Tests for iphttps.pki.authority."""
