"""Tests for the manual."""
