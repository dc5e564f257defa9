"""Parts that work on any byte stream: back-pressure, fan-out, scheduling."""
