"""The two services that `twistd` runs."""
