"""What can go wrong, and whose fault it is.

Errors are raised while a session is set up, or when an operator's wish cannot be met. On the packet
path nothing is raised: a packet that goes no further has a DropReason, and is counted under it.
"""

from __future__ import annotations

from enum import Enum


class IPHTTPSError(Exception):
    """The root of the errors that this package raises; its text is one sentence for a person."""


class ProtocolError(IPHTTPSError):
    """The peer broke HTTP or [MS-IPHTTPS] while a session was being set up.

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
    """The operator asked for something that cannot be: the text says what, where, and what to do."""


class DiscoveryError(IPHTTPSError):
    """The proxy was to be found out where the operator said, and could not be: the text says where and why.

    Unlike a ConfigError it may be gone at the next try, when the network has changed.
    """


class ProxyFault(Enum):
    """Why a web proxy did not open the way; the value is what status and log call it."""

    UNREACHABLE = "unreachable"
    NO_ANSWER = "no answer"
    NOT_HTTP = "not HTTP"
    REFUSED = "refused"
    CAPTIVE_PORTAL = "captive portal"
    NO_CREDENTIALS = "no credentials"
    CREDENTIALS_WRONG = "credentials wrong"


class ProxyError(IPHTTPSError):
    """The web proxy on the way did not let the client through to the server (3.1.5.1)."""

    def __init__(self, sentence: str, fault: ProxyFault) -> None:
        super().__init__(sentence)
        self.fault = fault


class DropReason(Enum):
    """Why a packet went no further; the value is the sentence that status and log show."""

    NOT_IPV6 = "not an IPv6 packet"  # 3.1.5.3, 3.2.5.2.2
    NOT_IP = "not an IPv4 or IPv6 packet"
    WRONG_LENGTH = "the Payload Length does not match the packet"
    DEVICE_REFUSED = "the device did not take the packet"
    CONGESTED = "the connection is full"
    OVERSIZE = "longer than the link's MTU"
    SOURCE_INVALID = "a source address that nobody may use"
    SOURCE_FOREIGN = "a source address from outside the link"
    SOURCE_HELD = "a source address that somebody else holds"
    DESTINATION_INVALID = "a destination address that does not leave a host"
    BEYOND_SCOPE = "a link-local source, a destination beyond the link"  # RFC 4007
    LINK_LOCAL = "link-local unicast between clients"  # 3.2.5.2.2, mode None
    ISOLATED = "from a client to another client, which --isolate forbids"
    DHCP_SERVER = "a message of a DHCPv6 server from a client"  # RFC 7610
    MULTICAST = "multicast that the authentication mode forbids"  # 3.2.5.2.1, 3.2.5.2.2
    NO_NEIGHBOR = "no client holds the destination address"
    HEADER_CHAIN = "the chain of extension headers does not end inside the packet"  # RFC 7112
    ND_INVALID = "a Neighbor Discovery message that breaks RFC 4861"
    ND_FRAGMENTED = "a Neighbor Discovery message in fragments"  # RFC 6980
    ND_OFF_LINK = "a Neighbor Discovery message that would leave the link"
    ND_TARGET_HELD = "a Neighbor Advertisement for an address that somebody else holds"
    ROUTER_ADVERTISEMENT = "a Router Advertisement that is not the server's"  # RFC 6105
    REDIRECT = "a Redirect"
    TOO_MUCH = "multicast and Neighbor Discovery beyond the client's rate"
