"""Commands for a server that are given to a client."""

from __future__ import annotations

from ..command import Answering, CommandCase
from ..schema import documented


class ForServersTests(CommandCase):
    """Commands for a server, with a client."""

    def setUp(self) -> None:
        """Start a client that knows no such path, as the daemon answers."""
        super().setUp()
        self.path = self.directory / "client-vpn.sock"
        self.serve(self.path)
        self.patch(Answering, "of_paths", {"/status": documented("client")})

    def test_client(self) -> None:
        """The sentence names the instance and what to do instead, not the paths of the API; the same with SSTP."""
        for role in ("client", "sstp-client"):
            self.patch(Answering, "of_paths", {"/status": documented(role)})
            self.refused()

    def refused(self) -> None:
        """Check the sentences."""
        for words, said in (
            (("clients",), "client/vpn is a client: only a server has clients"),
            (("disconnect", "7"), "client/vpn is a client: only a server has clients"),
            (
                ("reload",),
                "client/vpn is a client, which cannot reload: restart it with `iphttps down` and `iphttps up`",
            ),
        ):
            self.assertEqual(said, self.complaint(self.run_command({"error": "no such path"}, *words, status=404)))

    def test_other(self) -> None:
        """Another reason is passed on, and so is that of a server."""
        self.assertEqual("x", self.complaint(self.run_command({"error": "x"}, "clients", status=409)))
        self.patch(Answering, "of_paths", {"/status": documented("server")})
        self.assertEqual("x", self.complaint(self.run_command({"error": "x"}, "disconnect", "7", status=404)))
