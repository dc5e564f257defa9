"""The errors, by whose fault they are, and the reasons for dropping packets.

Errors are raised while a session is set up, or if the configuration cannot be applied. On the packet path nothing is
raised: a dropped packet has a DropReason and is counted under it.
"""

from __future__ import annotations

from enum import Enum


class IPHTTPSError(Exception):
    """The base class of this package's errors; the text is one sentence for a person."""


class ProtocolError(IPHTTPSError):
    """The peer violated HTTP, [MS-IPHTTPS] or [MS-SSTP] while a session was being set up.

    `status` is the HTTP status that a server answers with before it closes, and `allow` the methods that would be right
    where the status is 405. `retry_after` is how many seconds a server has asked its client to leave it alone.
    """

    def __init__(
        self, sentence: str, status: int = 400, retry_after: float | None = None, allow: tuple[str, ...] = ()
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after
        self.allow = allow


class ConfigError(IPHTTPSError):
    """The configuration is wrong or cannot be applied: the text says what, where, and what to do."""


class DiscoveryError(IPHTTPSError):
    """The discovery of the proxy failed: the text says where and why.

    Unlike a ConfigError this may be temporary: the next attempt can succeed once the network has changed.
    """


class ProxyFault(Enum):
    """The reason why a connection through a web proxy failed; the value is its name in status and log."""

    UNREACHABLE = "unreachable"
    NO_ANSWER = "no answer"
    NOT_HTTP = "not HTTP"
    REFUSED = "refused"
    CAPTIVE_PORTAL = "captive portal"
    NO_CREDENTIALS = "no credentials"
    CREDENTIALS_WRONG = "credentials wrong"


class ProxyError(IPHTTPSError):
    """The web proxy did not connect the client to the server (3.1.5.1)."""

    def __init__(self, sentence: str, fault: ProxyFault) -> None:
        super().__init__(sentence)
        self.fault = fault


class DropReason(Enum):
    """The reason why a packet was dropped; the value is the text in status and log."""

    NOT_IPV6 = "not an IPv6 packet"  # 3.1.5.3, 3.2.5.2.2
    NOT_IP = "not an IPv4 or IPv6 packet"
    WRONG_LENGTH = "the Payload Length does not match the packet"
    NOT_CONNECTED = "data outside a connected call, such as before its crypto binding"  # [MS-SSTP] 3.3.7.2
    DEVICE_REFUSED = "the device did not accept the packet"
    CONGESTED = "the connection is congested"
    OVERLOADED = "the server cannot send as fast as packets come, and this client's queue is too long"
    AQM = "packets wait for too long on a slow connection: active queue management"  # RFC 8289
    OVER_RATE = "to the client, over the --max-rate of its identity"
    OVERSIZE = "longer than the link's MTU"
    SOURCE_INVALID = "a source address that no node may use"
    SOURCE_FOREIGN = "a source address outside the link's prefix"
    SOURCE_HELD = "a source address that another node holds"
    DESTINATION_INVALID = "a destination address that is never sent on a link"
    BEYOND_SCOPE = "a link-local source address with a destination beyond the link"  # RFC 4007
    LINK_LOCAL = "link-local unicast between clients"  # 3.2.5.2.2, mode None
    ISOLATED = "from a client to another client, which --isolate forbids"
    DHCP_SERVER = "a DHCPv6 server message from a client"  # RFC 7610
    MULTICAST = "multicast that the authentication mode forbids"  # 3.2.5.2.1, 3.2.5.2.2
    NO_NEIGHBOR = "no client holds the destination address"
    HEADER_CHAIN = "the extension header chain runs past the end of the packet"  # RFC 7112
    ND_INVALID = "a Neighbor Discovery message that violates RFC 4861"
    ND_FRAGMENTED = "a fragmented Neighbor Discovery message"  # RFC 6980
    ND_OFF_LINK = "a Neighbor Discovery message that would leave the link"
    ND_TARGET_HELD = "a Neighbor Advertisement for an address that another node holds"
    ROUTER_ADVERTISEMENT = "a Router Advertisement that is not the server's"  # RFC 6105
    REDIRECT = "a Redirect"
    TOO_MUCH = "multicast or Neighbor Discovery over the client's rate limit"
