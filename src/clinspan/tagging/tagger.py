"""The tagger: its parts, opened by name or given, and never changed."""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from clinspan.assertion.assess import assess, completed
from clinspan.details import related
from clinspan.dictionary.store import Dictionary
from clinspan.document import Document
from clinspan.errors import did_you_mean
from clinspan.examples.pool import Pool
from clinspan.formats.base import Format
from clinspan.fusion.heard import Heard, Source
from clinspan.fusion.model import FusedModel
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM
from clinspan.llms.base import closing as closing_llm
from clinspan.settings import DEFAULT_LABELS
from clinspan.tagging import open as parts
from clinspan.tagging.ask import Counts
from clinspan.tagging.calibration import Calibration
from clinspan.tagging.evidence import Decider, Decides, Fused, Listener
from clinspan.tagging.knowledge import Lookup
from clinspan.tagging.names import Names
from clinspan.tagging.read import Progress, Timed
from clinspan.tagging.settings import TagSettings, over, profile
from clinspan.tagging.told import Told
from clinspan.tagging.way import Doubter, Way


class Tagger(Told):
    """Finds the entities of documents and verifies them against the text.

    A tagger is made once and never changed; `with_` makes another that shares its parts. Any number of threads may use
    one tagger at the same time: each call of `tag` or `tag_many` keeps its own documents, the LLM itself limits how
    many requests are under way, and the counts behind `remarks` are kept under a lock. The iterator that `tag_many`
    gives belongs to one thread. `close` may be called once all of them are done.

    `Tagger(...)` takes parts; `Tagger.open(...)` takes their names.

    Args:
        llm: what names the entities; None for the encoder or the dictionary alone.
        labels: what is asked for.
        format: how the LLM answers; TANL when None.
        dictionary: gives facts, candidates and concepts; None for the label set's own terms alone.
        encoder: a tuned encoder, which decides where no LLM is asked.
        settings: how the stages work together; what suits the LLM when None.
        calibration: what was learned from gold documents; nothing when None.
        examples: a pool that the prompts' examples are chosen from; `settings.examples` says how.
        taught: annotated documents, from which it is learned which of the dictionary's terms their guideline means.
        doubter: takes back what the LLM found and others know better; None for nobody.
        fused: weighs what all sources say; None where the LLM decides, else the encoder, else the dictionary.

    Raises:
        TypeError: when a part is no such part, as a name in its place.
    """

    _lookup: Lookup

    def __init__(
        self,
        llm: LLM | None = None,
        *,
        labels: LabelSet,
        format: Format | None = None,
        dictionary: Dictionary | None = None,
        encoder: LLM | None = None,
        settings: TagSettings | None = None,
        calibration: Calibration | None = None,
        examples: Pool | None = None,
        taught: Iterable[Document] = (),
        doubter: Doubter | None = None,
        fused: FusedModel | None = None,
    ):
        proposals = dictionary is not None or any(label.terms for label in _part("labels", labels).labels)
        self._hold(
            llm=_part("llm", llm),
            labels=labels,
            format=_part("format", format) or parts.form("tanl"),
            dictionary=_part("dictionary", dictionary),
            encoder=_part("encoder", encoder),
            settings=_part("settings", settings) or profile(llm or encoder, proposals=proposals),
            calibration=_part("calibration", calibration) or Calibration(),
            examples=_part("examples", examples),
            taught=tuple(taught),
            doubter=_part("doubter", doubter),
            fused=_part("fused", fused),
        )

    def _hold(self, **held: object) -> None:
        had = dict(vars(self))
        vars(self).update(held)
        if not had or held.keys() & {"labels", "dictionary", "taught"} or self.settings.links != had["settings"].links:
            vars(self).update(_lookup=Lookup(self.dictionary, self.labels, pool=self.taught, links=self.settings.links))
        if self.fused is not None:
            self.fused.check(self.labels.names, self.sources)
        # An LLM that is wrapped counts tokens in its own way, and sees the same examples.
        vars(self).update(_counts=self._counting(had["_counts"] if had and held.keys() <= {"llm", "encoder"} else None))

    def _counting(self, before: Counts | None) -> Counts:
        return Counts(
            self.model,
            labels=self.labels,
            form=self.format,
            settings=self.settings,
            examples=self.examples,
            before=before,
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a tagger is never changed; make another one: tagger.with_({name}=...)")

    @classmethod
    def open(
        cls,
        llm: LLM | str | None = parts.AUTOMATIC,
        *,
        labels: LabelSet | str | Path | Iterable[str] = DEFAULT_LABELS,
        format: Format | str = "tanl",
        dictionary: Dictionary | str | Path | None = "open",
        adapter: str | None = None,
        encoder: LLM | str | Path | None = None,
        settings: TagSettings | None = None,
        calibration: Calibration | str | Path | None = None,
        examples: Pool | str | Path | None = None,
        taught: Iterable[Document] = (),
        fetch: bool = False,
        fused: FusedModel | str | Path | None = None,
        explain: bool = False,
        effort: str | None = None,
        **options: object,
    ) -> Self:
        """Makes a tagger out of names; a part that is open already is taken as it is.

        Args:
            llm: `auto` for what comes with clinspan for these labels (see `tagging.open.chosen`), `embedded`,
                `openai:MODEL`, another spec (see `clinspan tag --help`), or `none`.
            labels: a set that comes with clinspan, the path of a labels.toml, or the names of some labels of one set.
            format: the format's name.
            dictionary: `open` for the packaged open vocabularies (built on first use), a folder, or `none`.
            adapter: a folder made by `clinspan tune`, or `none`; None for what comes with clinspan for the labels.
            encoder: a folder made by `clinspan tune-encoder`; it decides where no LLM is asked.
            settings: how the stages work together; what suits the LLM when None.
            calibration: the file that `clinspan calibrate` wrote, or `none`; None for what came with the adapter.
            examples: the folder of a pool that the prompts' examples are chosen from, or `notes` for clinspan's, which
                an LLM that follows instructions is shown by default where they were annotated for the labels;
                `select="fixed"` shows it the label set's own.
            taught: see `Tagger`.
            fetch: fetch the model into the cache folder when it is missing; without it, that is an error.
            fused: the file that `clinspan fuse` wrote, or `none`; None for the one that comes with clinspan for the
                labels and sources, where nothing is taught and no calibration named.
            explain: whether each document keeps what the fused model decided and why, in its metadata.
            effort: `fast` for encoder and dictionary alone, `balanced` for an LLM where a fused model over both leaves
                doubt, which is the default where there is one, `full` for an LLM everywhere.
            options: any other setting of `clinspan tag` that is the LLM's (`base_url`, `timeout`) or says how to tag
                (`window_tokens`, `facts`, `select`, `k`).

        Raises:
            ClinspanError: when a part cannot be had: a model that was not pulled, an extra that is not installed, an
                unknown name, an address outside this machine.
        """
        wanted, form, taught = parts.labels(labels), parts.form(format), tuple(taught)
        names = Names(llm, encoder, dictionary, adapter, calibration, examples, fused, effort)
        held, chosen = names.opened(wanted, form, options, taught=taught, usual=settings is None, fetch=fetch)
        made = cls(labels=wanted, format=form, settings=settings, taught=taught, **held)
        asked = made.settings
        if calibration is None and made.fused is None and parts.uncalibrated(made.model, wanted):
            asked = replace(asked, scores=False)
        return made.with_(settings=over(replace(asked, explain=explain or asked.explain), chosen))

    def with_(self, **changed: Any) -> Self:
        """Another tagger with some parts in place of this one's; it shares the others, so only one is to be closed.

        The settings stay as they are, whatever the LLM. Counts begin anew. A calibration takes the place of a fused
        model, which needs none.

        Args:
            changed: parts, by the names of the constructor's arguments.

        Raises:
            TypeError: when there is no such part, or it is none.
        """
        for name, part in changed.items():
            if name not in _KINDS:
                raise TypeError(f"a tagger has no part {name!r}. {did_you_mean(name, _KINDS)}")
            if _part(name, part) is None and name not in _OPTIONAL:
                raise TypeError(f"{name} is None")
        if "calibration" in changed:
            changed = {"fused": None} | changed
        made = copy(self)
        made._hold(**changed)
        return made

    def with_model(self, model: LLM) -> Self:
        """Another tagger that asks this in place of `model`, which it wraps."""
        return self.with_(llm=model) if self.llm is not None else self.with_(encoder=model)

    def close(self) -> None:
        """Closes LLM and encoder; the tagger cannot be used afterwards."""
        second = self.doubter.encoder if self.doubter is not None else None
        with closing_llm(self.llm), closing_llm(self.encoder), closing_llm(second):
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tag(self, document: str | Document) -> Document:
        """The document with its entities and the state of every window.

        Never raises for what an LLM answers: a request that fails leaves its window in the state `failed`.

        Raises:
            TypeError: when it is neither a text nor a document.
        """
        (done,) = self.tag_many([Document("text", document) if isinstance(document, str) else document])
        return done

    def tag_many(
        self, documents: Iterable[str | Document], *, progress: Progress | None = None, timed: Timed | None = None
    ) -> Iterator[Document]:
        """Each document with its entities, in order, given as soon as its last window is read.

        A document is taken from `documents` when the LLM has room for its first question, so both may be endless;
        `settings.ahead` bounds what is held. What `documents` raises is raised here, once all before it were given.

        Args:
            documents: texts are named `text-0`, `text-1` and so on by their place; entities and windows that documents
                have already are replaced.
            progress: called with each window as soon as it is read, in order, by the thread that asks for documents.
            timed: called with each document's id and what it took, just before it is given.

        Raises:
            TypeError: when one is neither a text nor a document.
        """
        if isinstance(documents, str | Document):
            raise TypeError("tag_many takes several texts or documents; tag() takes one")
        fused = Fused(self.fused, self.labels, self.settings.explain) if self.fused is not None else None
        return self._way(fused).walked(_documents(documents), progress, timed)

    def hear(self, document: Document) -> Heard:
        """What all sources say of a document, before anything is decided; for fitting a fused model."""
        listener = Listener()
        for _ in self._way(listener).walked([document], None, None):
            pass
        (found,) = listener.heard
        return found

    def _way(self, fused: Decides | None) -> Way:
        source: Source = "llm" if self.llm is not None else "encoder" if self.encoder is not None else "dictionary"
        return Way(
            model=self.model,
            beside=self.encoder if self.llm is not None else None,
            labels=self.labels,
            format=self.format,
            dictionary=self.dictionary,
            settings=self.settings,
            lookup=self._lookup,
            decider=Decider(self.calibration, source, self.settings.scores, terms=self._terms()),
            fused=fused,
            demonstrations=self.demonstrations,
            doubter=self.doubter,
            attributes=self.attributes,
            sharing=self.sharing,
        )

    def _terms(self) -> dict[str, frozenset[str]]:
        """The terms that stand whatever the model says: an encoder that was tuned for the labels learned better."""
        if self.model is None or self.model.traits.profile != "described":
            return {}
        return {label.name: frozenset(term.casefold() for term in label.terms) for label in self.labels.labels}

    def assess(self, document: Document) -> Document:
        """The document with the attributes of its own entities set, where the label set declares them.

        Details get the attribute `of`; see `clinspan.details`.
        """
        return related(assess(document, self.labels, reads=self.attributes or completed(None)), self.labels)


_KINDS: Mapping[str, type | None] = {
    "llm": None,
    "labels": LabelSet,
    "format": None,
    "dictionary": Dictionary,
    "encoder": None,
    "settings": TagSettings,
    "calibration": Calibration,
    "examples": Pool,
    "taught": None,
    "doubter": Doubter,
    "fused": FusedModel,
}
"""The parts of a tagger; None where any object with the right methods is one."""
_OPTIONAL = frozenset({"llm", "dictionary", "encoder", "examples", "doubter", "fused"})

_P = TypeVar("_P")


def _part(name: str, given: _P) -> _P:
    """The part, if it is one; None is for the caller to judge.

    Raises:
        TypeError: when it is none.
    """
    kind = _KINDS[name]
    if isinstance(given, str | Path) or (given is not None and kind is not None and not isinstance(given, kind)):
        raise TypeError(f"{name} is {given!r}, which is no part of a tagger; Tagger.open({name}=...) takes names")
    return given


def _documents(given: Iterable[str | Document]) -> Iterator[Document]:
    for number, one in enumerate(given):
        if not isinstance(one, str | Document):
            raise TypeError(f"document {number} is {one!r}; expected a text or a clinspan.Document")
        yield Document(f"text-{number}", one) if isinstance(one, str) else one
