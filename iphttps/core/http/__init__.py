"""HTTP message parsing, shared by all protocols."""
