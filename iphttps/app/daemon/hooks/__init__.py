"""Programs run by a daemon when its link changes."""
