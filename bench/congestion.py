"""The congestion control of crowds, so that they meet the same one on every machine."""

from iphttps.lab.laboratory import Laboratory

OUTER = "reno"
"""For the tunnels' own connections, which hardly lose a segment: one that every kernel lets a namespace have."""

INNER = "cubic"
"""For the flows in the tunnels, as usual in Linux. With BBR, the default of some kernels, which paces each flow by what
it has had, crowds on two busy cores carry a fraction in all tunnels.
"""


def set_usual(lab: Laboratory) -> None:
    """Have the tunnels' connections use the outer one; flows get the inner one from iperf3."""
    for host in (lab.gateway, lab.private, *lab.clients):
        host.setting("ipv4.tcp_congestion_control", OUTER)
