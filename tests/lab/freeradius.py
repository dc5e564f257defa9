"""Debian's FreeRADIUS on a host of the laboratory, with two users."""

from __future__ import annotations

import shutil
from pathlib import Path

from twisted.trial.unittest import SkipTest

from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.privilege import SYSTEM_PATH
from iphttps.lab.programs import Program

SECRET = "a secret of the laboratory"
ADDRESS = "127.0.0.1"
READY = "Ready to process requests"
REASON = "Wrong name or password"

# FreeRADIUS 3.2.1 adds no Message-Authenticator of itself to the answers that have no EAP in them.
_PROVED = "update reply { Message-Authenticator := 0x00 }"

_CONFIG = """\
prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = {directory}
logdir = {directory}
run_dir = {directory}
name = radiusd
hostname_lookups = no
log {{
    destination = stdout
    auth = yes
}}
security {{
    reject_delay = 0
    status_server = yes
}}
thread pool {{
    start_servers = 1
    max_servers = 2
}}
client server {{
    ipaddr = 127.0.0.1
    secret = "{secret}"
    require_message_authenticator = yes
}}
modules {{
    mschap {{
        require_encryption = yes
        require_strong = yes
        with_ntdomain_hack = yes
    }}
    pap {{
    }}
    files {{
        usersfile = {directory}/users
    }}
    detail {{
        filename = {directory}/detail
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = 1812
    }}
    listen {{
        type = acct
        ipaddr = 127.0.0.1
        port = 1813
    }}
    authorize {{
        mschap
        files
        pap
    }}
    authenticate {{
        Auth-Type MS-CHAP {{
            mschap
        }}
        Auth-Type PAP {{
            pap
        }}
    }}
    post-auth {{
        {proved}
        Post-Auth-Type REJECT {{
            {proved}
            update reply {{
                Reply-Message := "{reason}"
            }}
        }}
    }}
    preacct {{
    }}
    accounting {{
        detail
    }}
}}
"""

_USERS = """\
alice Cleartext-Password := "secret"
    Framed-IP-Address := {address},
    Class := 0x6c6162

bob Cleartext-Password := "secret"
    Framed-IP-Address := 255.255.255.254,
    Session-Timeout := {timeout}
"""


class FreeRadius:
    """The server, which is started at once and ends with the laboratory; `proved` is whether it proves its answers."""

    def __init__(
        self, lab: Laboratory, host: Namespace, *, address: str = "10.99.0.77", timeout: int = 2, proved: bool = True
    ) -> None:
        """Start it; `address` is alice's, `timeout` the Session-Timeout of bob.

        Raises:
            SkipTest: It is not installed.
        """
        program = shutil.which("freeradius") or shutil.which("freeradius", path=SYSTEM_PATH)
        if program is None or shutil.which("radclient") is None:
            raise SkipTest("This needs FreeRADIUS: on Debian type 'apt install freeradius freeradius-utils'.")
        self._lab, self._host = lab, host
        self.directory = lab.directory / "radius"
        self.directory.mkdir(mode=0o700)
        self.write("dictionary", "$INCLUDE /usr/share/freeradius/dictionary\n")
        self.write("users", _USERS.format(address=address, timeout=timeout))
        proof = _PROVED if proved else ""
        config = _CONFIG.format(directory=self.directory, secret=SECRET, proved=proof, reason=REASON)
        self.write("radiusd.conf", config)
        self.program = lab.program(host, "freeradius", program, "-f", "-l", "stdout", "-xx", "-d", str(self.directory))
        self.program.wait_for(READY)

    def write(self, name: str, text: str) -> Path:
        """Write a file into its directory, and return its path."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    @property
    def records(self) -> str:
        """The accounting records so far, as FreeRADIUS writes them."""
        path = self.directory / "detail"
        return path.read_text() if path.exists() else ""

    def disconnect(self, attributes: str) -> Program:
        """Have radclient ask the server to disconnect the sessions with these attributes."""
        request = self.write(f"disconnect-{len(self._lab.programs)}", attributes + "\n")
        command = ["radclient", "-x", "-r", "1", "-t", "2", "-d", str(self.directory), "-f", str(request)]
        return self._lab.program(self._host, "radclient", *command, f"{ADDRESS}:3799", "disconnect", SECRET)
