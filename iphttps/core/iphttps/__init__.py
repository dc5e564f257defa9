"""IP-HTTPS ([MS-IPHTTPS]): both state machines, the link, its policy, its tables."""
