"""The subcommands of `iphttps`, a module for each subject; `app/cli/entry.py` loads the one that is asked for."""
