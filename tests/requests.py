"""Requests that open no session, and bodies that end one, as data: for the core's tests, and for the wire."""

from __future__ import annotations

ENDLESS = b"Content-Length: 18446744073709551615\r\n"
HOST = b"Host: gateway.example\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def post(*headers: bytes, target: bytes = b"/IPHTTPS", method: bytes = b"POST", version: bytes = b"HTTP/1.1") -> bytes:
    """Build the head of a request."""
    return b"%s %s %s\r\n%s\r\n" % (method, target, version, b"".join(headers))


def request(*headers: bytes, **line: bytes) -> bytes:
    """Build the head of a proper request, but for what is said here."""
    return post(HOST, ENDLESS, *headers, **line)


REFUSED: dict[str, tuple[bytes, int]] = {
    # RFC 9112 section 3, RFC 9110 section 15.5.6
    **{method: (request(method=method.encode()), 405) for method in ("GET", "PUT", "HEAD", "OPTIONS", "TRACE", "post")},
    "CONNECT": (request(method=b"CONNECT", target=b"192.0.2.9:443"), 405),
    "GET without a body": (post(HOST, method=b"GET"), 405),
    # RFC 9110 section 15.5.5
    "another path": (request(target=b"/other"), 404),
    "the root": (request(target=b"/"), 404),
    "a path below": (request(target=b"/IPHTTPS/x"), 404),
    "a path through another": (request(target=b"/x/../IPHTTPS"), 404),
    "a percent sign": (request(target=b"/%49PHTTPS"), 404),
    "a query": (request(target=b"/IPHTTPS?x=y"), 404),
    "absolute, another path": (request(target=b"https://gateway.example/other"), 404),
    "absolute, no path": (request(target=b"https://gateway.example"), 404),
    "a long target": (request(target=b"/" + b"x" * 5000), 404),
    # RFC 9110 section 15.5.15, RFC 6585 section 5
    "a target of 64 kB": (request(target=b"/" + b"x" * 65536), 414),
    "10000 headers": (request(b"X: y\r\n" * 10000), 431),
    "a head of 20 kB": (request(b"X: " + b"y" * 20000 + b"\r\n"), 431),
    # RFC 9112 section 2.3
    "HTTP/0.9": (request(version=b"HTTP/0.9"), 505),
    "HTTP/2.0": (request(version=b"HTTP/2.0"), 505),
    "HTTP/9.9": (request(version=b"HTTP/9.9"), 505),
    "HTTP/11.1": (request(version=b"HTTP/11.1"), 400),
    "http/1.1": (request(version=b"http/1.1"), 400),
    "no version": (b"POST /IPHTTPS\r\n", 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    # Not HTTP at all
    "SSH": (b"SSH-2.0-OpenSSH_9.2p1\r\n", 400),
    "SMTP": (b"EHLO gateway.example\r\n", 400),
    "TLS": (bytes.fromhex("16030102000100 01fc0303") + bytes(40), 400),
    "the PROXY protocol": (b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\r\n" + request(), 400),
    "the PROXY protocol in binary": (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + request(), 400),
    "zeros": (bytes(100), 400),
    # RFC 9112 section 3.2
    "no host": (post(ENDLESS), 400),
    "two hosts": (request(HOST), 400),
    "a host with a blank": (post(b"Host: a b\r\n", ENDLESS), 400),
    "a host with a path": (post(b"Host: a/b\r\n", ENDLESS), 400),
    "a host with a user": (post(b"Host: a@b\r\n", ENDLESS), 400),
    "a host with half a bracket": (post(b"Host: [::1\r\n", ENDLESS), 400),
    "a port that is none": (post(b"Host: a:b\r\n", ENDLESS), 400),
    # RFC 9112 sections 2.2 and 5
    "a blank before the colon": (post(HOST, b"Content-Length : 5\r\n"), 400),
    "two blanks": (request(target=b" /IPHTTPS"), 400),
    "a zero": (request(b"X: a\0b\r\n"), 400),
    "a header without a name": (request(b": x\r\n"), 400),
    # RFC 9110 section 10.1.1
    "an expectation": (request(b"Expect: 200-ok\r\n"), 417),
    "two expectations": (request(b"Expect: 100-continue, x=y\r\n"), 417),
    # RFC 9110 section 15.5.12, RFC 9112 section 6.3
    "no length": (post(HOST), 411),
    "a length of nothing": (post(HOST, b"Content-Length: 0\r\n"), 400),
    "another length": (request(b"Content-Length: 5\r\n"), 400),
    "a list of lengths": (post(HOST, b"Content-Length: 5, 6\r\n"), 400),
    "a negative length": (post(HOST, b"Content-Length: -1\r\n"), 400),
    "a length with a sign": (post(HOST, b"Content-Length: +5\r\n"), 400),
    "a hexadecimal length": (post(HOST, b"Content-Length: 0x5\r\n"), 400),
    "a length of 21 digits": (post(HOST, b"Content-Length: " + b"9" * 21 + b"\r\n"), 400),
    # RFC 9112 section 6.1, and what is known of smuggling requests past a front
    "length and chunks": (request(CHUNKED), 400),
    "chunks and length": (post(HOST, CHUNKED, b"Content-Length: 5\r\n"), 400),
    "chunks in HTTP/1.0": (post(HOST, CHUNKED, version=b"HTTP/1.0"), 400),
    "chunks twice": (post(HOST, CHUNKED, CHUNKED), 501),
    "chunks with another encoding": (post(HOST, b"Transfer-Encoding: gzip, chunked\r\n"), 501),
    "another encoding": (post(HOST, b"Transfer-Encoding: gzip\r\n"), 501),
    "no such encoding": (post(HOST, b"Transfer-Encoding: xchunked\r\n"), 501),
    "identity": (post(HOST, b"Transfer-Encoding: identity\r\n"), 501),
    "quoted chunks": (post(HOST, b'Transfer-Encoding: "chunked"\r\n'), 501),
    "chunks behind a vertical tab": (post(HOST, b"Transfer-Encoding:\x0bchunked\r\n"), 400),
    "chunks on a folded line": (request(b"Transfer-Encoding:\r\n chunked\r\n"), 400),
    "chunks behind a bare CR": (post(HOST, b"X: y\rTransfer-Encoding: chunked\r\n"), 400),
    "chunks before a blank": (post(HOST, b"Transfer-Encoding : chunked\r\n"), 400),
    "an underscore": (post(HOST, b"Transfer_Encoding: chunked\r\n"), 411),
}

OPENED: dict[str, bytes] = {
    "as Windows": request(),
    "a content type": request(b"Content-Type: application/octet-stream\r\n"),
    "as HAProxy": post(b"host: gateway.example\r\n", ENDLESS.lower(), b"connection: close\r\n"),
    "HTTP/1.0": request(version=b"HTTP/1.0"),
    "HTTP/1.0 without a host": post(ENDLESS, version=b"HTTP/1.0"),
    "absolute": request(target=b"https://gateway.example/IPHTTPS"),
    "absolute, of another host": request(target=b"HTTP://other.example:8080/iphttps"),
    "a host with a port": post(b"Host: gateway.example:8443\r\n", ENDLESS),
    "an address": post(b"Host: [2001:db8::1]:443\r\n", ENDLESS),
    "an empty host": post(b"Host:\r\n", ENDLESS),
    "the greatest signed length": post(HOST, b"Content-Length: 9223372036854775807\r\n"),
    "the same length again": request(ENDLESS),
    "an upgrade to HTTP/2": request(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"),
    "an upgrade to WebSocket": request(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    "a head of nearly 16 kB": request(b"X: " + b"y" * 16000 + b"\r\n"),
}

MALFORMED_CHUNKS: dict[str, bytes] = {
    "no size": b"\r\n",
    "no number": b"zz\r\n",
    "negative": b"-5\r\nhello\r\n",
    "with a sign": b"+5\r\nhello\r\n",
    "with 0x": b"0x5\r\nhello\r\n",
    "2^64": b"10000000000000000\r\n",
    "a blank before": b" 5\r\nhello\r\n",
    "a line feed alone": b"5\nhello\r\n",
    "a carriage return alone": b"5\rhello\r\n",
    "too short": b"3\r\nhello\r\n",
    "too long": b"6\r\nhello\r\n5\r\n",
    "no end": b"5\r\nhello5\r\n",
    "a line feed as the end": b"5\r\nhello\n5\r\n",
    "a megabyte of extension": b"5;" + b"x" * (1 << 20),
    "a line feed in an extension": b"5;a\nb\r\nhello\r\n",
    "a zero in an extension": b"5;a\0b\r\nhello\r\n",
    "a packet": b"\x60" + bytes(39) + b"\r\n",
}
"""Valid data after the head of a chunked request, or an incomplete chunk."""
