"""This process and its environment: privileges, descriptors, systemd notification, sockets, pid files."""
