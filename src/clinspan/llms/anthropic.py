"""Anthropic's models, through the vendor's own client."""

import os
import time
from typing import TYPE_CHECKING, Any

from clinspan.errors import MissingExtra
from clinspan.llms.openai import host, sampling
from clinspan.llms.replies import read_message
from clinspan.llms.served import ServedLLM, ServerSettings, Vendor, required_key
from clinspan.llms.spec import Address, client, permitted
from clinspan.messages import Completion, Request

if TYPE_CHECKING:
    import anthropic

VENDOR_URL = "https://api.anthropic.com"
KEY_VARIABLE = "ANTHROPIC_API_KEY"
URL_VARIABLE = "ANTHROPIC_BASE_URL"


class AnthropicLLM(ServedLLM):
    """One of Anthropic's models, at the vendor's address or at one that speaks its protocol.

    The address is that of the settings, else that of ANTHROPIC_BASE_URL, else the vendor's.

    Args:
        model: its name.
        settings: how to ask.

    Raises:
        MissingExtra: when the vendor's client is not installed.
        PrivacyError: when the address is not on this machine and `allow_remote` is False.
        ConfigError: when the address is none, or a remote server is named and ANTHROPIC_API_KEY is not set.
    """

    def __init__(self, model: str, settings: ServerSettings | None = None):
        settings = settings or ServerSettings()
        url = settings.base_url or os.environ.get(URL_VARIABLE) or VENDOR_URL
        address = permitted(url, allow_remote=settings.allow_remote)
        key = required_key(KEY_VARIABLE, address)
        try:
            import anthropic
        except ImportError as error:
            raise MissingExtra("anthropic", "anthropic", purpose="a model of Anthropic's") from error
        http = client(address, timeout=settings.timeout, connections=settings.concurrency, extra="anthropic")
        asked = anthropic.AsyncAnthropic(
            api_key=key or "none",
            base_url=address.url,
            timeout=http.timeout,
            max_retries=0,
            http_client=http,
            # What a program around this one traces must not come to hold notes.
            open_telemetry=False,
        )
        vendor = Vendor(
            anthropic,
            path="/v1/messages",
            model=model,
            address=address,
            variable=KEY_VARIABLE,
            timeout=settings.timeout,
            optional=("output_config", "temperature"),
            renamed={},
        )
        name = f"anthropic:{model}@{host(address)}" + sampling(settings.temperature)
        super().__init__(name, MessagesEndpoint(model, asked, vendor, address, key, settings), settings)


class MessagesEndpoint:
    """A server that speaks Anthropic's messages.

    Args:
        model: as the server knows it.
        asked: the vendor's client, without repetitions of its own.
        vendor: sends requests through it.
        address: where it listens.
        key: the secret, empty for none.
        settings: how to ask.
    """

    def __init__(
        self,
        model: str,
        asked: "anthropic.AsyncAnthropic",
        vendor: Vendor,
        address: Address,
        key: str,
        settings: ServerSettings,
    ):
        self.address = address
        self.key = key
        self._model = model
        self._asked = asked
        self._vendor = vendor
        self._settings = settings

    async def ask(self, request: Request) -> Completion:
        """See `Endpoint.ask`."""
        start = time.perf_counter()
        text = await self._vendor.text(self._asked.post, self._body(request))
        return read_message(text, where=str(self.address), seconds=time.perf_counter() - start)

    async def close(self) -> None:
        """See `Endpoint.close`."""
        await self._asked.close()

    def _body(self, request: Request) -> dict[str, Any]:
        # The system's words go beside the chat, not into it.
        system = "\n\n".join(message.content for message in request.messages if message.role == "system")
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": request.max_tokens,
            "messages": [
                {"role": message.role, "content": message.content}
                for message in request.messages
                if message.role != "system"
            ],
            # Older models take one; newer ones are asked again without.
            "temperature": self._settings.temperature,
        }
        if system:
            body["system"] = system
        if request.json_schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": dict(request.json_schema)}}
        return body
