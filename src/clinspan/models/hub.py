"""Models of the Hugging Face hub: found in the hub's own cache; fetched into it by `clinspan models pull` alone."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from clinspan.errors import ConfigError, MissingExtra, ModelError

PREFIX = "hf:"

_NAME = re.compile(
    r"(?P<repository>[\w.-]+/[\w.-]+)(?:/(?P<file>[\w./-]+\.gguf))?(?:@(?P<revision>[\w./-]+))?", re.ASCII
)
# Never pickled weights (.bin, .pt) and never code: loading either would run what somebody else wrote.
_LAYOUT = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt")
_PREFERRED = "Q4_K_M"


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository of the hub, `OWNER/NAME[/FILE.gguf][@REVISION]`.

    Attributes:
        revision: a commit, branch or tag; None for the newest when it is fetched, and what was fetched when it is used.
        file: the GGUF file meant, in a repository that has several.
    """

    repository: str
    revision: str | None = None
    file: str | None = None

    @classmethod
    def parse(cls, text: str) -> "HubModel":
        """Reads the form above.

        Raises:
            ConfigError: when it is none.
        """
        found = _NAME.fullmatch(text)
        if found is None or ".." in text:
            raise ConfigError(
                f"{text!r} names no model of the hub", expected="OWNER/NAME, OWNER/NAME/FILE.gguf, or @REV after"
            )
        return cls(found["repository"], found["revision"], found["file"])

    def __str__(self) -> str:
        file = f"/{self.file}" if self.file else ""
        return f"{self.repository}{file}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model of the hub on this machine: `path` is a GGUF file or a folder in transformers' layout."""

    path: Path
    commit: str


def locate(model: HubModel) -> Snapshot:
    """Where the model lies. Fetches nothing.

    Raises:
        MissingExtra: when the hub's library is not installed.
        ModelError: when it was not fetched; says the command that fetches it.
    """
    # Of no file yet: which are wanted is only known when the folder is.
    folder = _folder(model, ["."])
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    if not files:
        raise _absent(model)
    chosen = _weights(model, files)
    _folder(model, [chosen] if chosen else _LAYOUT)
    return Snapshot(folder / chosen if chosen else folder, folder.name)


def _folder(model: HubModel, wanted: Sequence[str]) -> Path:
    """Where the hub's library keeps the model, once it has seen that the files that are wanted are there."""
    hub = hub_library(f"the model {model}")
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = hub.snapshot_download(
            model.repository, revision=model.revision, allow_patterns=list(wanted), local_files_only=True
        )
    except (LocalEntryNotFoundError, ValueError) as error:
        raise _absent(model) from error
    return Path(found)


def fetch(model: HubModel) -> Snapshot:
    """Fetches the model into the hub's cache.

    Raises:
        MissingExtra: when the hub's library is not installed.
        ModelError: when the hub cannot be reached, or has no such model or none that can be run.
    """
    # The user's own key of the hub, for models that are not open to all; never one that lies about on the disk.
    token = os.environ.get("HF_TOKEN") or False
    with asked_of_hub("the model", purpose=f"the model {model}", where=f"{PREFIX}{model}") as hub:
        info = hub.HfApi().model_info(model.repository, revision=model.revision, token=token)
        chosen = _weights(model, [sibling.rfilename for sibling in info.siblings or ()])
        hub.snapshot_download(
            model.repository,
            revision=model.revision or "main",
            allow_patterns=_LAYOUT if chosen is None else [chosen],
            token=token,
        )
    return locate(model)


def _weights(model: HubModel, files: Sequence[str]) -> str | None:
    """The GGUF file to run, or None for a folder that transformers reads."""
    if model.file is not None:
        return model.file
    if "config.json" in files and any(name.endswith(".safetensors") for name in files):
        return None
    ggufs = sorted(name for name in files if name.endswith(".gguf"))
    preferred = [name for name in ggufs if _PREFERRED in name]
    if len(ggufs) == 1 or len(preferred) == 1:
        return (preferred or ggufs)[0]
    if ggufs:
        raise ModelError(
            f"the repository has {len(ggufs)} GGUF files: {', '.join(ggufs[:8])}",
            where=f"{PREFIX}{model}",
            fix=f"Name one: {PREFIX}{model.repository}/FILE.gguf",
        )
    raise ModelError("it has neither safetensors nor GGUF files", where=f"{PREFIX}{model}")


def _absent(model: HubModel) -> ModelError:
    return ModelError(
        "the model is not on this machine",
        where=f"{PREFIX}{model}",
        fix=f"Fetch it with: clinspan models pull {PREFIX}{model}",
    )


@contextmanager
def asked_of_hub(what: str, *, purpose: str, where: str, fix: str | None = None) -> Iterator[ModuleType]:
    """The hub's library; a fault of the hub while it is used is an error that says what was not given.

    Raises:
        MissingExtra: when the library is not installed.
        ModelError: when the hub cannot be reached, or does not have it.
    """
    hub = hub_library(purpose)
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        yield hub
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, HTTPError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"the hub did not give {what} ({reason})", where=where, fix=fix) from error


def hub_library(purpose: str) -> ModuleType:
    """The hub's library, which tells nobody what it is used for.

    Raises:
        MissingExtra: when it is not installed.
    """
    # Read when the library is imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "hub", purpose=purpose) from error
    return huggingface_hub


def transformers_library(purpose: str) -> tuple[Any, Any]:
    """torch and transformers, which keeps silent about what it does.

    Raises:
        MissingExtra: when one of them is not installed.
    """
    try:
        import torch
        import transformers
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", "train", purpose=purpose) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return torch, transformers
