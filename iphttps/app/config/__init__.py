"""Configuration: options, their TOML file, what a reload changes."""
