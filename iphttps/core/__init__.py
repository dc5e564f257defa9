"""The protocol core, without I/O: bytes, values and the time in, values out."""
