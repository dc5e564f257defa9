"""The process of a daemon: its clock, its garbage collector, its signals, its service manager."""
