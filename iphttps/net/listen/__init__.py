"""Listening sockets: accept limits, PROXY headers, static documents."""
