"""The congestion control of the lab's hosts, so that crowds meet the same one on every machine."""

from iphttps.lab.laboratory import Laboratory

NAME = "reno"
"""One that fills queues, as cubic does, and that every kernel lets a namespace have. BBR paces each flow by what it has
had: among 50 flows on two busy cores all tunnels carry a fraction with it.
"""


def set_usual(lab: Laboratory) -> None:
    """Have the flows in the tunnels and the tunnels' own connections use it."""
    for host in (lab.gateway, lab.private, *lab.clients):
        host.setting("ipv4.tcp_congestion_control", NAME)
