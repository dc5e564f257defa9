"""The subcommands of `iphttps`, a module for each subject; `app/cli.py` loads the one that is asked for."""
