"""What a user names: an LLM in one string, and the address of a server, to which notes are sent if they may be.

An LLM is `none`, `openai:MODEL` or another of a table, to which packages add.

A package adds a kind of LLM as an entry point of the group `clinspan.llms` that names an `LLMKind`. The entry point's
name is what stands before the colon.
"""

import asyncio
import ipaddress
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, cast

from clinspan.errors import ConfigError, MissingExtra, PrivacyError, did_you_mean
from clinspan.llms.base import LLM
from clinspan.plugins import added

GROUP = "clinspan.llms"
"""The entry points that name kinds of LLMs of other packages."""


@dataclass(frozen=True, slots=True)
class LLMKind:
    """A kind of LLM that a spec can name.

    Attributes:
        llm: the class, as module:name, imported on use; called with the spec's argument and the settings.
        settings: the class of its settings, as module:name.
        options: the settings that the user may give beside the spec.
        argument: what follows the colon, as the documentation calls it.
        default: the argument that a spec without one means; None where it must be given.
    """

    llm: str
    settings: str
    options: frozenset[str]
    argument: str
    default: str | None = None


_SERVED = frozenset({"base_url", "allow_remote", "timeout", "retries", "concurrency", "context", "temperature"})
_IN_PROCESS = frozenset({"context", "threads", "adapter", "adapter_scale", "as_shipped"})

KINDS: Mapping[str, LLMKind] = {
    "embedded": LLMKind(
        "clinspan.llms.embedded:EmbeddedLLM.pulled",
        "clinspan.llms.embedded:EmbeddedSettings",
        _IN_PROCESS,
        "MODEL",
        default="smollm2-135m-instruct",
    ),
    "llamacpp": LLMKind(
        "clinspan.llms.embedded:EmbeddedLLM", "clinspan.llms.embedded:EmbeddedSettings", _IN_PROCESS, "PATH"
    ),
    "hf": LLMKind(
        "clinspan.llms.huggingface:opened",
        "clinspan.llms.huggingface:HuggingFaceSettings",
        frozenset({"context", "threads"}),
        "OWNER/NAME[@REV]",
    ),
    "openai": LLMKind(
        "clinspan.llms.openai:OpenAILLM",
        "clinspan.llms.openai:OpenAISettings",
        _SERVED | {"grammar", "seed"},
        "MODEL",
    ),
    "azure": LLMKind(
        "clinspan.llms.openai:AzureLLM", "clinspan.llms.openai:AzureSettings", _SERVED | {"seed"}, "DEPLOYMENT"
    ),
    "anthropic": LLMKind(
        "clinspan.llms.anthropic:AnthropicLLM", "clinspan.llms.served:ServerSettings", _SERVED, "MODEL"
    ),
    "replay": LLMKind("clinspan.llms.replay:ReplayLLM", "clinspan.llms.replay:ReplaySettings", frozenset(), "FILE"),
}
"""Those of clinspan itself."""
_SERVERS = {"ollama": ("Ollama", 11434), "vllm": ("vLLM", 8000)}
"""Servers that speak OpenAI's protocol, and the ports where they listen, by names that users give them."""


@cache
def kinds() -> Mapping[str, LLMKind]:
    """All kinds by name.

    Raises:
        ConfigError: when an entry point of a package names no kind, or one whose name is taken.
    """
    found = dict(KINDS)
    for name, kind, where in added(GROUP):
        if not isinstance(kind, LLMKind):
            raise ConfigError(f"is {type(kind).__name__}", where=where, expected="an LLMKind")
        if name in ("auto", "none") or name in found:
            raise ConfigError(f"the LLM {name!r} is there already", where=where, expected="another name")
        found[name] = kind
    return found


def spec_forms(known: Mapping[str, LLMKind] = KINDS) -> list[str]:
    """Every form a spec can have, for help texts and errors."""
    return ["none", *(f"{name}[:{k.argument}]" if k.default else f"{name}:{k.argument}" for name, k in known.items())]


def takes(spec: str, option: str) -> bool:
    """Whether the kind of LLM that `spec` names has such a setting."""
    kind = kinds().get(spec.partition(":")[0])
    return kind is not None and option in kind.options


def load(spec: str, **options: object) -> LLM | None:
    """The LLM that `spec` names, or None for `none`.

    Args:
        spec: one of the forms that `spec_forms` lists.
        options: settings of that kind of LLM (`base_url`, `allow_remote`, ...); those that are None are left at their
            defaults.

    Raises:
        ConfigError: when the spec is none of the forms (offers the nearest), or an option is not one of that kind's.
        ClinspanError: whatever the LLM raises when it cannot be made.
    """
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    name, _, argument = spec.partition(":")
    if spec == "none":
        _refuse(spec, given, frozenset())
        return None
    known = kinds()
    if name not in known:
        raise ConfigError(
            f"{spec!r} names no LLM", expected=", ".join(spec_forms(known)), fix=_meant(name, argument, known)
        )
    kind = known[name]
    argument = argument or kind.default or ""
    if not argument:
        raise ConfigError(f"the LLM {spec!r} is not complete", expected=f"{name}:{kind.argument}")
    _refuse(spec, given, kind.options)
    settings = resolve_name(kind.settings)(**given)
    return cast(LLM, resolve_name(kind.llm)(argument, settings))


def _meant(name: str, argument: str, known: Mapping[str, LLMKind]) -> str:
    """What a user may have meant by a name that is no kind of LLM."""
    if name == "encoder":
        return "An encoder is not an LLM: use --llm none --encoder FOLDER."
    if name in _SERVERS:
        server, port = _SERVERS[name]
        return f"{server} is reached as --llm openai:{argument or 'MODEL'} --base-url http://localhost:{port}/v1"
    return did_you_mean(name, ["none", *known])


def _refuse(spec: str, given: Mapping[str, object], known: frozenset[str]) -> None:
    for option in given:
        if option not in known:
            shown = option.replace("_", "-")
            takes = ", ".join(sorted(known)) or "no options"
            raise ConfigError(f"the LLM {spec!r} does not take --{shown}", expected=takes.replace("_", "-"))


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
