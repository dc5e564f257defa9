"""The process of a daemon: clock, garbage collector, signals, service manager."""
