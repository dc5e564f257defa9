"""`twistd`, with devices that give up one packet in each turn of the reactor: what batching is measured against."""

from twisted.scripts.twistd import run

from iphttps.host.device import tun

if __name__ == "__main__":
    tun.READS = 1  # so that each packet is one read, one write to TLS, one record, one write to the other device
    run()
