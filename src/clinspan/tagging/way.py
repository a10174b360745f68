"""The way of documents through a tagger: begun, put to the model, told of, decided, doubted, finished."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from clinspan.assertion.assess import Reads, assess, completed
from clinspan.classifier.folder import shipped
from clinspan.details import related
from clinspan.dictionary.facts import FactsMode
from clinspan.dictionary.store import Dictionary
from clinspan.document import READ_STATES, Document, Entity, Span, WindowReport
from clinspan.errors import LLMError
from clinspan.formats.base import Format
from clinspan.fusion.model import FLOOR
from clinspan.fusion.reasons import DECIDED
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM
from clinspan.llms.encoder import EncoderLLM
from clinspan.messages import Completion
from clinspan.tagging.ask import Asker, Sharing
from clinspan.tagging.calibration import PROMISE, REVIEW
from clinspan.tagging.demonstrations import Demonstrations
from clinspan.tagging.evidence import Decider, Decides, Evidence, WindowEvidence, encoded, heard, state_of
from clinspan.tagging.knowledge import Lookup, Proposer
from clinspan.tagging.read import UNASKED, Outcome, Progress, Question, Stopwatch, Timed, WindowRead, read_answer
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.stream import Steps, Stream, Underway
from clinspan.text.windows import windows

_DISEASE, _CHEMICAL = "disease", "chemical"


@dataclass(frozen=True, slots=True)
class Doubter:
    """Takes back diseases that an encoder of notes, or the dictionary, reads as chemicals: a drug is no disease.

    The adapter for `disease` was taught on abstracts, which list no medication, so it marks the drugs of a list too.

    Attributes:
        encoder: knows chemicals and diseases.
        labels: both of them.
        lookup: what the dictionary says of both.
    """

    encoder: LLM
    labels: LabelSet
    lookup: Lookup

    def doubted(self, text: str, entities: Sequence[Entity]) -> Mapping[Entity, str]:
        """The diseases that are chemicals, each with who says so; the text is read only where there are diseases."""
        diseases = [entity for entity in entities if entity.label == _DISEASE]
        if not diseases:
            return {}
        read = [one.entity for window in encoded(self.encoder, text, self.labels) for one in window.in_core()]
        known = self.lookup.knowledge(text, matches=False).proposals
        found: dict[Entity, str] = {}
        for disease in diseases:
            if _taken_for_chemical(disease, read, exactly=False):
                found[disease] = f"{self.encoder.name} reads it as a chemical"
            elif _taken_for_chemical(disease, known, exactly=True):
                found[disease] = "the dictionary knows it as a chemical"
        return found


def _taken_for_chemical(disease: Entity, others: Sequence[Entity], *, exactly: bool) -> bool:
    near = [one for one in others if one.span.overlaps(disease.span)]
    if any(one.label == _DISEASE for one in near):
        return False
    return any(one.label == _CHEMICAL and (not exactly or one.span == disease.span) for one in near)


def reads_beside(labels: LabelSet) -> EncoderLLM | None:
    """The encoder that comes with clinspan and knows chemicals, where diseases are asked for and chemicals are not."""
    if _DISEASE not in labels or _CHEMICAL in labels:
        return None
    for folder, card in shipped():
        if any(set(head.labels) == {_DISEASE, _CHEMICAL} for head in card.heads):
            return EncoderLLM.opened(folder, once=True)
    return None


_LIKELY = 0.5
"""Of mentions that overlap one at most is likelier than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """All that a document meets.

    Attributes:
        model: is asked about windows; None for the dictionary alone.
        beside: an encoder whose evidence is heard beside the model's.
        labels: what is asked for.
        format: how the model answers.
        dictionary: where an LLM's lists of candidates are looked up.
        settings: how the stages work together.
        lookup: the dictionary as the labels see it.
        decider: makes entities of evidence.
        fused: does so in its place, weighing all sources; None where a rule decides.
        demonstrations: the examples of the prompts.
        doubter: takes back what the model found and others know better.
        attributes: says them of what was found by others; None for the rules alone.
        sharing: is told of each chat.
    """

    model: LLM | None
    beside: LLM | None
    labels: LabelSet
    format: Format
    dictionary: Dictionary | None
    settings: TagSettings
    lookup: Lookup
    decider: Decider
    fused: Decides | None
    demonstrations: Demonstrations | None
    doubter: Doubter | None
    attributes: Reads | None
    sharing: Sharing | None

    def walked(
        self, documents: Iterable[Document], progress: Progress | None, timed: Timed | None
    ) -> Iterator[Document]:
        """Each document with its entities, in order; see `Tagger.tag_many`."""
        model = self.model
        if model is None:
            for document in documents:
                underway = self._begin(document)
                self._tell(underway, progress)
                yield self._finish(underway, timed)
            return
        asker = Asker(
            llm=model,
            labels=self.settings.prompt.asked(self.labels),
            form=self.format,
            settings=replace(self.settings, consider=self._consider),
            open_bias=self.settings.open_bias + self.decider.calibration.open_bias,
            lookup=self.lookup,
            demonstrations=self.demonstrations,
            sharing=self.sharing,
        )
        steps = Steps(self._begin, asker.questions, self._read, self.settings.windows, self._proposer())
        with closing(Stream(model, steps, ahead=self.settings.ahead).run(documents)) as stream:
            for underway in stream:
                self._tell(underway, progress)
                if underway.done:
                    yield self._finish(underway, timed)

    @property
    def _consider(self) -> float | None:
        """What a promise was made on is what it needs; a fused model weighs what an encoder does not choose, too."""
        promise = self.decider.calibration.promise
        if self.fused is not None:
            return FLOOR
        return self.settings.consider if promise is None else promise.consider

    def _begin(self, document: Document) -> Underway:
        facts = self.settings.facts
        unscanned = (FactsMode.NONE, FactsMode.LABELS)
        scans = self.model is not None and facts.mode not in unscanned and facts.source != "propose"
        count = self.model.count_tokens if self.model is not None else None
        shown = self.demonstrations
        lap = Stopwatch()
        cut = windows(document.text, self.settings.windows, count=count)
        cutting = lap()
        known = self.lookup.knowledge(document.text, matches=scans, terms=self.fused is not None)
        underway = Underway(document, cut, known, shown.nearby(document, cut) if shown is not None else None)
        underway.times.windows += cutting
        underway.times.dictionary += lap()
        if self.model is None:
            for _ in cut:
                underway.plan(0)
        if self.settings.ask == "doubt" and self.fused is not None and self.beside is not None:
            underway.beside = tuple(encoded(self.beside, document.text, self.labels, consider=self._consider))
            before = heard(underway.beside, known, document.text)
            underway.doubtful = self.fused.doubtful(before, cut, self.settings.ask_share)
            underway.times.llm += lap()
        return underway

    def _tell(self, underway: Underway, progress: Progress | None) -> None:
        if progress is None:
            return
        text = underway.document.text
        while underway.told < len(underway.outcomes):
            number, window = underway.told, underway.windows[underway.told]
            underway.told += 1
            if self.model is None:
                found = [Evidence(entity, "dictionary") for entity in underway.knowledge.proposals_in(window.core)]
            else:
                found = self._evidence(underway, number).in_core()
                if self.fused is not None:
                    # What all sources say together is known when the document is done.
                    found = [one for one in found if one.score is None or one.score > _LIKELY]
            entities = self.decider.about(underway.document).learned(found, text)
            state = state_of(underway.outcomes[number].state, window.core, [entity.start for entity in entities])
            words = len(window.core.of(text).split())
            shown = underway.document.id, window.index, len(underway.windows), window.core
            progress(WindowRead(*shown, state, entities, words))

    def _evidence(self, underway: Underway, number: int) -> WindowEvidence:
        """What the model that is asked found in one window."""
        result = underway.outcomes[number]
        read = underway.asked[number] and result is not UNASKED and result.state in READ_STATES
        return WindowEvidence.of(self.decider.source, underway.windows[number], result.entities, read=read)

    def _proposer(self) -> Proposer | None:
        facts = self.settings.facts
        if self.dictionary is None or facts.mode is FactsMode.NONE or facts.source == "scan":
            return None
        return Proposer(self.labels, self.dictionary)

    def _finish(self, underway: Underway, timed: Timed | None) -> Document:
        """Decides by what the windows of a document said."""
        document = underway.document
        lap = Stopwatch()
        evidence: list[WindowEvidence] = []
        if self.model is not None:
            evidence = [self._evidence(underway, number) for number in range(len(underway.windows))]
        underway.times.reading += lap()
        if underway.beside is not None:
            evidence += underway.beside
        elif self.beside is not None:
            evidence += encoded(self.beside, document.text, self.labels, consider=self._consider)
            underway.times.llm += lap()
        why = None
        if self.fused is not None:
            decided = self.fused.decide(heard(evidence, underway.knowledge, document.text))
            entities, why = decided.entities, decided.reasons
        else:
            decider = self.decider.about(document)
            entities = decider.entities(evidence, underway.knowledge.proposals, document.text)
        doubted = self.doubter.doubted(document.text, entities) if self.doubter is not None else {}
        entities = tuple(entity for entity in entities if entity not in doubted)
        starts = [entity.start for entity in entities]
        read = zip(underway.windows, underway.outcomes, underway.asked, underway.faults, strict=True)
        reports = [
            WindowReport(
                window.core,
                state_of(result.state, window.core, starts),
                asked,
                result.detail,
                (*result.unread, *_taken_back(doubted, window.core)),
                result.repairs,
                fault,
            )
            for window, result, asked, fault in read
        ]
        merged = replace(document, entities=entities, windows=tuple(reports))
        underway.times.reading += lap()
        # A model that was asked for attributes decides what it says; the rules say the rest.
        asked = self.model is not None and self.settings.prompt.attributes == "model"
        known = self.lookup.linked(merged, underway.knowledge)
        says = completed(self.attributes) if self.settings.assertion == "encoder" else None
        linked = assess(known, self.labels, reads=says, keep=asked)
        linked = related(_without_scores(linked) if self.decider.source == "encoder" else linked, self.labels)
        if why is not None:
            linked = replace(linked, metadata={**linked.metadata, DECIDED: why})
        promise = self.decider.calibration.promise
        if promise is not None:
            told = promise.told(sum(entity.attribute(REVIEW) is not None for entity in linked.entities))
            linked = replace(linked, metadata={**linked.metadata, PROMISE: told})
        underway.times.dictionary += lap()
        if timed is not None:
            timed(document.id, underway.times)
        return linked

    def _read(self, text: str, question: Question, answer: Completion | LLMError) -> Outcome:
        if self.sharing is not None and isinstance(answer, Completion):
            self.sharing.answered(answer)
        return read_answer(text, question, answer, form=self.format, settings=self.settings.grounding)


def _without_scores(document: Document) -> Document:
    """The document without the probabilities of attributes: nobody calibrated what an encoder gives them."""
    if not any(entity.attribute_scores for entity in document.entities):
        return document
    return replace(document, entities=tuple(replace(entity, attribute_scores=()) for entity in document.entities))


def _taken_back(doubted: Mapping[Entity, str], core: Span) -> Iterator[str]:
    """What a window's report says of entities that begin in it and were not believed."""
    for entity, why in doubted.items():
        if core.start <= entity.start < core.end:
            yield f"{entity.text!r} is no {entity.label}: {why}"
