"""An LLM behind a server: requests go out side by side at the pace the server bears, and come back in order.

Each goes through the vendor's client, with its errors as faults; OpenAI's and Anthropic's are of one make.
"""

import asyncio
import logging
import math
import os
import random
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Protocol

from clinspan.errors import ConfigError, LLMError
from clinspan.files import Closing
from clinspan.llms.base import Traits, estimate_tokens, in_order
from clinspan.llms.limits import Gate, LimitSettings, Shut, Ticket, backoff
from clinspan.llms.replies import AttemptFault, FaultKind, hide, is_overflow, named_parameter, of_status
from clinspan.llms.spec import Address, start_loop
from clinspan.messages import Completion, FinishReason, Request

SCHEMAS = frozenset({"response_format", "output_config"})
"""What the vendors call a JSON schema for the answer."""
_UNANSWERED = "All connection attempts failed"
"""What the HTTP library says of an address where nobody listens."""


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
            if str(cause) == _UNANSWERED:
                raise self._passing("nothing answers at that address", "Is the server running?") from error
            raise self._passing(f"the request failed: {str(cause) or type(cause).__name__}") from error

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


log = logging.getLogger(__name__)

AHEAD = 4
"""Requests that are taken in, by the highest concurrency: some more than are under way, so that one slow answer at the
head does not leave the others idle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How a server is asked.

    Attributes:
        base_url: `http://HOST:PORT/PATH` or `unix:/PATH`; None for what the environment names, else the vendor.
        allow_remote: the user's word that notes may leave this machine.
        timeout: seconds that one attempt may take, until the whole answer is there.
        retries: further attempts after a fault that may pass (5xx, a timeout, a broken connection).
        concurrency: requests that are under way at once, at most; it begins with few and tries how many the server
            bears (see `clinspan.llms.limits`).
        context: tokens that fit into a request and its answer together, where known.
        temperature: of the sampling; 0 takes the likeliest answer.
        limits: the policy's other figures.
    """

    base_url: str | None = None
    allow_remote: bool = False
    timeout: float = 120.0
    retries: int = 4
    concurrency: int = 64
    context: int | None = None
    temperature: float = 0.0
    limits: LimitSettings = field(default_factory=LimitSettings)

    def __post_init__(self) -> None:
        if not (self.timeout > 0 and math.isfinite(self.timeout)):
            raise ConfigError(f"timeout is {self.timeout}", expected="a number of seconds above 0")
        if self.retries < 0:
            raise ConfigError(f"retries is {self.retries}", expected="0 or more")
        if self.concurrency < 1:
            raise ConfigError(f"concurrency is {self.concurrency}", expected="1 or more")
        if self.context is not None and self.context < 1:
            raise ConfigError(f"context is {self.context}", expected="1 or more tokens, or None")
        if not 0 <= self.temperature <= 2:
            raise ConfigError(f"temperature is {self.temperature}", expected="a number from 0 to 2")


class Endpoint(Protocol):
    """A server, through its vendor's client.

    Attributes:
        address: where it listens.
        key: the secret that must not be shown; empty for none.
    """

    address: Address
    key: str

    async def ask(self, request: Request) -> Completion:
        """One attempt at a request.

        Raises:
            AttemptFault: when it failed.
            ConfigError: when the request cannot be put to any server of this kind.
        """
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...


class ServedLLM(Closing):
    """An LLM behind HTTP. Nothing but the configured address is contacted.

    Faults that may pass are tried again under one policy (see `clinspan.llms.limits`); whatever else goes wrong with a
    request becomes its LLMError, and the others go on.

    Args:
        name: as `LLM.name`.
        endpoint: the server.
        settings: how to ask.
    """

    constrains = False
    traits = Traits("served")
    listener: Callable[[Request, Completion | LLMError], None] | None = None
    """Is told each request and its result as soon as it is known, which may be long before its turn, in a thread of the
    LLM's own. None: nobody is told."""

    def __init__(self, name: str, endpoint: Endpoint, settings: ServerSettings):
        self.name = name
        self.settings = settings
        self.address = endpoint.address
        self.context = settings.context
        self._endpoint = endpoint
        self._gate = Gate(settings.limits, settings.concurrency, settings.timeout)
        self._chance = random.Random()
        self._loop, self._thread = start_loop()
        self._end = weakref.finalize(self, _shut_down, self._loop, endpoint)

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """One result for each request, in their order, each given as soon as it and those before it are known.

        Requests are taken from `requests` as there is room, `AHEAD` times the highest concurrency at most.

        Raises:
            ConfigError: when a constraint contradicts itself and the server is one that takes a grammar.
        """
        return in_order(
            requests,
            lambda request: asyncio.run_coroutine_threadsafe(self._answer(request), self._loop),
            most=AHEAD * self.settings.concurrency,
        )

    def count_tokens(self, text: str) -> int:
        """An upper estimate: the server's tokenizer is not at hand."""
        return estimate_tokens(text)

    def close(self) -> None:
        """Ends what is under way and closes the connections."""
        self._end()
        self._thread.join()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def _answer(self, request: Request) -> Completion | LLMError:
        result = await self._result(request)
        if self.listener is not None:
            self.listener(request, result)
        return result

    async def _result(self, request: Request) -> Completion | LLMError:
        attempts = faults = 0
        waited = 0.0
        while True:
            try:
                ticket = await self._gate.enter(again=attempts > 0)
            except Shut:
                return self._shown(self._dead(), request, attempts)
            attempts += 1
            try:
                result = await self._attempt(request, ticket, repetition=attempts - 1)
            except AttemptFault as fault:
                if fault.kind is FaultKind.BUSY:
                    waited += fault.wait or 0.0
                    if waited <= self.settings.limits.patience:
                        continue
                elif fault.kind is FaultKind.PASSING and faults < self.settings.retries:
                    limits = self.settings.limits
                    asked = min(fault.wait or 0.0, limits.longest_wait)
                    await asyncio.sleep(max(asked, backoff(faults, limits, self._chance)))
                    faults += 1
                    continue
                return self._shown(fault.error, request, attempts)
            return replace(result, attempts=attempts)

    async def _attempt(self, request: Request, ticket: Ticket, *, repetition: int) -> Completion:
        """Asks once, and tells the gate what came of it."""
        limits = self.settings.limits
        try:
            # The client's own timeout is for each piece of an answer; this one is for a server that drips.
            async with asyncio.timeout(self.settings.timeout):
                answer = await self._endpoint.ask(request)
        except TimeoutError:
            error = LLMError(f"no whole answer within {self.settings.timeout:g} s", where=str(self.address))
            self._gate.failed(ticket, error.what)
            raise AttemptFault(FaultKind.PASSING, error) from None
        except AttemptFault as fault:
            if fault.kind is FaultKind.BUSY:
                fault.wait = backoff(repetition, limits, self._chance) if fault.wait is None else fault.wait
                if fault.wait <= limits.patience:
                    self._gate.busy(ticket, fault.wait)
                else:
                    # A quota that is spent for hours: waiting is the user's to decide.
                    fault.error.what += f"; it asks to wait {fault.wait:.0f} s"
                    self._gate.failed(ticket, fault.error.what, hopeless=True)
                raise
            if fault.kind in (FaultKind.PASSING, FaultKind.BARRED):
                self._gate.failed(ticket, fault.error.what, hopeless=fault.kind is FaultKind.BARRED)
                raise
            self._gate.declined()
            if fault.kind is FaultKind.REFUSED:
                return Completion("", FinishReason.REFUSAL)
            raise
        except BaseException:
            self._gate.called_off()
            raise
        self._gate.answered(ticket, answer.completion_tokens)
        return answer

    def _dead(self) -> LLMError:
        breaker = self._gate.breaker
        return LLMError(
            f"not asked: the server has failed {breaker.faults} times in a row, last: {breaker.last}",
            where=str(self.address),
            fix="See that it runs and can be reached, then tag again what failed.",
        )

    def _shown(self, error: LLMError, request: Request, attempts: int) -> LLMError:
        notes = [message.content for message in request.messages]
        what = hide(error.what, key=self._endpoint.key, notes=notes)
        shown = type(error)(what, where=error.where, expected=error.expected, fix=error.fix)
        shown.attempts = attempts
        return shown


def _shut_down(loop: asyncio.AbstractEventLoop, endpoint: Endpoint) -> None:
    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await endpoint.close()
        loop.stop()

    # Not waited for: the last reference may be dropped by a task of this very loop.
    asyncio.run_coroutine_threadsafe(end(), loop)
