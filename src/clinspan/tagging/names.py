"""The names that a user gives to the parts of a tagger: what must be on this machine for them, and what they open.

What is missing, packages and models, is named all at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clinspan.dictionary.sources.packaged import EXTRA as VOCABULARIES
from clinspan.dictionary.sources.packaged import PACKAGES
from clinspan.dictionary.store import Dictionary
from clinspan.document import Document
from clinspan.errors import MissingExtra, ModelError
from clinspan.examples import notes
from clinspan.examples.pool import Pool
from clinspan.examples.selection import Strategy
from clinspan.formats.base import Format
from clinspan.fusion.model import FusedModel
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM
from clinspan.llms.spec import kinds
from clinspan.models.pull import PullProgress, pull, silent
from clinspan.models.registry import Model, find
from clinspan.tagging import open as parts
from clinspan.tagging.calibration import Calibration
from clinspan.tagging.evidence import sources_of

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


@dataclass(frozen=True, slots=True)
class Names:
    """The names of parts, as `Tagger.open` takes them; a part that is open already may stand in place of its name."""

    llm: LLM | str | None
    encoder: LLM | str | Path | None
    dictionary: Dictionary | str | Path | None
    adapter: str | None
    calibration: Calibration | str | Path | None
    examples: Pool | str | Path | None
    fused: FusedModel | str | Path | None
    effort: str | None

    def opened(
        self,
        labels: LabelSet,
        form: Format,
        options: Mapping[str, object],
        *,
        taught: Sequence[Document],
        usual: bool,
        fetch: bool,
    ) -> tuple[dict[str, Any], dict[str, object]]:
        """The parts, by the arguments of `Tagger`, and the settings of tagging that the options name.

        Args:
            options: see `Tagger.open`.
            taught: annotated documents that the dictionary learns from.
            usual: whether the settings are those that suit the LLM.
            fetch: whether a missing model is fetched.

        Raises:
            ClinspanError: see `Tagger.open`.
        """
        llm, encoder = parts.chosen(self.llm, self.encoder, labels, form, adapter=self.adapter, effort=self.effort)
        chosen, asked, of_encoder = parts.divided(options, llm, encoder)
        check_packages(llm, encoder, self.dictionary)
        have_models(llm, fetch=fetch)
        opened = parts.llm(llm, labels, form, adapter=self.adapter, **asked)
        reader = parts.encoder(encoder, labels, form, alone=opened is None, **of_encoder)
        known, examples = parts.dictionary(self.dictionary), self.examples
        if usual and chosen.get("select") is None and parts.shows_notes(opened, labels):
            if examples is None and not taught:
                examples = notes.NAME
            own = notes.is_own(examples) if isinstance(examples, Pool) else notes.is_named(examples)
            if own:
                chosen["select"] = Strategy.KNN
        sources = sources_of(labels, opened, reader, known)
        plain = self.calibration is None and not taught and chosen.get("consider") is None
        fused = parts.fused(self.fused, labels, sources, plain=plain)
        chosen["ask"] = parts.asked(self.effort, chosen.get("ask"), fused, opened, reader)
        doubted = llm == "embedded" and not (self.adapter or encoder)
        held = {
            "llm": opened,
            "dictionary": known,
            "encoder": reader,
            "calibration": parts.calibration("none" if fused else self.calibration, opened or reader, labels),
            "examples": parts.examples(examples, labels),
            "doubter": parts.doubter(opened, labels, known) if doubted else None,
            "fused": fused,
        }
        return held, chosen


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
