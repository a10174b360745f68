"""What must be on this machine before a tagger opens: packages and models, named all at once."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from clinspan.dictionary.sources.packaged import EXTRA as VOCABULARIES
from clinspan.dictionary.sources.packaged import PACKAGES
from clinspan.dictionary.store import Dictionary
from clinspan.errors import MissingExtra, ModelError
from clinspan.llms.base import LLM
from clinspan.llms.spec import kinds
from clinspan.models.pull import PullProgress, pull, silent
from clinspan.models.registry import Model, find

_EMBEDDED = "embedded"
_OF_ENCODERS = (_EMBEDDED, ("onnxruntime", "tokenizers"))
_OF_LLMS = {
    # For some labels an encoder reads beside it.
    "embedded": (_EMBEDDED, ("xllamacpp", "onnxruntime", "tokenizers")),
    "llamacpp": (_EMBEDDED, ("xllamacpp",)),
    "openai": ("openai", ("openai", "httpx2")),
    "azure": ("openai", ("openai", "httpx2")),
    "anthropic": ("anthropic", ("anthropic", "httpx2")),
}


def check_packages(
    llm: LLM | str | None, encoder: LLM | str | Path | None, dictionary: Dictionary | str | Path | None
) -> None:
    """Refuses to begin where packages are missing.

    Args:
        llm: its spec; one that is open already needs nothing more.
        encoder: its folder.
        dictionary: `open` for the packaged vocabularies.

    Raises:
        MissingExtra: naming every package that is missing, and the one command that installs them.
    """
    needed = []
    if isinstance(llm, str) and llm.partition(":")[0] in _OF_LLMS:
        needed.append(_OF_LLMS[llm.partition(":")[0]])
    if isinstance(encoder, str | Path) and any(Path(encoder).glob("*.onnx")):
        needed.append(_OF_ENCODERS)
    if dictionary == "open":
        needed.append((VOCABULARIES, PACKAGES))
    missing = {extra: absent for extra, packages in needed if (absent := _absent(packages))}
    if not missing:
        return
    if _EMBEDDED in missing:
        # It brings the vocabularies along.
        missing[_EMBEDDED] = tuple(dict.fromkeys(name for names in missing.values() for name in names))
    raise MissingExtra(
        tuple(dict.fromkeys(name for names in missing.values() for name in names)),
        ",".join(extra for extra in missing if extra != VOCABULARIES or _EMBEDDED not in missing),
        purpose="tagging with these settings",
    )


def _absent(packages: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in packages if find_spec(name) is None)


def missing_models(llm: LLM | str | None) -> tuple[Model, ...]:
    """The models of the registry that an LLM's spec means and that are not on this machine.

    Raises:
        ModelError: when the registry has no model of that name.
    """
    kind, _, name = llm.partition(":") if isinstance(llm, str) else ("", "", "")
    if kind != "embedded":
        return ()
    model = find(name or str(kinds()[kind].default))
    return (model,) if model.missing() else ()


def have_models(llm: LLM | str | None, *, fetch: bool, progress: PullProgress = silent) -> None:
    """Fetches the models that an LLM's spec means and that are not on this machine, where that is allowed.

    Raises:
        ModelError: when one is missing and `fetch` is not set, or it cannot be fetched.
    """
    for model in missing_models(llm):
        if not fetch:
            fix = f"Fetch it with: clinspan models pull {model.name}, or Tagger.open(..., fetch=True)"
            raise absent(model, fix=fix)
        pull(model, progress=progress)


def absent(model: Model, *, fix: str) -> ModelError:
    """The error of a model that is not on this machine, with its size."""
    return ModelError(
        f"the model {model.name!r} ({model.megabytes}) is not on this machine", where=str(model.folder), fix=fix
    )
