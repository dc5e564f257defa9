"""The protocol without input or output: bytes, values and the time come in, values go out."""
