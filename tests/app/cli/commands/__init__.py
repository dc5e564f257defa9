"""Tests for iphttps.app.cli.commands."""
