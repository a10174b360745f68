"""One request through a vendor's client, with its errors as faults; OpenAI's and Anthropic's are of one make."""

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from types import ModuleType
from typing import Any

from clinspan.errors import ConfigError, LLMError
from clinspan.llms.address import Address
from clinspan.llms.replies import AttemptFault, FaultKind, is_overflow, named_parameter, of_status

log = logging.getLogger(__name__)

SCHEMAS = frozenset({"response_format", "output_config"})
"""What the vendors call a JSON schema for the answer."""


class Vendor:
    """Sends requests, and finds out which parameters a server does not take.

    Args:
        sdk: the vendor's package.
        path: of the requests, after the server's address.
        model: as the server knows it.
        address: where the server listens.
        variable: where the key comes from, for errors.
        timeout: seconds that the client waits, for errors.
        optional: parameters that a request can do without.
        renamed: parameters that some models take under another name.
    """

    def __init__(
        self,
        sdk: ModuleType,
        *,
        path: str,
        model: str,
        address: Address,
        variable: str,
        timeout: float,
        optional: tuple[str, ...],
        renamed: Mapping[str, str],
    ):
        self._sdk = sdk
        # At DEBUG the vendors' clients write whole requests, and so notes, to the log; what switches that on is a
        # variable that some other program may have set.
        logging.getLogger(sdk.__name__).setLevel(logging.INFO)
        self._path = path
        self._model = model
        self._where = str(address)
        self._variable = variable
        self._timeout = timeout
        self._optional = optional
        self._renamed = renamed
        self._unwanted: set[str] = set()

    async def text(self, post: Callable[..., Awaitable[Any]], body: dict[str, Any]) -> str:
        """The body of the server's answer.

        Args:
            post: the client's method of that name.
            body: what the request says, as the server takes it.

        Raises:
            AttemptFault: when there is none.
        """
        # At hand wherever a vendor's client is, which stands on it.
        import httpx2

        sdk = self._sdk
        try:
            return await self._post(post, body)
        except sdk.APIStatusError as error:
            status, reply = error.status_code, error.response
            raise of_status(
                status, reply.headers, reply.text, where=self._where, key=self._variable, model=self._model
            ) from error
        except sdk.APITimeoutError as error:
            raise self._passing(f"no answer within {self._timeout:g} s") from error
        except (sdk.APIError, httpx2.HTTPError) as error:
            cause = error.__cause__ or error
            fix = "See that the server runs there." if isinstance(cause, httpx2.ConnectError) else None
            raise self._passing(f"the request failed: {str(cause) or type(cause).__name__}", fix) from error

    def _passing(self, what: str, fix: str | None = None) -> AttemptFault:
        return AttemptFault(FaultKind.PASSING, LLMError(what, where=self._where, fix=fix))

    async def _post(self, post: Callable[..., Awaitable[Any]], body: dict[str, Any]) -> str:
        import httpx2

        body = dict(body)
        for name in self._unwanted & body.keys():
            self._take_out(name, body)
        gone: list[str] = []
        while True:
            try:
                # The client's way for what it has no method for: its methods take a quarter of a request's time to go
                # through messages that are plain already, and leave no room for what only some servers take.
                reply: httpx2.Response = await post(self._path, body=body, cast_to=httpx2.Response)
                text = reply.text
                break
            except (self._sdk.BadRequestError, self._sdk.UnprocessableEntityError) as error:
                unwanted = self._which(error.response.text, body)
                if unwanted is None:
                    raise
                self._take_out(unwanted, body)
                gone.append(unwanted)
        # Only now is it known that this was what the server did not take.
        for name in set(gone) - self._unwanted:
            self._unwanted.add(name)
            shown = "JSON schema" if name in SCHEMAS else name
            log.warning("%s takes no %s; asking it without one from now on", self._where, shown)
        return text

    def _which(self, said: str, body: Mapping[str, Any]) -> str | None:
        """What to leave out of a request that the server calls wrong; None where that would not help."""
        if is_overflow(said):
            return None
        named = named_parameter(said, (*self._optional, *self._renamed))
        if named is not None and named in body and (named in self._optional or self._renamed[named] in said):
            return named
        return next((name for name in SCHEMAS & body.keys() & set(self._optional)), None)

    def _take_out(self, name: str, body: dict[str, Any]) -> None:
        value = body.pop(name)
        if name in self._renamed:
            body[self._renamed[name]] = value


def required_key(variable: str, address: Address) -> str:
    """The key out of the environment; a server on this machine needs none.

    Raises:
        ConfigError: when there is none for a server elsewhere.
    """
    key = os.environ.get(variable, "").strip()
    if not key and not address.local:
        raise ConfigError(f"{variable} is not set", where=str(address), fix="Put the key into it.")
    return key
