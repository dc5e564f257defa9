"""`iphttps check`: checks of an instance before its daemon starts."""
