"""A certificate authority kept as a directory of files."""
