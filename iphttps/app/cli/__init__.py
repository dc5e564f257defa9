"""The `iphttps` command."""
