"""What a tagger says of itself: what decides, who can find each label, what is wrong with it, how it is reported."""

from collections.abc import Iterator, Mapping

import regex

from clinspan.assertion.assess import TOLD, Reads
from clinspan.dictionary.store import Dictionary
from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.examples import notes
from clinspan.examples.pool import Pool
from clinspan.formats.base import Format
from clinspan.fusion.heard import Source
from clinspan.fusion.model import FusedModel
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM
from clinspan.tagging import open as parts
from clinspan.tagging.ask import Counts, Sharing
from clinspan.tagging.calibration import Calibration
from clinspan.tagging.demonstrations import Demonstrations
from clinspan.tagging.evidence import reads, sources_of
from clinspan.tagging.read import Remark
from clinspan.tagging.settings import TagSettings, shown
from clinspan.tagging.way import Doubter

_COMMON = frozenset(
    (
        *("a", "an", "and", "any", "as", "at", "by", "for", "from", "in", "is", "it", "no", "not"),
        *("of", "on", "or", "such", "that", "the", "this", "to", "was", "what", "which", "who", "with"),
    )
)
_MANY = 12


def hints(labels: LabelSet) -> Iterator[str]:
    """What may be wrong with the definitions of a set, for a model that finds what they say, and what to do."""
    told: dict[str, str] = {}
    for label in labels.labels:
        words = regex.findall(r"\w+", label.definition.casefold())
        names = regex.findall(r"\w+", label.name.casefold())
        if len(words) < 4 or set(words) <= {*names, *_COMMON}:
            yield (
                f"the definition of {label.name!r} says little more than its name; say what it is, and what looks "
                "alike and is not meant: 'A substance that the patient reacted to; a drug that is only taken is none.'"
            )
        elif not _COMMON & set(words):
            yield f"the definition of {label.name!r} does not look like English, which is all that this model reads"
        same = " ".join(words)
        if same in told:
            yield f"{told[same]!r} and {label.name!r} have one definition; each mention can be of one of them only"
        told.setdefault(same, label.name)
    if len(labels.labels) > _MANY:
        yield f"{len(labels.labels)} labels are read one by one, in about {len(labels.labels)} times the time of one"


class Told:
    """The parts of a tagger, which `Tagger` holds, and what follows from them before and after a run."""

    llm: LLM | None
    labels: LabelSet
    format: Format
    dictionary: Dictionary | None
    encoder: LLM | None
    settings: TagSettings
    calibration: Calibration
    examples: Pool | None
    taught: tuple[Document, ...]
    doubter: Doubter | None
    fused: FusedModel | None
    _counts: Counts

    @property
    def model(self) -> LLM | None:
        """What is asked about windows: the LLM, else the encoder; None for the dictionary alone."""
        return self.llm if self.llm is not None else self.encoder

    @property
    def name(self) -> str:
        """Names what decides, the encoder beside an LLM too."""
        return "+".join(model.name for model in (self.llm, self.encoder) if model is not None) or "dictionary"

    @property
    def sources(self) -> Mapping[Source, str]:
        """What is heard, each source with its name and version."""
        return sources_of(self.labels, self.llm, self.encoder, self.dictionary)

    @property
    def assessor(self) -> LLM | None:
        """The encoder that says assertion and temporality of what was found otherwise; None for the rules alone."""
        if self.settings.assertion != "encoder" or self.model is None:
            return None
        if reads(self.encoder) is not None:
            return self.encoder
        return parts.assessor(self.labels, threads=self.model.traits.threads)

    @property
    def attributes(self) -> Reads | None:
        """What `assessor` says."""
        if self.assessor is self.encoder:
            return reads(self.encoder)
        threads = self.model.traits.threads if self.model is not None else None
        return parts.given_attributes(self.labels, threads=threads) if self.assessor is not None else None

    def check(self) -> None:
        """Finds what the settings ask for and the parts cannot give, before a document is read.

        Raises:
            ConfigError: naming it; also where something was promised of another model or of other labels.
        """
        _ = self.demonstrations
        if self.settings.ask == "doubt":
            parts.check_doubt(self.fused, self.llm, self.encoder)
        if self.settings.explain and self.fused is None:
            raise ConfigError(
                "there are no weights to explain: no fused model decides here",
                where="--explain",
                fix="Name one with --fused; one comes with clinspan for problem-treatment-test, without --calibration.",
            )
        if self.calibration.promise is not None:
            self.calibration.promise.check(self.name, self.labels.names)
        else:
            self.calibration.check(self.model.name if self.model is not None else "none")

    def check_labels(self) -> None:
        """Finds the labels that nothing here can find, before a document is read.

        Raises:
            ConfigError: naming them.
        """
        unanswered = [name for name, who in self.answerers().items() if not who]
        if unanswered:
            raise ConfigError(
                f"nothing here can find {', '.join(map(repr, unanswered))} of the label set {self.labels.name!r}",
                expected="an LLM, an encoder or an adapter that was tuned for the labels, or terms for the dictionary",
                fix="Name an LLM that follows instructions (--llm openai:MODEL --base-url http://HOST:PORT/v1), tune a "
                "model on annotated notes (clinspan tune, clinspan tune-encoder), or give each label `terms` or "
                "`semantic_types` in its labels.toml.",
            )

    def answerers(self) -> dict[str, tuple[str, ...]]:
        """For each label the names of what can find it: an LLM, an encoder, the dictionary; nothing where none can."""
        models = [model.name for model in (self.llm, self.encoder) if model is not None]
        known = {
            label.name
            for label in self.labels.labels
            if label.terms or (self.dictionary is not None and label.semantic_types)
        }
        # Annotated documents teach the dictionary the mentions that they have.
        known |= {entity.label for document in self.taught for entity in document.entities}
        return {name: (*models, *(("the dictionary",) if name in known else ())) for name in self.labels.names}

    def remarks(self) -> Iterator[Remark]:
        """What the run so far says of its sources and its prompts."""
        who_finds = self.answerers()
        if self.llm is not None and self.llm.traits.profile == "small":
            asked = [name for name, who in who_finds.items() if "the dictionary" not in who]
            if asked:
                said = f"{', '.join(asked)}: the model is small and was not tuned for the labels"
                yield Remark("will hardly be found", said, warns=True)
        if self.model is not None and self.model.traits.profile == "described":
            said = f"{', '.join(who_finds)}: by no model that was tuned for them. Check it on some notes first"
            yield Remark("found by what their definitions say", said)
            for hint in hints(self.labels):
                yield Remark("definitions", hint, warns=True)
        alone = [name for name, who in who_finds.items() if who == ("the dictionary",)]
        if alone:
            yield Remark("found by the dictionary alone", ", ".join(alone), warns=True)
        shown = self.demonstrations
        if shown is not None:
            if self.examples is not None and notes.is_own(self.examples):
                yield Remark(
                    "examples of", "the notes that come with clinspan (--select fixed for the label set's own)"
                )
            yield from shown.remarks()
            if self.settings.prompt.style == "brief":
                said = "a tuned model was shown none in training, and a very small one makes little of them"
                yield Remark("examples in a brief prompt", said, warns=True)
        if self.settings.ask == "doubt":
            share = f"{self.settings.ask_share:.0%} of the windows that the fused model was fitted on (--ask-share)"
            yield Remark("the LLM was asked", f"where it is expected to gain as much as in {share}")
        if self.sharing is not None:
            yield from self.sharing.remarks()

    @property
    def sharing(self) -> Sharing | None:
        """How much prompts have in common; None without an LLM."""
        return self._counts.sharing

    @property
    def demonstrations(self) -> Demonstrations | None:
        """The examples that the prompts show; None where they show none.

        Raises:
            ConfigError: when the settings ask for what the pool cannot give.
        """
        return self._counts.demonstrations()

    def describe(self) -> dict[str, str]:
        """What the run was asked to do, as reports show it: the parts, and the settings by their names."""
        learned = ", ".join(f"{key} {value}" for key, value in self.calibration.learned_from.items())
        said = {
            "labels": f"{self.labels.name} ({', '.join(self.labels.names)})",
            "model": self.model.name if self.model is not None else "none: the dictionary decides alone",
            "format": self.format.name,
            "dictionary": str(self.dictionary.path.name) if self.dictionary is not None else "none",
            "calibration": learned or "none",
        }
        if self.fused is not None:
            learned = ", ".join(f"{key} {value}" for key, value in self.fused.learned_from.items())
            said["decided by a fused model"] = learned or "fitted by hand"
        if self.doubter is not None:
            said["what is no disease"] = f"{self.doubter.encoder.name} and the dictionary"
        if any(attribute.name in TOLD for label in self.labels.labels for attribute in label.attributes):
            who = "rules"
            if self.assessor is not None:
                found = self.model is self.assessor
                who = f"{'the encoder that finds them' if found else self.assessor.name} and rules"
            asked = self.model is not None and self.settings.prompt.attributes == "model"
            said["assertion of problems"] = f"the model; what it leaves out, {who}" if asked else who
        if self.examples is not None:
            own = notes.is_own(self.examples)
            said["examples of"] = "the notes that come with clinspan" if own else str(self.examples.info.path)
        if self.calibration.promise is not None:
            said["promise"] = self.calibration.promise.said
        if self.calibration.open_bias:
            said["open-bias of the calibration"] = f"{self.calibration.open_bias:g}"
        windows = ("window-tokens", "window-sentences", "overlap-sentences")
        return said | {name: value for name, value in shown(self.settings) if self.model is not None or name in windows}
