"""Evaluation of proxy auto-configuration files in a child process."""
