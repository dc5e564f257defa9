"""PPP, as far as SSTP needs it."""
