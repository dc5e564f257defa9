"""Connecting to a server: endpoints, web proxies and their discovery, fallback, racing."""
