"""Which addresses notes may be sent to, and HTTP clients that reach these alone."""

import asyncio
import ipaddress
import re
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clinspan.errors import ConfigError, MissingExtra, PrivacyError

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
            f"{shown} is not the address of a server",
            expected="http://HOST:PORT/PATH, https://..., or unix:/PATH/OF.sock, without user name, query or fragment",
        )
    host = parts["host"].strip("[]")
    address = Address(base_url, None, is_loopback(host))
    if not address.local and not allow_remote:
        raise PrivacyError(
            f"the notes would leave this machine: they would be sent to {host}, which is not an address of it",
            where=f"{parts['scheme']}://{parts['host']}" + (f":{parts['port']}" if parts["port"] else ""),
            expected="127.0.0.1, ::1, localhost or unix:/PATH",
            fix="If your notes may go there, say so with --allow-remote (in Python, allow_remote=True).",
        )
    return address


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is of this machine, whatever names are taken for elsewhere."""
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


if TYPE_CHECKING:
    import httpx2


def client(address: Address, *, timeout: float, connections: int, extra: str) -> "httpx2.AsyncClient":
    """A client for one address: it follows no redirect, and for an address of this machine it uses no proxy.

    Args:
        address: the only one that is contacted.
        timeout: seconds that each step of a request may take.
        connections: at most this many at once.
        extra: which part of clinspan needs it.

    Raises:
        MissingExtra: when the HTTP library is not installed.
    """
    try:
        import httpx2
    except ImportError as error:
        raise MissingExtra("httpx2", extra, purpose="a server as LLM") from error

    allowed = httpx2.URL(address.url)

    async def only_there(request: "httpx2.Request") -> None:
        if (request.url.scheme, request.url.host, request.url.port) != (allowed.scheme, allowed.host, allowed.port):
            raise httpx2.UnsupportedProtocol(f"{request.url.host} is not the configured address")

    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(uds=address.socket, limits=limits) if address.local else None,
        limits=limits,
        # The environment's proxy must not see what is meant for this machine.
        trust_env=not address.local,
        follow_redirects=False,
        event_hooks={"request": [only_there]},
        timeout=httpx2.Timeout(timeout, connect=min(timeout, 10.0)),
    )


def start_loop() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    """An event loop in a thread of its own, so that requests go on while their results are being used."""
    loop = asyncio.new_event_loop()

    def run() -> None:
        loop.run_forever()
        loop.close()

    # A daemon: a request that hangs must not keep the program from ending.
    thread = threading.Thread(target=run, name="clinspan-llm", daemon=True)
    thread.start()
    return loop, thread
