"""TLS contexts, the TLS protocol without delays, and the reload of what they use."""
