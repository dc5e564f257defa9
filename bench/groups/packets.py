"""Small UDP packets per second, up, against OpenVPN."""

from bench.peers.openvpn import OPENVPN_1500
from bench.peers.ours import OURS
from bench.progress import say
from bench.rows import Group, Row, at_least
from bench.small_packets import SIZE, most_per_second


def measure(rounds: int) -> list[Row]:
    """Measure both in every round."""
    peers = [OURS] if OPENVPN_1500.missing else [OURS, OPENVPN_1500]
    if OPENVPN_1500.missing:
        say(OPENVPN_1500.missing)
    found: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for number in range(1, rounds + 1):
        for peer in peers:
            with peer.put_up() as tunnel:
                found[peer.name].append(most_per_second(tunnel))
            say(f"  round {number}, {peer.name}: {found[peer.name][-1]:.0f} packets of {SIZE} bytes per second")
    what = f"UDP packets of {SIZE} bytes with at most 1 % lost"
    others = found.get(OPENVPN_1500.name, ())
    goal = at_least(1.5) if others else None
    return [Row(what, "1/s", found[OURS.name], OPENVPN_1500.name, others, goal)]


GROUP = Group("packets", "small UDP packets per second", measure)
