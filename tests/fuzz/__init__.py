"""Programs that look for inputs which a parser does not stand; `tools/fuzz` runs them."""
