"""IPv6 packets: headers, ICMPv6, Neighbor Discovery, Router Advertisements, Ethernet."""
