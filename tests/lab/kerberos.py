"""A Kerberos realm: a KDC that knows one user and one web proxy."""

from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PROXY_IPV4, PROXY_NAME
from iphttps.lab.poll import wait_until
from tests.lab.proxies import PASSWORD, USER, find

REALM = "EXAMPLE.TEST"
PORT = 8800

_CLIENT = """\
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
[realms]
    {realm} = {{
        kdc = {kdc}:{port}
    }}
"""

_SERVER = """\
[kdcdefaults]
    kdc_listen = {port}
    kdc_tcp_listen = {port}
[realms]
    {realm} = {{
        database_name = {directory}/principal
        key_stash_file = {directory}/stash
        acl_file = {directory}/acl
    }}
"""


class Realm:
    """The realm; `environment` is what a program needs to find its way in it."""

    def __init__(self, lab: Laboratory, host: Namespace) -> None:
        """Make the realm's database and start its KDC on a host."""
        self.directory = directory = lab.directory / "kerberos"
        directory.mkdir()
        directory.chmod(0o755)
        self.keytab = directory / "proxy.keytab"
        self.tickets = directory / "tickets"
        values = {"realm": REALM, "kdc": PROXY_IPV4, "port": PORT, "directory": directory}
        config = directory / "krb5.conf"
        config.write_text(_CLIENT.format(**values))
        (directory / "kdc.conf").write_text(_SERVER.format(**values))
        self.environment = [f"KRB5_CONFIG={config}", f"KRB5CCNAME=FILE:{self.tickets}"]
        server = ["env", *self.environment, f"KRB5_KDC_PROFILE={directory / 'kdc.conf'}"]
        host.run(*server, find("kdb5_util"), "create", "-s", "-r", REALM, "-P", "master")
        service = f"HTTP/{PROXY_NAME}"
        for query in (
            f"addprinc -pw {PASSWORD} {USER}",
            f"addprinc -randkey {service}",
            f"ktadd -k {self.keytab} {service}",
        ):
            host.run(*server, find("kadmin.local"), "-r", REALM, "-q", query)
        self.keytab.chmod(0o644)  # for Squid's helper
        lab.program(host, "krb5kdc", *server, find("krb5kdc"), "-n", "-r", REALM)
        wait_until(lambda: f":{PORT} " in host.run("ss", "-Hlun").stdout, f"the KDC on port {PORT}")

    def log_in(self, host: Namespace) -> None:
        """Get the user a ticket."""
        host.run("env", *self.environment, find("kinit"), USER, stdin=f"{PASSWORD}\n")
