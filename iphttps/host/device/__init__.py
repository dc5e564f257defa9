"""Packet devices: TUN, TAP, TUN with segmentation offload, and one in memory for tests."""
