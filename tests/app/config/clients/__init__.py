"""Tests of iphttps.app.config.clients."""
