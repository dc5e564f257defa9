"""Connecting: endpoints, proxies and their discovery, fallback and racing."""
