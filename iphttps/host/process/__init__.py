"""This process and its surroundings: privileges, descriptors, signals of life, sockets, pid files."""
