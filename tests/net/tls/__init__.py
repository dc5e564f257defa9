"""Tests for iphttps.net.tls."""
