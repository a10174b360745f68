"""Which addresses notes may be sent to: those of this machine, unless the user says otherwise."""

import ipaddress
import re
import socket
from dataclasses import dataclass

from clinspan.errors import ConfigError, PrivacyError

# Narrower than the standard on purpose: what two parsers could read in two ways (a user name, a backslash, a space,
# letters beyond ASCII) is refused, so that the host checked here is the host that is contacted.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<path>/[a-z0-9/._~%+-]*)?",
    re.IGNORECASE,
)
_UNIX = re.compile(r"unix:(?://)?(?P<path>/.+)")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens.

    Attributes:
        url: as an HTTP client takes it; for a Unix socket, the URL spoken over it.
        socket: the path of the Unix socket, if it is one.
        local: True when what is sent there stays on this machine.
    """

    url: str
    socket: str | None
    local: bool

    def __str__(self) -> str:
        return f"unix:{self.socket}" if self.socket else self.url


def permitted(base_url: str, *, allow_remote: bool) -> Address:
    """The address of a server, if notes may be sent to it.

    Only literal loopback addresses (127.0.0.0/8, ::1), `localhost` and Unix sockets (`unix:/PATH`) are this machine: a
    name that happens to resolve to a loopback address today may resolve elsewhere tomorrow.

    Args:
        base_url: as the user wrote it.
        allow_remote: the user's word that notes may leave this machine.

    Raises:
        ConfigError: when it is not an address, or one that could be read in two ways.
        PrivacyError: when it is not on this machine and `allow_remote` is False.
    """
    if unix := _UNIX.fullmatch(base_url):
        return Address("http://localhost/v1", unix["path"], local=True)
    parts = _URL.fullmatch(base_url)
    if parts is None or int(parts["port"] or 80) > 65535:
        # The address itself is not shown when it may hold a password.
        shown = "an address with a user name" if "@" in base_url else repr(base_url)
        raise ConfigError(
            f"{shown} is no address of a server",
            expected="http://HOST:PORT/PATH, https://..., or unix:/PATH/OF.sock, without user name, query or fragment",
        )
    host = parts["host"].strip("[]")
    address = Address(base_url, None, _is_loopback(host))
    if not address.local and not allow_remote:
        raise PrivacyError(
            f"the notes would leave this machine: they would be sent to {host}, which is not an address of it",
            where=f"{parts['scheme']}://{parts['host']}" + (f":{parts['port']}" if parts["port"] else ""),
            expected="127.0.0.1, ::1, localhost or unix:/PATH",
            fix="If your notes may go there, say so with --allow-remote (in Python, allow_remote=True).",
        )
    return address


def _is_loopback(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return _localhost_is_this_machine()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _localhost_is_this_machine() -> bool:
    """Whether `localhost` means what it should: a hosts file can say otherwise."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
    except socket.gaierror:
        return False
    return all(ipaddress.ip_address(address).is_loopback for address in found)
