"""IP-HTTPS ([MS-IPHTTPS]): the state machines of client and server, the link, its policy and tables."""
