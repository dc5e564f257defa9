"""HTTP messages beneath both protocols."""
