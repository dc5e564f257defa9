"""`iphttps check`: what is wrong with an instance before a daemon meets it."""
