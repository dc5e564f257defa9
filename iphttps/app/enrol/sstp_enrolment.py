"""The enrolment of a user of SSTP: the users file, the file for `iphttps join`, and a folder for Windows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ...core.errors import ConfigError
from ...net.connect.endpoints import URI
from ...pki import atomic_files
from ..config.server_options import Options
from ..instances.paths import Places
from ..users import editing
from . import windows
from .enrolment import Enrolment, only_instance
from .passphrase import new_passphrase
from .sstp_bundle import SSTPBundle, seal

JOIN, LEAVE = "JoinSSTP.ps1", "LeaveSSTP.ps1"


@dataclass(frozen=True, slots=True)
class SSTPEnrolment:
    """An SSTP server on this machine: the host name for clients, the authority that they need, and the users file.

    `ca_pem` is None if the server's certificate is issued by a public authority.
    """

    server: str
    ca_pem: bytes | None
    users: Path

    @classmethod
    def at(cls, places: Places, instance: str | None, uri: str | None = None) -> SSTPEnrolment:
        """Return the enrolment for a server instance, by default the only one; raises ConfigError."""
        name = instance or only_instance(places)
        options = Options()
        options.root = places.root
        options.parse(["--config", str(places.server_config(name))])
        config = options.config
        if not config.serves_sstp or config.sstp_users is None:
            raise ConfigError(
                f"server {name} does not serve SSTP: set sstp-pool, sstp-prefix and sstp-users in its configuration"
            )
        enrolment = Enrolment.at(places, name, uri)
        parsed = URI.parse(enrolment.uri)
        host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
        server = host if parsed.port == 443 else f"{host}:{parsed.port}"
        return cls(server, enrolment.ca_pem, places.beneath(config.sstp_users))

    def add(self, name: str, target: Path | None = None) -> str:
        """Add a user with a random password, and return the password.

        `target` is the file to write for `iphttps join`, encrypted with the password; it contains no other secret.

        Raises:
            ConfigError: The user or the file already exists, or a file cannot be written.
        """
        password = new_passphrase()
        editing.check_new(self.users, name)
        if target:
            content = seal(SSTPBundle(name, f"https://{self.server}/", self.ca_pem, password))
            atomic_files.create(target, content, atomic_files.PRIVATE)
        try:
            editing.add(self.users, name, password)
        except ConfigError:
            if target:
                target.unlink()
            raise
        return password

    def write_folder(self, target: Path, name: str) -> None:
        """Write the folder for Windows, which contains no secret; raises ConfigError."""
        contents = {
            windows.JOIN: (self.script(JOIN, name), atomic_files.PUBLIC),
            windows.LEAVE: (self.script(LEAVE, name), atomic_files.PUBLIC),
        }
        if authority := self._authority:
            contents[windows.AUTHORITY] = (authority.public_bytes(Encoding.DER), atomic_files.PUBLIC)
        windows.write_files(target, contents)

    def script(self, script: str, name: str) -> bytes:
        """Return a script, filled in for a user; raises ConfigError if it cannot contain the name."""
        authority = self._authority
        values = {
            "@SERVER@": windows.quoted(self.server),
            "@CONNECTION@": windows.quoted(self.server.replace(":", " ")),
            "@NAME@": windows.quoted(name),
            "@AUTHORITY@": windows.quoted(windows.thumbprint(authority) if authority else ""),
        }
        return windows.filled(script, values)

    @property
    def _authority(self) -> x509.Certificate | None:
        return x509.load_pem_x509_certificate(self.ca_pem) if self.ca_pem else None
