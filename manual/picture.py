"""docs/gateway.svg: where the gateway stands between clients and a private network."""

from html import escape

WIDTH, HEIGHT = 880, 250

STYLE = """
text { font: 14px sans-serif; fill: #24292f }
.small { font-size: 12px; fill: #57606a }
.box { fill: #ffffff; stroke: #57606a; stroke-width: 1.5 }
.ours { fill: #ddf4ff; stroke: #0969da; stroke-width: 2 }
.wall { fill: #ffebe9; stroke: #cf222e; stroke-width: 1.5 }
.line { stroke: #57606a; stroke-width: 1.5; fill: none }
.tunnel { stroke: #0969da; stroke-width: 6; fill: none }
"""


def picture() -> str:
    """Return the picture as SVG: clients on the left, the private network on the right, HTTPS between them."""
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            "<title>Clients reach a private IPv6 network through an IP-HTTPS gateway</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            '<rect class="wall" x="290" y="30" width="120" height="190" rx="6"/>',
            _text(350, 120, "firewall, proxy"),
            _text(350, 138, "lets HTTPS out", "small"),
            _line("tunnel", 170, 65, 510, 108),
            _line("tunnel", 170, 185, 510, 142),
            _line("line", 660, 125, 710, 125),
            _box("box", 20, 35, "Windows client", "built in"),
            _box("ours", 20, 155, "Linux client", "iphttps-client"),
            _box("ours", 510, 95, "gateway", "iphttps-server, :443"),
            _box("box", 710, 95, "private network", "IPv6 hosts"),
            _text(350, 18, "one HTTPS POST that never ends, IPv6 packets in its body and in its answer", "small"),
            _text(585, 185, "decrypts, checks, forwards;", "small"),
            _text(585, 201, "the kernel routes and filters", "small"),
            "</svg>\n",
        )
    )


def _box(kind: str, left: int, top: int, name: str, below: str) -> str:
    rect = f'<rect class="{kind}" x="{left}" y="{top}" width="150" height="60" rx="6"/>'
    return "\n".join((rect, _text(left + 75, top + 27, name), _text(left + 75, top + 46, below, "small")))


def _text(x: int, y: int, words: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="middle">{escape(words)}</text>'


def _line(kind: str, x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<path class="{kind}" d="M{x1} {y1} L{x2} {y2}"/>'
