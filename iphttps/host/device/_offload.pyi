"""The Python interface of offload.c."""

def read(device: int, reads: int, /) -> tuple[bytes, bytes, int, int, int]:
    """Read at most `reads` times; return the packets, their bounds (as in a Batch, 32 bits each), and drop counts.

    The three counts are of non-IPv6 packets, of packets with a wrong length, and of packets longer than the link's MTU.

    Raises:
        OSError: The device is gone.
    """

def write(device: int, data: bytes, bounds: bytes, datagrams: bool, /) -> tuple[int, int]:
    """Write packets, and return how many packets, and how many bytes, the device did not accept.

    `bounds` has the format of `read`. `datagrams` says that the kernel accepts joined UDP datagrams.

    Raises:
        ValueError: The bounds exceed the data or decrease.
    """
