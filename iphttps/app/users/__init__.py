"""The users of SSTP, and the file that holds them."""
