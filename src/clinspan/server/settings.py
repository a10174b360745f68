"""Where the service listens, who may ask, and how much."""

import ipaddress
import math
import re
from dataclasses import dataclass, field

from clinspan.errors import ConfigError

TOKEN_VARIABLE = "CLINSPAN_TOKEN"
_SHORTEST_TOKEN = 16
_TOKEN = re.compile(r"[!-~]+")
_NEW_TOKEN = "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
MEBIBYTE = 1 << 20
FORCED = 130
"""The exit status of a service that was made to end at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The service's limits.

    Attributes:
        host: the address to listen on; every address but this machine's own needs a token.
        port: 0 takes a free one.
        token: what clients send as `Authorization: Bearer TOKEN`; None for no token.
        at_once: requests that may be under way at once.
        rate: requests that may begin in a second, of all clients together; None for no limit.
        jobs_at_once: jobs that run at once; further ones wait.
        max_body: bytes of a request.
        max_text: characters of one text.
        kept_jobs: jobs that are held at once, waiting, running and ended.
        kept_characters: characters of all their texts together.
        kept_seconds: how long the results of a job are held after its end.
        linger: seconds that the service waits, before it ends, for results which nobody has fetched.

    Raises:
        ConfigError: when one of them cannot be, or the address needs a token.
    """

    host: str = "127.0.0.1"
    port: int = 8750
    token: str | None = field(default=None, repr=False)
    at_once: int = 32
    rate: float | None = None
    jobs_at_once: int = 2
    max_body: int = 16 * MEBIBYTE
    max_text: int = 1_000_000
    kept_jobs: int = 100
    kept_characters: int = 100_000_000
    kept_seconds: float = 3600.0
    linger: float = 5.0

    def __post_init__(self) -> None:
        for name in ("at_once", "jobs_at_once", "max_body", "max_text", "kept_jobs", "kept_characters"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", expected="1 or more")
        for name in ("kept_seconds", "linger"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}", expected="a number of seconds, 0 or more")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise ConfigError(f"rate is {self.rate}", expected="a number above 0")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}", expected="0 to 65535")
        if not self.local and not _is_address(self.host):
            raise ConfigError(f"host is {self.host!r}", expected="an IP address, such as 127.0.0.1 or 0.0.0.0")
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise ConfigError(
                "the token has blanks, control characters or letters beyond ASCII, which no header can carry",
                where=TOKEN_VARIABLE,
                fix=_NEW_TOKEN,
            )
        if self.token is not None and len(self.token) < _SHORTEST_TOKEN:
            # The token itself is not shown.
            raise ConfigError(
                f"the token has {len(self.token)} characters",
                where=TOKEN_VARIABLE,
                expected=f"{_SHORTEST_TOKEN} or more",
                fix=_NEW_TOKEN,
            )
        if not self.local and self.token is None:
            raise ConfigError(
                f"other machines could ask the service on {self.host}, and there is no token",
                expected=f"a token in the environment variable {TOKEN_VARIABLE}",
                fix=_NEW_TOKEN,
            )

    @property
    def local(self) -> bool:
        """True when only this machine can reach the address."""
        return is_this_machine(self.host)


def is_this_machine(host: str) -> bool:
    """Whether a host is `localhost` or a loopback address. No name is looked up: its address may change."""
    return host.lower() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
