"""The paths of configurations, certificates, state and sockets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import ConfigError

CONFIGURATION = Path("/etc/iphttps")
STATE = Path("/var/lib/iphttps")
CLIENT_STATE = Path("/var/lib/iphttps-client")
RUN = Path("/run/iphttps")
LOGS = Path("/var/log/iphttps")
USER = GROUP = "iphttps"
"""The user and group that the daemons run as."""

ROLES = ("server", "client", "sstp-client")
"""The roles of instances; the daemons of the first two are those of IP-HTTPS."""

DEFAULT_NAME = "main"
"""The instance that `setup` creates by default."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")


def checked_name(name: str) -> str:
    """Return the name of an instance, if it is valid in paths and unit names; raises ConfigError."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a valid instance name: use at most 63 letters, digits, _, . and -, "
            "beginning with a letter, a digit or _"
        )
    return name


def command(role: str) -> str:
    """Return the command of `twistd` that is the daemon of a role."""
    return role if role.startswith("sstp-") else f"iphttps-{role}"


def unit(role: str, name: str) -> str:
    """Return the name of the systemd unit that runs an instance."""
    return f"{command(role)}@{checked_name(name)}.service"


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of all instances, below a root other than `/` for packages, tests and other machines."""

    root: Path = Path("/")
    enrolments: Path = field(default_factory=Path.cwd)
    """The directory for the enrolment files of new clients."""

    def beneath(self, path: Path) -> Path:
        """Return an absolute path below the root, unchanged if it is already there."""
        return path if path.is_relative_to(self.root) else self.root / path.relative_to("/")

    @property
    def configuration(self) -> Path:
        """The directory of all configuration."""
        return self.beneath(CONFIGURATION)

    @property
    def state(self) -> Path:
        """The directory of persistent state."""
        return self.beneath(STATE)

    @property
    def client_state(self) -> Path:
        """The directory of the clients' persistent state."""
        return self.beneath(CLIENT_STATE)

    @property
    def run(self) -> Path:
        """The directory of control sockets and pid files."""
        return self.beneath(RUN)

    @property
    def authority(self) -> Path:
        """The directory of the certificate authority."""
        return self.state / "ca"

    @property
    def server_authority(self) -> Path:
        """The directory of the authority for servers; if it does not exist, `authority` serves both."""
        return self.configuration / "server-ca"  # writable by root only

    @property
    def users(self) -> Path:
        """The users of SSTP."""
        return self.configuration / "users.toml"

    def config(self, role: str, name: str) -> Path:
        """Return the configuration of an instance; raises ConfigError for an invalid name."""
        return self.configuration / role / f"{checked_name(name)}.toml"

    def server_config(self, name: str) -> Path:
        """Return the configuration of a server."""
        return self.config("server", name)

    def client_config(self, name: str) -> Path:
        """Return the configuration of a client."""
        return self.config("client", name)

    def server_certificate(self, name: str) -> Path:
        """Return the certificate of a server."""
        return self._beside("server", name, ".pem")

    def server_key(self, name: str) -> Path:
        """Return the private key of a server."""
        return self._beside("server", name, ".key")

    def client_certificate(self, name: str) -> Path:
        """Return the certificate of a client."""
        return self._beside("client", name, ".pem")

    def client_key(self, name: str) -> Path:
        """Return the private key of a client."""
        return self._beside("client", name, ".key")

    def ca(self, role: str, name: str) -> Path:
        """Return the certificate of the authority that a client trusts."""
        return self._beside(role, name, "-ca.pem")

    def password(self, role: str, name: str) -> Path:
        """Return the file with the password of a client."""
        return self._beside(role, name, ".password")

    def control(self, role: str, name: str) -> Path:
        """Return the control socket of an instance."""
        return self.run / f"{role}-{checked_name(name)}.sock"

    def pid_file(self, role: str, name: str) -> Path:
        """Return the pid file of an instance that runs without systemd."""
        return self.run / f"{role}-{checked_name(name)}.pid"

    def log_file(self, role: str, name: str) -> Path:
        """Return the log file of an instance that runs without systemd."""
        return self.beneath(LOGS) / f"{role}-{checked_name(name)}.log"

    def instances(self, role: str) -> list[str]:
        """Return the names of the configured instances, sorted."""
        return sorted(path.stem for path in (self.configuration / role).glob("*.toml") if _NAME.fullmatch(path.stem))

    def _beside(self, role: str, name: str, ending: str) -> Path:
        return self.configuration / role / (checked_name(name) + ending)
