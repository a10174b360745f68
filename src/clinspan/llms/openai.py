"""Servers that speak OpenAI's protocol, and deployments of Azure OpenAI, through the vendor's own client.

Some servers can be made to keep to a grammar: the answer is then the window's text with brackets put in, and nothing
else. llama.cpp calls the notation GBNF. What vLLM's structured outputs take through xgrammar is called EBNF there and
is the same notation, of which both understand all that is used here.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from clinspan.decoding import Word, candidate_ends, ends_paragraph, window_words
from clinspan.errors import ConfigError, MissingExtra, did_you_mean
from clinspan.formats.tanl_marks import BAR, CLOSE, closing, escape, opening
from clinspan.llms.replies import read_reply
from clinspan.llms.served import ServedLLM, ServerSettings, Vendor, required_key
from clinspan.llms.spec import Address, client, permitted
from clinspan.messages import Completion, CopyConstraint, Request

if TYPE_CHECKING:
    import openai

VENDOR_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"

Grammar = Literal["none", "llamacpp", "vllm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAISettings(ServerSettings):
    """How an OpenAI-compatible server is asked.

    Attributes:
        grammar: the kind of server, if it is one that can be made to keep to a grammar: with it an answer can only be
            a copy of the text with brackets put in. A grammar knows no preferences, so biases have no effect there.
        seed: of the sampling, for servers that take one.
    """

    grammar: Grammar = "none"
    seed: int | None = None

    def __post_init__(self) -> None:
        ServerSettings.__post_init__(self)
        if self.grammar not in get_args(Grammar):
            fix = did_you_mean(self.grammar, get_args(Grammar))
            raise ConfigError(f"grammar is {self.grammar!r}", expected=" or ".join(get_args(Grammar)), fix=fix)


class OpenAILLM(ServedLLM):
    """An LLM behind an OpenAI-compatible server (OpenAI, vLLM, Ollama, llama.cpp, LM Studio, Groq and others).

    The address is that of the settings, else that of OPENAI_BASE_URL, else the vendor's.

    Args:
        model: the model's name, as the server knows it.
        settings: how to ask.

    Raises:
        MissingExtra: when the vendor's client is not installed.
        PrivacyError: when the address is not on this machine and `allow_remote` is False.
        ConfigError: when the address is none, or a remote server is named and OPENAI_API_KEY is not set.
    """

    settings: OpenAISettings

    def __init__(self, model: str, settings: OpenAISettings | None = None):
        settings = settings or OpenAISettings()
        # A gateway named in the environment wins over the vendor: who set it does not want notes to go past it.
        url = settings.base_url or os.environ.get(URL_VARIABLE) or VENDOR_URL
        address = permitted(url, allow_remote=settings.allow_remote)
        key = required_key(KEY_VARIABLE, address)
        self.model = model
        self.constrains = settings.grammar != "none"
        sdk = openai_sdk("an OpenAI-compatible server")
        http = client(address, timeout=settings.timeout, connections=settings.concurrency, extra="openai")
        asked = sdk.AsyncOpenAI(
            api_key=key or "none", base_url=address.url, timeout=http.timeout, max_retries=0, http_client=http
        )
        name = f"openai:{model}@{host(address)}" + sampling(settings.temperature, settings.seed, settings.grammar)
        super().__init__(name, ChatEndpoint(model, asked, address, key, settings), settings)


class ChatEndpoint:
    """A server that speaks OpenAI's chat completions.

    Args:
        model: as the server knows it.
        asked: the vendor's client, without repetitions of its own.
        address: where it listens.
        key: the secret, empty for none.
        settings: how to ask.
        variable: where the key comes from, for errors.
    """

    def __init__(
        self,
        model: str,
        asked: "openai.AsyncOpenAI",
        address: Address,
        key: str,
        settings: OpenAISettings,
        variable: str = KEY_VARIABLE,
    ):
        self.address = address
        self.key = key
        self._model = model
        self._asked = asked
        self._settings = settings
        self._vendor = Vendor(
            openai_sdk("an OpenAI-compatible server"),
            path="/chat/completions",
            model=model,
            address=address,
            variable=variable,
            timeout=settings.timeout,
            optional=("response_format", "seed", "temperature"),
            renamed={"max_tokens": "max_completion_tokens"},
        )

    async def ask(self, request: Request) -> Completion:
        """See `Endpoint.ask`."""
        start = time.perf_counter()
        body = self._body(request)
        text = await self._vendor.text(self._asked.post, body)
        constrained = request.constraint is not None and self._settings.grammar != "none"
        seconds = time.perf_counter() - start
        return read_reply(text, where=str(self.address), constrained=constrained, seconds=seconds)

    async def close(self) -> None:
        """See `Endpoint.close`."""
        await self._asked.close()

    def _body(self, request: Request) -> dict[str, Any]:
        limit = "max_completion_tokens" if self.address.url.startswith(VENDOR_URL) else "max_tokens"
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "temperature": self._settings.temperature,
            limit: request.max_tokens,
        }
        if self._settings.seed is not None:
            body["seed"] = self._settings.seed
        if request.constraint is not None and self._settings.grammar != "none":
            grammar = answer_grammar(request.constraint)
            # Neither name is OpenAI's: each server takes a grammar in a field of its own.
            llamacpp = self._settings.grammar == "llamacpp"
            body |= {"grammar": grammar} if llamacpp else {"structured_outputs": {"grammar": grammar}}
        elif request.json_schema is not None:
            schema = {"name": "answer", "schema": dict(request.json_schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body


def openai_sdk(purpose: str) -> ModuleType:
    """The vendor's package.

    Raises:
        MissingExtra: when it is not installed.
    """
    try:
        import openai
    except ImportError as error:
        raise MissingExtra("openai", "openai", purpose=purpose) from error
    return openai


def host(address: Address) -> str:
    """How an LLM's name says where it runs."""
    return address.socket or urlsplit(address.url).netloc


def sampling(temperature: float, seed: int | None = None, grammar: Grammar = "none") -> str:
    """How an LLM's name says what changes its answers; empty for the likeliest answer."""
    said = [f"temperature={temperature:g}"] if temperature else []
    said += [f"seed={seed}"] if seed is not None else []
    said += [f"grammar={grammar}"] if grammar != "none" else []
    return f"[{','.join(said)}]" if said else ""


AZURE_KEY_VARIABLE = "AZURE_OPENAI_API_KEY"
TOKEN_VARIABLE = "AZURE_OPENAI_AD_TOKEN"
AZURE_URL_VARIABLE = "AZURE_OPENAI_ENDPOINT"
VERSION_VARIABLE = "OPENAI_API_VERSION"

DEFAULT_VERSION = "2024-10-21"
"""The latest version of the interface that Azure holds to be stable, with JSON schemas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureSettings(OpenAISettings):
    """How a deployment is asked; `base_url` is the resource's, `https://NAME.openai.azure.com`.

    Attributes:
        api_version: of the interface; OPENAI_API_VERSION, else `DEFAULT_VERSION`, when None.
    """

    api_version: str | None = None


class AzureLLM(ServedLLM):
    """A deployment of Azure OpenAI.

    The key is that of AZURE_OPENAI_API_KEY, or AZURE_OPENAI_AD_TOKEN is a token of Entra ID.

    Args:
        deployment: its name.
        settings: how to ask.

    Raises:
        MissingExtra: when the vendor's client is not installed.
        PrivacyError: when the address is not on this machine and `allow_remote` is False.
        ConfigError: when no address is given, or it is none, or there is no key.
    """

    def __init__(self, deployment: str, settings: AzureSettings | None = None):
        settings = settings or AzureSettings()
        url = settings.base_url or os.environ.get(AZURE_URL_VARIABLE)
        if not url:
            raise ConfigError(
                f"the address of the Azure resource of {deployment!r} is not known",
                expected="https://NAME.openai.azure.com",
                fix=f"Name it with --base-url, or put it into {AZURE_URL_VARIABLE}.",
            )
        address = permitted(url, allow_remote=settings.allow_remote)
        token = os.environ.get(TOKEN_VARIABLE, "")
        key = "" if token else required_key(AZURE_KEY_VARIABLE, address)
        version = settings.api_version or os.environ.get(VERSION_VARIABLE) or DEFAULT_VERSION
        sdk = openai_sdk("Azure OpenAI")
        http = client(address, timeout=settings.timeout, connections=settings.concurrency, extra="openai")
        asked = sdk.AsyncAzureOpenAI(
            azure_endpoint=address.url,
            azure_deployment=deployment,
            api_version=version,
            api_key=None if token else key or "none",
            azure_ad_token=token or None,
            timeout=http.timeout,
            max_retries=0,
            http_client=http,
        )
        name = f"azure:{deployment}@{host(address)}/{version}" + sampling(settings.temperature, settings.seed)
        endpoint = ChatEndpoint(deployment, asked, address, token or key, settings, AZURE_KEY_VARIABLE)
        super().__init__(name, endpoint, settings)


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def answer_grammar(constraint: CopyConstraint) -> str:
    """The grammar of every TANL answer that copies the constraint's text, in GBNF; one rule a line.

    For each word there are two rules: one for the answer outside a mention before that word, one inside. A rule copies
    its word and goes on to the next rule, or puts a bracket and changes to the other kind; so the grammar's length is
    linear in the text's. What a grammar cannot say is a preference: biases and the `prefer` mode are for the embedded
    LLM alone.

    Mentions lie between words, do not nest, and close before a blank line. In the `only` mode they open at candidates
    and close at their ends with their labels. A mention's length is not limited otherwise, since counting words would
    take a rule for every pair of places. A lone surrogate is demanded as U+FFFD, since no answer can hold it.

    Raises:
        ConfigError: when the constraint has no label, or a candidate that cannot be bracketed.
    """
    return "".join(f"{name} ::= {' | '.join(ways)}\n" for name, ways in _rules(constraint))


Rule = tuple[str, list[str]]


def _rules(constraint: CopyConstraint) -> Iterator[Rule]:
    found, rest = window_words(constraint)
    yield "root", ["o0"]
    for i, label in enumerate(constraint.labels):
        for j, asked in enumerate(constraint.attributes.get(label, ())):
            yield f"v{i}-{j}", ['""', *(quote(f" {BAR} {escape(form)}") for _, form in asked.values)]
    if constraint.candidate_mode == "only":
        yield from _at_candidates(constraint, found)
    else:
        yield from _anywhere(constraint, found)
    yield f"o{len(found)}", [quote(rest)]


def _anywhere(constraint: CopyConstraint, found: Sequence[Word]) -> Iterator[Rule]:
    yield "l", [_closing(constraint, label) for label in constraint.labels]
    for i, word in enumerate(found):
        yield f"o{i}", [f"{_copy(word)} o{i + 1}", f"{_open(word)} i{i + 1}"]
    for i in range(1, len(found) + 1):
        ways = [f"l o{i}"]
        if i < len(found) and not ends_paragraph(found[i].gap):
            ways.append(f"{_copy(found[i])} i{i + 1}")
        yield f"i{i}", ways


def _at_candidates(constraint: CopyConstraint, found: Sequence[Word]) -> Iterator[Rule]:
    for i, (word, ends) in enumerate(zip(found, candidate_ends(constraint, found), strict=True)):
        ways = [f"{_copy(word)} o{i + 1}"]
        if ends:
            ways.append(f"{_open(word)} c{i}-{i + 1}")
        yield f"o{i}", ways
        last = max(ends, default=i)
        for at in range(i + 1, last + 1):
            inside = [f"{_closing(constraint, label)} o{at}" for label in ends.get(at, ())]
            if at < last:
                inside.append(f"{_copy(found[at])} c{i}-{at + 1}")
            yield f"c{i}-{at}", inside


def _closing(constraint: CopyConstraint, label: str) -> str:
    """What closes a mention of `label`; each attribute that is asked for may be left out."""
    attributes = constraint.attributes.get(label, ())
    if not attributes:
        return quote(closing(label))
    number = constraint.labels.index(label)
    values = " ".join(f"v{number}-{j}" for j in range(len(attributes)))
    return f"{quote(f' {BAR} {escape(label)}')} {values} {quote(f' {CLOSE}')}"


def _copy(word: Word) -> str:
    return quote(word.gap + word.written)


def _open(word: Word) -> str:
    return quote(word.gap + opening() + word.written)


def quote(text: str) -> str:
    """`text` as a literal of the grammar."""
    return '"' + "".join(map(_literal, text)) + '"'


def _literal(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if "\ud800" <= character <= "\udfff":
        return "\\ufffd"
    # Line separators and control characters would end a line of the grammar or vanish from it.
    return character if character.isprintable() or ord(character) > 0xFFFF else f"\\u{ord(character):04x}"
