"""The tunnels that are measured, each put up between the first client and the private network of a laboratory."""
