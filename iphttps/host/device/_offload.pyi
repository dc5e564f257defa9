"""The Python interface of offload.c."""

from array import array

def read(device: int, reads: int, ipv4: bool, mtu: int, /) -> tuple[bytes, bytes, int, int, int]:
    """Read so many times at most; return packets, bounds (as of a Batch, 32 bits each), and three counts of drops.

    `ipv4` lets IPv4 pass beside IPv6. The drops are of what has another version of IP, of what has a wrong length, and
    of what is longer than `mtu` bytes.
    Raises OSError if the device is gone.
    """

def write(device: int, data: bytes, bounds: bytes | memoryview | array[int], datagrams: bool, /) -> tuple[int, int]:
    """Write packets, and return how many packets, and how many bytes, the device did not accept.

    `bounds` has the format of `read`, 32 bits each. `datagrams` says that the kernel accepts joined UDP datagrams.

    Raises:
        ValueError: The bounds exceed the data or decrease.
    """
