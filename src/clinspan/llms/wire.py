"""HTTP clients that reach the configured address and nothing else, and the event loop they run in."""

import asyncio
import threading
from typing import TYPE_CHECKING

from clinspan.errors import MissingExtra
from clinspan.llms.address import Address

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
