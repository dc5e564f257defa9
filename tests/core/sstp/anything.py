"""Whatever a peer may send: PPP frames and control packets, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from iphttps.core.sstp.attributes import CryptoBinding, CryptoBindingRequest, StatusInfo, encapsulated_protocol
from iphttps.core.sstp.codec import ControlPacket, Frame
from iphttps.core.sstp.packet import MessageType, message
from iphttps.core.sstp.ppp.chap import Challenge, Response, Result
from iphttps.core.sstp.ppp.frame import ProtocolNumber, build
from iphttps.core.sstp.ppp.pap import Answer, AuthenticateRequest
from tests.core.sstp.ppp.support import configure, plain
from tests.core.sstp.scripted import ASSIGNED, IDENTIFIER, MSCHAPV2, PAP

M = MessageType

options = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 20), st.binary(max_size=9)),
        st.sampled_from(
            [(1, b"\xff\xff"), (3, MSCHAPV2.value), (3, PAP.value), (3, ASSIGNED), (1, IDENTIFIER), (7, b"")]
        ),
    ),
    max_size=4,
)
bodies = st.one_of(
    st.binary(max_size=40),
    st.builds(plain, st.integers(0, 13), st.integers(0, 3), st.binary(max_size=12)),
    st.builds(
        lambda code, number, chosen: configure(code, number, *chosen), st.integers(1, 4), st.integers(0, 3), options
    ),
    st.builds(
        lambda number, name: Response(number, bytes(16), bytes(24), name).encode(),
        st.integers(1, 3),
        st.sampled_from([b"alice", b"bob"]),
    ),
    st.builds(
        lambda number, password: AuthenticateRequest(number, b"alice", password).encode(),
        st.integers(0, 3),
        st.sampled_from([b"secret", b"wrong"]),
    ),
    st.builds(lambda number: Challenge(number, b"c" * 16, b"server").encode(), st.integers(0, 3)),
    st.builds(
        lambda number, succeeded, said: Result(number, succeeded, said).encode(),
        st.integers(0, 3),
        st.booleans(),
        st.sampled_from([b"", b"S=" + b"0" * 40, b"E=691 R=1 C=00 V=3 M=no"]),
    ),
    st.builds(lambda number, accepted: Answer(number, accepted, b"x").encode(), st.integers(0, 3), st.booleans()),
    st.sampled_from([number.to_bytes(2) for number in (0xC021, 0x8021, 0x8057, 0xC223)]).map(
        lambda number: plain(8, 1, number + b"\x01\x01\x00\x04")
    ),
)
frames = st.one_of(
    st.binary(max_size=30).map(Frame),
    st.builds(
        lambda number, body, short: Frame(build(number, body, acfc=short, pfc=short)),
        st.sampled_from([*ProtocolNumber, 0, 0xFFFF]),
        bodies,
        st.booleans(),
    ),
)
attributes = st.one_of(
    st.binary(max_size=12),
    st.builds(lambda number, status: StatusInfo(number, status).build(), st.integers(0, 5), st.integers(0, 12)),
    st.integers(0, 2).map(encapsulated_protocol),
    st.integers(0, 3).map(lambda hashes: CryptoBindingRequest(hashes, bytes(32)).build()),
    st.integers(0, 3).map(lambda number: CryptoBinding(number, bytes(32), bytes(32), bytes(32)).build()),
)
control = st.one_of(
    st.binary(max_size=20).map(lambda rest: ControlPacket(b"\x10\x01\x00" + bytes((4 + len(rest),)) + rest)),
    st.builds(
        lambda kind, chosen: ControlPacket(message(kind, *chosen)), st.sampled_from(M), st.lists(attributes, max_size=3)
    ),
)
