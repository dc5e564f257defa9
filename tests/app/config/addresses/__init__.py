"""Tests of iphttps.app.config.addresses."""
