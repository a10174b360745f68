"""Makes the requests about a window: facts, examples, chat and constraint."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

from clinspan import formats
from clinspan.examples.near import Near
from clinspan.examples.pool import Pool
from clinspan.formats.base import Format
from clinspan.formats.named import asked_of
from clinspan.labels import Example, LabelSet
from clinspan.llms.base import LLM
from clinspan.messages import Candidate, Completion, CopyConstraint, Message, Request
from clinspan.prompt import build
from clinspan.tagging.demonstrations import Demonstrations, markup
from clinspan.tagging.knowledge import Lookup, Proposed
from clinspan.tagging.read import Question, Remark, Stopwatch, Times
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.stream import Underway
from clinspan.text.windows import CountTokens, Window


@dataclass(slots=True)
class Sharing:
    """Counts that grow with every request and answer, of all threads together.

    The share is measured on the rendered messages, in their order, whatever cache there is; the cached tokens are what
    the LLM itself reports.

    Attributes:
        count: the model's own tokenizer.
        tokens: of all messages.
        shared: of these, those that stand at the start of the request before, too.
        prompt_tokens, cached_tokens: as the LLM counts them.
    """

    count: CountTokens
    tokens: int = 0
    shared: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    _before: list[tuple[Message, int]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def ask(self, messages: Sequence[Message]) -> None:
        """The next request."""
        with self._lock:
            now: list[tuple[Message, int]] = []
            alike = True
            for message, (before, size) in zip(messages, self._padded(), strict=False):
                if alike and message == before:
                    self.shared += size
                    now.append((message, size))
                    continue
                if alike and before is not None and message.role == before.role:
                    self.shared += self.count(_start(message.content, before.content))
                alike = False
                now.append((message, self.count(message.content)))
            self.tokens += sum(size for _, size in now)
            self._before = now

    def answered(self, completion: Completion) -> None:
        """What the LLM counted."""
        with self._lock:
            self.prompt_tokens += completion.prompt_tokens
            self.cached_tokens += completion.cached_tokens

    def remarks(self) -> Iterator[Remark]:
        """What a summary says."""
        if self.tokens:
            shared = f"{self.shared / self.tokens:.0%} were shared with the previous prompt"
            yield Remark("prompt tokens", f"{self.tokens:,}, of which {shared}")
        if self.prompt_tokens and self.cached_tokens:
            said = f"{self.cached_tokens:,} of {self.prompt_tokens:,} ({self.cached_tokens / self.prompt_tokens:.0%})"
            yield Remark("taken from a cache", said)

    def _padded(self) -> Iterator[tuple[Message | None, int]]:
        yield from self._before
        while True:
            yield None, 0


def _start(first: str, second: str) -> str:
    """What two texts have in common from their first character on."""
    same = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    return first[: min(len(first), len(second)) if same is None else same]


class Counts:
    """What is counted of a tagger's prompts, and the examples that they show; shared by all threads.

    Args:
        model: counts tokens; None where nothing is asked.
        before: counts of the same tagger before its model was wrapped: the same examples are shown.
    """

    def __init__(
        self,
        model: LLM | None,
        *,
        labels: LabelSet,
        form: Format,
        settings: TagSettings,
        examples: Pool | None,
        before: "Counts | None" = None,
    ):
        self._model, self._labels, self._form = model, settings.prompt.asked(labels), form
        self._settings, self._examples = settings, examples
        self._before = before._shown if before is not None else None
        self._lock = Lock()
        self._shown: Demonstrations | None = None
        # An encoder reads the window alone: there is no prompt to share.
        prompted = model is not None and model.traits.kind != "encoder"
        self.sharing = Sharing(model.count_tokens) if model is not None and prompted else None

    def demonstrations(self) -> Demonstrations | None:
        """The examples that the prompts show, looked up when they are first needed; None where they show none.

        Raises:
            ConfigError: when the settings ask for what the pool cannot give.
        """
        settings, prompt = self._settings.examples, self._settings.prompt
        # A model tuned on the brief prompt was shown no examples; it is shown those that the user asks for.
        if self._model is None or (prompt.style == "brief" and not settings.strategy.draws_on_pool):
            return None
        with self._lock:
            if self._shown is None and self._before is not None:
                self._shown = self._before.counting(self._model.count_tokens)
            elif self._shown is None:
                self._shown = Demonstrations(
                    settings,
                    prompt=prompt,
                    labels=self._labels,
                    form=self._form,
                    count=self._model.count_tokens,
                    pool=self._examples,
                )
            return self._shown


_LEAST_ANSWER = 64
_ANSWER_WITH_ATTRIBUTES = 2
"""How much longer an answer may be that says attributes too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Asks the same of the same window.

    Attributes:
        llm: will be asked; counts tokens here.
        labels: what is asked for, with the attributes that are.
        form: how it is to answer.
        settings: how the stages work together.
        open_bias: the settings' own with what was learned.
        lookup: ranks facts.
        demonstrations: the examples that the prompts show; None where they show none.
        sharing: is told of each chat.
    """

    llm: LLM
    labels: LabelSet
    form: Format
    settings: TagSettings
    open_bias: float
    lookup: Lookup
    demonstrations: Demonstrations | None
    sharing: Sharing | None

    def questions(self, underway: Underway, window: Window, listed: Proposed) -> tuple[Question, ...]:
        """What is asked about a window; nothing where no entity is possible.

        Args:
            underway: its document.
            window: a window of it, or a part of one.
            listed: what the LLM listed for it before.
        """
        text, knowledge, place, times = underway.document.text, underway.knowledge, window.span, underway.times
        lap = Stopwatch()
        candidates = knowledge.candidates(place)
        if self.settings.ask == "candidates" and not candidates:
            return ()
        if underway.doubtful is not None and window.index not in underway.doubtful:
            return ()
        matches = [*knowledge.matches_in(place), *listed.matches]
        proposals = knowledge.proposals_within(place)
        facts = self.lookup.facts(matches, proposals, self.settings.facts, self.llm.count_tokens)
        times.dictionary += lap()
        near = underway.nearby.of(window) if underway.nearby is not None else None
        times.retrieval += lap()
        return tuple(
            Question(self._request(place.of(text), labels, facts, _of(candidates, labels), near, times), labels)
            for labels in formats.split(self.form, self.labels)
        )

    def _request(
        self,
        text: str,
        labels: LabelSet,
        facts: Sequence[str],
        candidates: Sequence[Candidate],
        near: Near | None,
        times: Times,
    ) -> Request:
        lap = Stopwatch()
        share = self.settings.answer_tokens * (_ANSWER_WITH_ATTRIBUTES if asked_of(labels) else 1)
        room = _LEAST_ANSWER + round(share * self.llm.count_tokens(text))
        if self.demonstrations is None:
            messages = self._chat(text, labels, facts)
        else:
            left = self._left(text, labels, facts, room)
            times.prompt += lap()
            mentions = [candidate.span.of(text) for candidate in candidates]
            examples = self.demonstrations.choose(near, labels, mentions=mentions, room=left)
            times.retrieval += lap()
            messages = self._chat(text, labels, facts, examples)
        if self.sharing is not None:
            self.sharing.ask(messages)
        constraint = None
        if self.form.repeats_text:
            constraint = CopyConstraint(
                text,
                labels.names,
                candidates=tuple(candidates),
                candidate_mode=self.settings.candidates,
                open_bias=self.open_bias,
                candidate_bias=self.settings.candidate_bias,
                attributes=asked_of(labels),
                consider=self.settings.consider,
            )
        request = Request(messages, room, constraint, self.form.json_schema(labels))
        times.prompt += lap()
        return request

    def _chat(
        self, text: str, labels: LabelSet, facts: Sequence[str], examples: Sequence[Example] = ()
    ) -> tuple[Message, ...]:
        return build(text, labels=labels, form=self.form, examples=examples, facts=facts, settings=self.settings.prompt)

    def _left(self, text: str, labels: LabelSet, facts: Sequence[str], room: int) -> int | None:
        """Tokens of the context that a chat without examples and its answer leave; None where it is not known."""
        if self.llm.context is None:
            return None
        bare = self._chat(text, labels, facts)
        taken = sum(self.llm.count_tokens(message.content) for message in bare) + markup(len(bare)) + room
        return max(0, self.llm.context - taken)


def _of(candidates: Sequence[Candidate], labels: LabelSet) -> tuple[Candidate, ...]:
    """The candidates with those of their labels that are asked for."""
    asked = ((c.span, tuple(label for label in c.labels if label in labels)) for c in candidates)
    return tuple(Candidate(span, names) for span, names in asked if names)
