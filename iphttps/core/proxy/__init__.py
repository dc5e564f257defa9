"""Web proxies (choice, CONNECT, authentication) and the PROXY protocol."""
