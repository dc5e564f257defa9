"""Tests in network namespaces, with both daemons as processes."""
