"""Tests of iphttps.app.config.secrets."""
