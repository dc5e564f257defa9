"""Messages that an SSTP client sends while its call ends, while another client's ping goes on."""

from __future__ import annotations

from iphttps.app.control.ask import ask
from tests.lab.sstp_attacker import HostileCase
from tests.sstp_client import CALL_ABORT, CALL_CONNECT_ACK, CALL_DISCONNECT, CALL_DISCONNECT_ACK, message


class EndingTests(HostileCase):
    """The four states in which a call ends."""

    def test_pending(self) -> None:
        """While a call ends every message is ignored, but those that end it (3.3.5.2, states 5 to 8 of 3.3.1)."""
        everything = b"".join(message(kind) for kind in (1, 2, 3, 4, 8, 9)) + message(77)
        for ends, answer, rest in (
            (message(CALL_CONNECT_ACK), CALL_ABORT, message(CALL_ABORT)),  # a wrong message: the server aborts
            (message(CALL_ABORT), CALL_ABORT, b""),
            (message(CALL_DISCONNECT), CALL_DISCONNECT_ACK, b""),
        ):
            attacker = self.attacker()
            attacker.call()
            attacker.ping()
            attacker.messages.clear()
            attacker.packets.clear()
            attacker.say(ends, everything, attacker.echo_request(), everything, rest)
            attacker.to_end(3.0)
            self.assertEqual((attacker.kinds, attacker.packets), ([answer], []), ends)
        # The server disconnects: the acknowledgement ends the connection, and nothing else of all this does before.
        attacker = self.attacker()
        attacker.call()
        attacker.ping()
        attacker.messages.clear()
        attacker.packets.clear()
        clients = ask(self.control, "GET", "/clients")["clients"]
        (number,) = [each["number"] for each in clients if each["identity"] == "alice"]
        ask(self.control, "POST", f"/clients/{number}/disconnect")
        attacker.hear(kind=CALL_DISCONNECT)
        attacker.say(everything, attacker.echo_request(), message(CALL_DISCONNECT_ACK))
        attacker.to_end(3.0)
        self.assertEqual((attacker.kinds, attacker.packets), ([CALL_DISCONNECT], []))
        self.unharmed()
