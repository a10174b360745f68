"""A deployment of Azure OpenAI, through the vendor's own client."""

import os
from dataclasses import dataclass

from clinspan.errors import ConfigError
from clinspan.llms.address import client, permitted
from clinspan.llms.openai import ChatEndpoint, OpenAISettings, host, openai_sdk, sampling
from clinspan.llms.served import ServedLLM
from clinspan.llms.vendor import required_key

KEY_VARIABLE = "AZURE_OPENAI_API_KEY"
TOKEN_VARIABLE = "AZURE_OPENAI_AD_TOKEN"
URL_VARIABLE = "AZURE_OPENAI_ENDPOINT"
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
        url = settings.base_url or os.environ.get(URL_VARIABLE)
        if not url:
            raise ConfigError(
                f"the address of the Azure resource of {deployment!r} is not known",
                expected="https://NAME.openai.azure.com",
                fix=f"Name it with --base-url, or put it into {URL_VARIABLE}.",
            )
        address = permitted(url, allow_remote=settings.allow_remote)
        token = os.environ.get(TOKEN_VARIABLE, "")
        key = "" if token else required_key(KEY_VARIABLE, address)
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
        endpoint = ChatEndpoint(deployment, asked, address, token or key, settings, KEY_VARIABLE)
        super().__init__(name, endpoint, settings)
