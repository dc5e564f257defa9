"""Web proxies and PROXY headers: how a proxy is found, asked and answered."""
