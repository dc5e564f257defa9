"""Real web proxies, on a host between a client and the gateway, with one user who may use them."""

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from iphttps.lab.authority import Identity
from iphttps.lab.errors import LabError, LabUnavailable
from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PROXY_NAME
from iphttps.lab.poll import wait_until
from iphttps.lab.privilege import INSIDE, SYSTEM_PATH
from iphttps.lab.programs import Program
from tests.lab import ntlm

USER = "alice"
PASSWORD = "secret"
DOMAIN = "EXAMPLE"

# Squid's ports, by what each of them offers.
BASIC = 3128
DIGEST = 3129
NTLM = 3130
NEGOTIATE = 3131
EVERYTHING = 3132
BASIC_TLS = 3443

TINYPROXY = 8888
APACHE = 8080

NTLM_ACCEPTOR = 9999

SQUID_HELPERS = "/usr/lib/squid"
APACHE_MODULES = "/usr/lib/apache2/modules"

_SQUID = """\
pid_filename none
cache deny all
cache_log {directory}/cache.log
logformat logins %>Hs %>lp "%{{Proxy-Authorization}}>h"
access_log stdio:{directory}/access.log logins
logformat versions %>Hs %>lp %rm %{{SSTPVERSION}}>h
access_log stdio:{directory}/versions.log versions
coredump_dir {directory}
pinger_enable off
visible_hostname {name}
cache_effective_user proxy
shutdown_lifetime 0 seconds
http_port {basic} name=basic
http_port {digest} name=digest
http_port {ntlm} name=ntlm
http_port {everything} name=everything
https_port {basic_tls} name=secure tls-cert={certificate} tls-key={key}
auth_param ntlm program {directory}/helper
auth_param ntlm children 2 startup=1
auth_param digest program {helpers}/digest_file_auth -c {directory}/digest
auth_param digest realm {name}
auth_param digest children 2 startup=1
auth_param basic program {helpers}/basic_ncsa_auth {directory}/basic
auth_param basic realm {name}
auth_param basic children 2 startup=1
acl at_basic myportname basic secure
acl at_digest myportname digest
acl at_ntlm myportname ntlm
auth_schemes Basic at_basic
auth_schemes Digest at_digest
auth_schemes NTLM at_ntlm
"""

_SQUID_NEGOTIATE = """\
http_port {negotiate} name=negotiate
auth_param negotiate program {helpers}/negotiate_kerberos_auth -k {keytab} -s HTTP/{name}
auth_param negotiate children 2 startup=1
acl at_negotiate myportname negotiate
auth_schemes Negotiate at_negotiate
"""

_SQUID_ACCESS = """\
acl authenticated proxy_auth REQUIRED
http_access allow authenticated
http_access deny all
"""

# Bash alone does for a helper, which runs as a user who may not read this project.
_HELPER = """\
#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{port}
while IFS= read -r asked; do
    echo "$asked" >&3
    IFS= read -r answer <&3
    echo "$answer"
done
"""

_TINYPROXY = """\
Port {port}
Timeout 600
LogLevel Info
ConnectPort 443
ConnectPort 80
"""

_TINYPROXY_LOGIN = """\
BasicAuth {user} {password}
"""

_APACHE = """\
ServerRoot {directory}
ServerName {name}
DefaultRuntimeDir {directory}
PidFile {directory}/apache.pid
Listen {port}
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_connect_module {modules}/mod_proxy_connect.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authn_file_module {modules}/mod_authn_file.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule auth_digest_module {modules}/mod_auth_digest.so
ErrorLog /dev/stderr
CustomLog {directory}/access.log "%>s {port} \\"%{{Proxy-Authorization}}i\\""
CustomLog {directory}/versions.log "%>s {port} %m %{{SSTPVERSION}}i"
ProxyRequests On
AllowCONNECT 443
<Proxy *>
    AuthType Digest
    AuthName {name}
    AuthDigestProvider file
    AuthUserFile {directory}/digest
    AuthDigestNonceLifetime {lifetime}
    Require valid-user
</Proxy>
"""


def find(program: str) -> str:
    """Return the path of a program; raises LabUnavailable where it is not installed."""
    path = shutil.which(program) or shutil.which(program, path=SYSTEM_PATH)
    if path is None:
        raise LabUnavailable(f"{program} is not installed: see the packages in tools/setup")
    return path


class Proxies:
    """Starts proxies on the host in front of the laboratory's first client."""

    def __init__(self, lab: Laboratory) -> None:
        """Put the host there."""
        if INSIDE in os.environ:
            raise LabUnavailable(
                "Squid and Apache change to users of their own, which takes root: type 'sudo make test'."
            )
        self._lab = lab
        self.host: Namespace = lab.between(lab.clients[0])

    def squid(self, keytab: Path | None = None, environment: Sequence[str] = ()) -> Program:
        """Start Squid, to which a keytab, and settings as for `env`, add the port NEGOTIATE."""
        program = find("squid")
        directory = self._directory("squid")
        find("htpasswd")
        self.host.run("htpasswd", "-bc", str(directory / "basic"), USER, PASSWORD)
        self._digest_file(directory)
        users = directory / "ntlm"
        users.write_text(f"{DOMAIN}:{USER}:{PASSWORD}\n")
        acceptor = self._lab.program(
            self.host, "ntlm", sys.executable, str(ntlm.__file__), str(NTLM_ACCEPTOR), str(users)
        )
        acceptor.wait_for("ready")
        helper = directory / "helper"
        helper.write_text(_HELPER.format(port=NTLM_ACCEPTOR))
        helper.chmod(0o755)
        identity = self._identity(directory)
        text = (_SQUID_NEGOTIATE if keytab else "") + _SQUID + _SQUID_ACCESS
        config = directory / "squid.conf"
        config.write_text(
            text.format(
                directory=directory, name=PROXY_NAME, helpers=SQUID_HELPERS, keytab=keytab,
                certificate=identity.certificate, key=identity.private_key, basic=BASIC, digest=DIGEST, ntlm=NTLM,
                negotiate=NEGOTIATE, everything=EVERYTHING, basic_tls=BASIC_TLS,
            )
        )  # fmt: skip
        return self._start(BASIC_TLS, "env", *environment, program, "-N", "-n", "laboratory", "-f", str(config))

    def tinyproxy(self, *, login: bool = True) -> Program:
        """Start tinyproxy, which asks for a login unless it shall not."""
        config = self._directory("tinyproxy") / "tinyproxy.conf"
        text = _TINYPROXY + (_TINYPROXY_LOGIN if login else "")
        config.write_text(text.format(port=TINYPROXY, user=USER, password=PASSWORD))
        return self._start(TINYPROXY, find("tinyproxy"), "-d", "-c", str(config))

    def apache(self, nonce_lifetime: int = 300) -> Program:
        """Start Apache, whose nonces live for so many seconds."""
        directory = self._directory("apache")
        self._digest_file(directory)
        config = directory / "apache.conf"
        config.write_text(
            _APACHE.format(
                directory=directory, name=PROXY_NAME, port=APACHE, modules=APACHE_MODULES, lifetime=nonce_lifetime
            )
        )
        return self._start(APACHE, find("apache2"), "-DFOREGROUND", "-f", str(config))

    def logins(self, program: str, port: int) -> list[str]:
        """Return what the requests at a port of Squid or Apache had as Proxy-Authorization, `-` where nothing."""
        log = self._lab.directory / program / "access.log"
        lines = (line.split(" ", 2) for line in log.read_text().splitlines())
        return [login.strip('"') for _, where, login in lines if where == str(port)]

    def versions(self, program: str, port: int) -> list[tuple[str, str]]:
        """Return the status of each CONNECT at a port of Squid or Apache, and its SSTPVERSION, `-` where nothing."""
        log = self._lab.directory / program / "versions.log"
        lines = (line.split(" ", 3) for line in log.read_text().splitlines())
        return [
            (status, version) for status, where, method, version in lines if (where, method) == (str(port), "CONNECT")
        ]

    def _start(self, port: int, program: str, *arguments: str) -> Program:
        name = f"the proxy at port {port}"
        started = self._lab.program(self.host, f"proxy-{port}", program, *arguments)

        def listens() -> bool:
            if not started.running:
                raise LabError(f"{name} has ended\n{started.tail()}")
            return f":{port} " in self.host.run("ss", "-Hltn").stdout

        wait_until(listens, f"{name} on port {port}")
        return started

    def _directory(self, name: str) -> Path:
        directory = self._lab.directory / name
        directory.mkdir(exist_ok=True)
        directory.chmod(0o777)  # for a proxy that has given up being root
        return directory

    def _digest_file(self, directory: Path) -> None:
        secret = hashlib.md5(f"{USER}:{PROXY_NAME}:{PASSWORD}".encode()).hexdigest()
        (directory / "digest").write_text(f"{USER}:{PROXY_NAME}:{secret}\n")

    def _identity(self, directory: Path) -> Identity:
        identity = self._lab.authority.server(PROXY_NAME)
        key = directory / "proxy.key"
        shutil.copy(identity.private_key, key)
        key.chmod(0o644)
        return Identity(identity.certificate, key)
