"""Writes the manual from what the programs say of themselves: manual pages, completions, docs/configuration.md."""
