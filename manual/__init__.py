"""Generates manual pages, completions and docs/configuration.md from the commands, the options and etc/."""
