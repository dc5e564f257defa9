"""Programs that a daemon runs when its link changes."""
