"""The tagger: the one place that sees every stage."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from clinspan.dictionary.facts import FactsMode
from clinspan.dictionary.store import Dictionary
from clinspan.document import READ_STATES, Document, Entity, Span, WindowReport, WindowState
from clinspan.errors import LLMError
from clinspan.examples.pool import Pool
from clinspan.formats.base import Format
from clinspan.grounding.merge import WindowEntities, merge
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM
from clinspan.messages import Completion
from clinspan.tagging import open as parts
from clinspan.tagging.ask import Asker, Sharing
from clinspan.tagging.calibration import Calibration
from clinspan.tagging.demonstrations import Demonstrations
from clinspan.tagging.knowledge import Lookup, Proposer
from clinspan.tagging.read import Outcome, Question, read_answer
from clinspan.tagging.settings import TagSettings, profile
from clinspan.tagging.stream import Steps, Stream, Underway
from clinspan.tagging.summary import Progress, Remark, Stopwatch, Timed, WindowRead
from clinspan.text.windows import windows


class Tagger:
    """Finds the entities of documents and verifies them against the text.

    Args:
        llm: what names the entities: an LLM, or a spec such as `embedded` or `openai:MODEL`; None or `none` for the
            dictionary alone.
        labels: what is asked for: a label set, the name of one that comes with clinspan, or the path of a labels.toml.
        form: how the LLM answers: a format or its name.
        dictionary: gives facts, candidates and concepts: a dictionary, its folder, `open` for the packaged open
            vocabularies (built on first use), None or `none` for the label set's own terms alone.
        settings: how the stages work together; what suits the LLM when None.
        calibration: what was learned from gold documents, or the path of a file with it; what came with the adapter
            when None; `none` for nothing.
        pool: annotated documents, from which it is learned which of the dictionary's terms their guideline means.
        examples: a pool that the prompts' examples are chosen from, or its folder; `settings.examples` says how.

    Raises:
        ClinspanError: when a part cannot be had: a model that was not pulled, an extra that is not installed, an
            unknown name, an address outside this machine.
    """

    def __init__(
        self,
        llm: LLM | str | None = "embedded",
        *,
        labels: LabelSet | str = "disease",
        form: Format | str = "tanl",
        dictionary: Dictionary | str | Path | None = "open",
        settings: TagSettings | None = None,
        calibration: Calibration | str | Path | None = None,
        pool: Iterable[Document] = (),
        examples: Pool | str | Path | None = None,
    ):
        self.labels = parts.labels(labels)
        self.form = parts.form(form)
        self.llm = parts.llm(llm, self.labels, self.form)
        self.dictionary = parts.dictionary(dictionary)
        proposals = self.dictionary is not None or any(label.terms for label in self.labels.labels)
        self.settings = settings or profile(self.llm, proposals=proposals)
        self.calibration = parts.calibration(calibration, self.llm, self.labels)
        self._lookup = Lookup(self.dictionary, self.labels, pool=tuple(pool))
        self.pool = parts.examples(examples)
        self._shown: Demonstrations | None = None
        self.sharing = Sharing(self.llm.count_tokens) if self.llm is not None else None

    def tag(self, document: str | Document) -> Document:
        """The document with its entities and the state of every window.

        Never raises for what an LLM answers: a request that fails leaves its window in the state `failed`.
        """
        if isinstance(document, str):
            document = Document("text", document)
        (done,) = self.tag_many([document])
        return done

    def tag_many(
        self, documents: Iterable[Document], *, progress: Progress | None = None, timed: Timed | None = None
    ) -> Iterator[Document]:
        """Each document with its entities, in order, given as soon as its last window is read.

        A document is taken from `documents` when the LLM has room for its first question, so both may be endless;
        `settings.ahead` bounds what is held. What `documents` raises is raised here, once all before it were given.

        Args:
            documents: entities and windows that they have already are replaced.
            progress: called with each window as soon as it is read, in order, by the thread that asks for documents.
            timed: called with each document's id and what it took, just before it is given.
        """
        if self.llm is None:
            for document in documents:
                underway = self._begin(document)
                self._tell(underway, progress)
                yield self._finish(underway, timed)
            return
        asker = Asker(
            llm=self.llm,
            labels=self.labels,
            form=self.form,
            settings=self.settings,
            open_bias=self.settings.open_bias + self.calibration.open_bias,
            lookup=self._lookup,
            demonstrations=self.demonstrations,
            sharing=self.sharing,
        )
        steps = Steps(self._begin, asker.questions, self._read, self.settings.windows, self._proposer())
        with closing(Stream(self.llm, steps, ahead=self.settings.ahead).run(documents)) as stream:
            for underway in stream:
                self._tell(underway, progress)
                if underway.done:
                    yield self._finish(underway, timed)

    def check(self) -> None:
        """Finds what the settings ask for and the parts cannot give, before a document is read.

        Raises:
            ConfigError: naming it.
        """
        _ = self.demonstrations

    def remarks(self) -> Iterator[Remark]:
        """What the run so far says of its prompts."""
        shown = self.demonstrations
        if shown is not None:
            yield from shown.remarks()
            if self.settings.prompt.style == "brief":
                said = "a tuned model was shown none in training, and a very small one makes little of them"
                yield Remark("examples in a brief prompt", said, warns=True)
        if self.sharing is not None:
            yield from self.sharing.remarks()

    @property
    def demonstrations(self) -> Demonstrations | None:
        """The examples that the prompts show; None where they show none.

        Raises:
            ConfigError: when the settings ask for what the pool cannot give.
        """
        settings, prompt = self.settings.examples, self.settings.prompt
        # A model tuned on the brief prompt was shown no examples; it is shown those that the user asks for.
        if self.llm is None or (prompt.style == "brief" and not settings.strategy.draws_on_pool):
            return None
        if self._shown is None or (self._shown.settings, self._shown.prompt) != (settings, prompt):
            self._shown = Demonstrations(
                settings,
                prompt=prompt,
                labels=self.labels,
                form=self.form,
                count=self.llm.count_tokens,
                pool=self.pool,
            )
        return self._shown

    def _begin(self, document: Document) -> Underway:
        facts = self.settings.facts
        unscanned = (FactsMode.NONE, FactsMode.LABELS)
        scans = self.llm is not None and facts.mode not in unscanned and facts.source != "propose"
        count = self.llm.count_tokens if self.llm is not None else None
        shown = self.demonstrations
        lap = Stopwatch()
        cut = windows(document.text, self.settings.windows, count=count)
        cutting = lap()
        known = self._lookup.knowledge(document.text, matches=scans)
        underway = Underway(document, cut, known, shown.nearby(document, cut) if shown is not None else None)
        underway.times.windows += cutting
        underway.times.dictionary += lap()
        if self.llm is None:
            for _ in cut:
                underway.plan(0)
        return underway

    def _tell(self, underway: Underway, progress: Progress | None) -> None:
        if progress is None:
            return
        text = underway.document.text
        while underway.told < len(underway.outcomes):
            window, read = underway.windows[underway.told], underway.outcomes[underway.told]
            underway.told += 1
            if self.llm is None:
                found = underway.knowledge.proposals_in(window.core)
            else:
                placed = (entity.shift(window.span.start) for entity in read.entities)
                found = [entity for entity in placed if window.core.start <= entity.start < window.core.end]
            entities = self._learned(found, text)
            state = _state(read.state, window.core, [entity.start for entity in entities])
            words = len(window.core.of(text).split())
            shown = underway.document.id, window.index, len(underway.windows), window.core
            progress(WindowRead(*shown, state, entities, words))

    def _proposer(self) -> Proposer | None:
        facts = self.settings.facts
        if self.dictionary is None or facts.mode is FactsMode.NONE or facts.source == "scan":
            return None
        return Proposer(self.labels, self.dictionary)

    def _finish(self, underway: Underway, timed: Timed | None) -> Document:
        """Merges what the windows of a document said."""
        document = underway.document
        lap = Stopwatch()
        read = list(zip(underway.windows, underway.outcomes, underway.asked, underway.faults, strict=True))
        if self.llm is None:
            found = underway.knowledge.proposals
        else:
            found = merge(
                [
                    # A window that was not asked about, or not read, says nothing about what its neighbours found.
                    WindowEntities(
                        window.span,
                        window.core,
                        tuple(entity.shift(window.span.start) for entity in result.entities),
                        read=asked and result.state in READ_STATES,
                    )
                    for window, result, asked, _ in read
                ]
            )
        entities = self._learned(found, document.text)
        starts = [entity.start for entity in entities]
        reports = [
            WindowReport(
                window.core,
                _state(result.state, window.core, starts),
                asked,
                result.detail,
                result.unread,
                (*((fault,) if fault else ()), *result.repairs),
            )
            for window, result, asked, fault in read
        ]
        merged = replace(document, entities=entities, windows=tuple(reports))
        underway.times.reading += lap()
        linked = self._lookup.linked(merged, underway.knowledge)
        underway.times.dictionary += lap()
        if timed is not None:
            timed(document.id, underway.times)
        return linked

    def _read(self, text: str, question: Question, answer: Completion | LLMError) -> Outcome:
        if self.sharing is not None and isinstance(answer, Completion):
            self.sharing.answered(answer)
        return read_answer(text, question, answer, form=self.form, settings=self.settings.grounding)

    def _learned(self, found: Iterable[Entity], text: str) -> tuple[Entity, ...]:
        """Applies the calibration; of entities that thereby fall together the likelier stays."""
        kept: dict[tuple[Span, str], Entity] = {}
        for entity in found:
            learned = self.calibration.apply(entity, text)
            if learned is None:
                continue
            if not self.settings.scores and learned.label not in self.calibration.dials:
                learned = replace(learned, score=None)
            place = (learned.span, learned.label)
            if place not in kept or (learned.score or 0.0) > (kept[place].score or 0.0):
                kept[place] = learned
        return tuple(sorted(kept.values(), key=lambda e: (e.start, -e.end, e.label)))

    def describe(self) -> dict[str, str]:
        """What the run was asked to do, as reports show it."""
        settings = self.settings
        learned = ", ".join(f"{key} {value}" for key, value in self.calibration.learned_from.items())
        return {
            "labels": f"{self.labels.name} ({', '.join(self.labels.names)})",
            "model": self.llm.name if self.llm is not None else "none: the dictionary decides alone",
            "format": self.form.name,
            "dictionary": str(self.dictionary.path.name) if self.dictionary is not None else "none",
            "facts": f"{settings.facts.mode.value} from {settings.facts.source}, {settings.facts.budget} tokens",
            "windows": f"at most {settings.windows.max_tokens} tokens",
            "asked": settings.ask,
            "candidates": f"{settings.candidates}, bias {settings.candidate_bias:g}",
            "examples": str(settings.examples) if self.demonstrations is not None else "none",
            "open bias": f"{settings.open_bias + self.calibration.open_bias:g}",
            "calibration": learned or "none",
        }


def _state(state: WindowState, core: Span, starts: Sequence[int]) -> WindowState:
    """`ok` or `empty` by whether one of the merged document's entities begins where the window answers."""
    if state not in READ_STATES:
        return state
    found = bisect_left(starts, core.start) < bisect_left(starts, core.end)
    return WindowState.OK if found else WindowState.EMPTY
