"""Any OpenAI-compatible server, through the vendor's own client."""

import asyncio
import logging
import math
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, get_args
from urllib.parse import urlsplit

import regex

from clinspan.decoding.grammars import answer_grammar
from clinspan.errors import ConfigError, LLMError, MissingExtra, did_you_mean
from clinspan.llms.address import Address, permitted
from clinspan.llms.replies import error_message, excerpt, read_reply
from clinspan.messages import Completion, Request

if TYPE_CHECKING:
    import httpx2
    import openai

log = logging.getLogger(__name__)

VENDOR_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"

_PULLED = 4

Grammar = Literal["none", "llamacpp", "vllm"]


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """How an OpenAI-compatible server is asked.

    Attributes:
        base_url: `http://HOST:PORT/v1` or `unix:/PATH`; None for the environment's OPENAI_BASE_URL, else the vendor.
        allow_remote: the user's word that notes may leave this machine.
        timeout: seconds that one attempt may wait for the server.
        retries: further attempts after a fault that may pass (429, 5xx, a broken connection), at the pace the
            server's Retry-After asks for.
        concurrency: requests that are under way at once.
        context: tokens that fit into a request and its answer together, where known.
        grammar: the kind of server, if it is one that can be made to keep to a grammar: with it an answer can only be
            a copy of the text with brackets put in. A grammar knows no preferences, so biases have no effect there.
    """

    base_url: str | None = None
    allow_remote: bool = False
    timeout: float = 120.0
    retries: int = 2
    concurrency: int = 8
    context: int | None = None
    grammar: Grammar = "none"

    def __post_init__(self) -> None:
        if not (self.timeout > 0 and math.isfinite(self.timeout)):
            raise ConfigError(f"timeout is {self.timeout}", expected="a number of seconds above 0")
        if self.retries < 0:
            raise ConfigError(f"retries is {self.retries}", expected="0 or more")
        if self.concurrency < 1:
            raise ConfigError(f"concurrency is {self.concurrency}", expected="1 or more")
        if self.context is not None and self.context < 1:
            raise ConfigError(f"context is {self.context}", expected="1 or more tokens, or None")
        if self.grammar not in get_args(Grammar):
            fix = did_you_mean(self.grammar, get_args(Grammar))
            raise ConfigError(f"grammar is {self.grammar!r}", expected=" or ".join(get_args(Grammar)), fix=fix)


class OpenAILLM:
    """An LLM behind an OpenAI-compatible server (OpenAI, vLLM, Ollama, llama.cpp, LM Studio and others).

    Nothing but the configured address is contacted: redirects are not followed, and for an address of this machine no
    proxy is used whatever the environment says. Requests are sent at temperature 0.

    Args:
        model: the model's name, as the server knows it.
        settings: how to ask.

    Raises:
        MissingExtra: when the vendor's client is not installed.
        PrivacyError: when the address is not on this machine and `allow_remote` is False.
        ConfigError: when the address is none, or a remote server is named and OPENAI_API_KEY is not set.
    """

    def __init__(self, model: str, settings: OpenAISettings | None = None):
        settings = settings or OpenAISettings()
        # A gateway named in the environment wins over the vendor: who set it does not want notes to go past it.
        url = settings.base_url or os.environ.get(URL_VARIABLE) or VENDOR_URL
        self.model = model
        self.settings = settings
        self.address = permitted(url, allow_remote=settings.allow_remote)
        self.name = f"openai:{model}@{self.address.socket or urlsplit(self.address.url).netloc}"
        self.context = settings.context
        self.constrains = settings.grammar != "none"
        self._key = os.environ.get(KEY_VARIABLE, "")
        if not self._key and not self.address.local:
            raise ConfigError(f"{KEY_VARIABLE} is not set", where=str(self.address), fix="Put the key into it.")
        self._takes_schema = True
        self._client = _connect(self.address, self._key or "none", settings)
        # The client's, not a stream's, since several may be open.
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._loop, self._thread = _start_loop()
        self._end = weakref.finalize(self, _shut_down, self._loop, self._client)

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion | LLMError]:
        """One result for each request, in their order, each given as soon as it and those before it are known.

        At most four times `concurrency` requests are pulled ahead of the results given: some more than are under way,
        so that one slow answer at the head does not leave the others idle.

        Raises:
            ConfigError: when a constraint contradicts itself and the server is one that takes a grammar.
        """
        most = self.settings.concurrency
        upcoming = iter(requests)
        waiting: deque[Future[Completion | LLMError]] = deque()
        try:
            while True:
                # A result that is there is given before more is pulled than keeps the server busy.
                while len(waiting) < most or (len(waiting) < _PULLED * most and not waiting[0].done()):
                    pulled = next(upcoming, None)
                    if pulled is None:
                        break
                    waiting.append(asyncio.run_coroutine_threadsafe(self._answer(pulled), self._loop))
                if not waiting:
                    return
                result = waiting[0].result()
                waiting.popleft()
                yield result
        finally:
            for future in waiting:
                future.cancel()

    def count_tokens(self, text: str) -> int:
        """An upper estimate: the server's tokenizer is not at hand."""
        return estimate_tokens(text)

    def close(self) -> None:
        """Ends what is under way and closes the connections."""
        self._end()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _answer(self, request: Request) -> Completion | LLMError:
        import httpx2
        import openai

        async with self._slots:
            start = time.perf_counter()
            try:
                # The client's own timeout is for each piece of an answer; this one is for a server that drips.
                async with asyncio.timeout(self.settings.timeout * (1 + self.settings.retries)):
                    body, constrained = await self._ask(request)
                seconds = time.perf_counter() - start
                return read_reply(body, where=str(self.address), constrained=constrained, seconds=seconds)
            except LLMError as error:
                return self._error(error.what)
            except (TimeoutError, openai.APITimeoutError):
                return self._error(f"no whole answer within {time.perf_counter() - start:.1f} s")
            except openai.APIStatusError as error:
                return self._status_error(error)
            except (openai.OpenAIError, httpx2.HTTPError) as error:
                return self._error(f"the request failed: {error.__cause__ or error}")

    async def _ask(self, request: Request) -> tuple[str, bool]:
        """The body of the server's answer, and whether the server was given a grammar."""
        import openai

        body = self._body(request)
        create = self._client.chat.completions.with_raw_response.create
        try:
            reply = await create(**body)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if "response_format" not in body:
                raise
            del body["response_format"]
            reply = await create(**body)
            # Only now is it known that the schema was what the server did not take.
            if self._takes_schema:
                self._takes_schema = False
                log.warning("%s takes no JSON schema; asking it without one from now on", self.address)
        return reply.text, "extra_body" in body

    def _body(self, request: Request) -> dict[str, Any]:
        limit = "max_completion_tokens" if self.address.url.startswith(VENDOR_URL) else "max_tokens"
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "temperature": 0,
            limit: request.max_tokens,
        }
        if request.constraint is not None and self.constrains:
            grammar = answer_grammar(request.constraint)
            # Neither name is OpenAI's: each server takes a grammar in a field of its own.
            named = (
                {"grammar": grammar}
                if self.settings.grammar == "llamacpp"
                else {"structured_outputs": {"grammar": grammar}}
            )
            body["extra_body"] = named
        elif request.json_schema is not None and self._takes_schema:
            schema = {"name": "answer", "schema": dict(request.json_schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _status_error(self, error: "openai.APIStatusError") -> LLMError:
        status = error.status_code
        if 300 <= status < 400:
            target = excerpt(error.response.headers.get("location", ""))
            fix = "If that is the server you mean, give its address."
            return self._error(f"the server redirects to {target}, which is refused", fix=fix)
        fixes = {
            401: f"Check the key in {KEY_VARIABLE}.",
            403: f"Check the key in {KEY_VARIABLE}.",
            404: f"Check the address and the model's name {self.model!r}.",
        }
        return self._error(f"HTTP {status}: {error_message(error.response.text)}", fix=fixes.get(status))

    def _error(self, what: str, fix: str | None = None) -> LLMError:
        if self._key:
            what = what.replace(self._key, "***")
        return LLMError(what, where=str(self.address), fix=fix)


def _connect(address: Address, key: str, settings: OpenAISettings) -> "openai.AsyncOpenAI":
    try:
        import httpx2
        import openai
    except ImportError as error:
        raise MissingExtra("openai", "openai", purpose="an OpenAI-compatible server") from error

    allowed = httpx2.URL(address.url)

    async def only_there(request: "httpx2.Request") -> None:
        if (request.url.scheme, request.url.host, request.url.port) != (allowed.scheme, allowed.host, allowed.port):
            raise httpx2.UnsupportedProtocol(f"{request.url.host} is not the configured address")

    most = settings.concurrency
    limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
    http = httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(uds=address.socket, limits=limits) if address.local else None,
        limits=limits,
        # The environment's proxy must not see what is meant for this machine.
        trust_env=not address.local,
        follow_redirects=False,
        event_hooks={"request": [only_there]},
        timeout=httpx2.Timeout(settings.timeout, connect=min(settings.timeout, 10.0)),
    )
    return openai.AsyncOpenAI(
        api_key=key, base_url=address.url, timeout=http.timeout, max_retries=settings.retries, http_client=http
    )


def _start_loop() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    """An event loop in a thread of its own, so that requests go on while their results are being used."""
    loop = asyncio.new_event_loop()

    def run() -> None:
        loop.run_forever()
        loop.close()

    # A daemon: a request that hangs must not keep the program from ending.
    thread = threading.Thread(target=run, name="clinspan-llm", daemon=True)
    thread.start()
    return loop, thread


def _shut_down(loop: asyncio.AbstractEventLoop, client: "openai.AsyncOpenAI") -> None:
    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await client.close()
        loop.stop()

    # Not waited for: the last reference may be dropped by a task of this very loop.
    asyncio.run_coroutine_threadsafe(end(), loop)


_PIECE = regex.compile(r"\p{L}+|\s+|.", regex.DOTALL)


def estimate_tokens(text: str) -> int:
    """At least as many tokens as byte-pair tokenizers make of clinical English, by the pieces they cut text into.

    Two letters a token for words (drug names come near it), one for each digit, and one for each byte of all else.
    """
    total = 0
    for piece in _PIECE.findall(text):
        size = len(piece.encode())
        total += math.ceil(size / 2) if piece[0].isalpha() else 1 if piece.isspace() else size
    return total
