"""Checks NTLM logins for Squid's helpers, each of which is a line to this program over TCP.

    python ntlm.py PORT USERS        USERS has lines DOMAIN:USER:PASSWORD

Squid says `YR TOKEN` to begin and `KK TOKEN` to go on; the answers are `TT TOKEN`, `AF USER`, and `NA REASON`.
"""

import base64
import os
import socketserver
import sys

import spnego


class Helper(socketserver.StreamRequestHandler):
    """One helper's line."""

    def handle(self) -> None:
        """Answer until the helper ends."""
        context = None
        for line in self.rfile:
            words = line.split()
            try:
                if context is None or words[0] == b"YR":
                    context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
                token = context.step(base64.b64decode(words[1]) if len(words) > 1 else None) or b""
                answer = (
                    f"AF {context.client_principal}" if context.complete else f"TT {base64.b64encode(token).decode()}"
                )
            except Exception as error:  # noqa: BLE001  # whatever is wrong with a token, the login is
                answer = f"NA {' '.join(str(error).split())[:150]}"
            self.wfile.write(answer.encode() + b"\n")


class Acceptor(socketserver.ThreadingTCPServer):
    """All helpers."""

    daemon_threads = True
    allow_reuse_address = True


def main(port: str, users: str) -> None:
    """Listen on loopback, for ever."""
    os.environ["NTLM_USER_FILE"] = users
    with Acceptor(("127.0.0.1", int(port)), Helper) as acceptor:
        print("ready", flush=True)
        acceptor.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
