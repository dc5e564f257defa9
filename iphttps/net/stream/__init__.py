"""Parts for any byte stream: socket options, back-pressure, fan-out, scheduling."""
