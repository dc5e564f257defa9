"""Tests for iphttps.core.queues."""
