"""Windows that do not fit into the model's context: asked about in two parts, and those again where they must be."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from clinspan.document import READ_STATES, WindowState
from clinspan.errors import ContextOverflow, LLMError
from clinspan.grounding.merge import WindowEntities, merge
from clinspan.labels import LabelSet
from clinspan.llms.base import LLM, asking
from clinspan.messages import Completion
from clinspan.pipeline import outcome
from clinspan.pipeline.outcome import Outcome
from clinspan.pipeline.question import Question
from clinspan.text.windows import Window, WindowSettings, tokens, windows

log = logging.getLogger(__name__)

SHORTEST = 8
"""Tokens of the text: where so few do not fit, it is the prompt around them that does not."""

# A half and a little more, so that two parts with an overlap hold the whole.
_PART = 0.6

Ask = Callable[[Window, LabelSet], Question | None]
Read = Callable[[str, Question, Completion | LLMError], Outcome]


@dataclass(frozen=True, slots=True)
class Halves:
    """Asks about parts of a window, cut between sentences, else between words.

    Attributes:
        llm: is asked, while the results of other requests wait: windows that do not fit are to be rare.
        settings: how the document was cut.
        ask: the question about a part; None where the part needs no call.
        read: what an answer says.
    """

    llm: LLM
    settings: WindowSettings
    ask: Ask
    read: Read

    def of(self, window: Window, text: str, labels: LabelSet, fault: ContextOverflow) -> Outcome:
        """What the parts of a window say together, in the window's own offsets.

        Args:
            window: that did not fit.
            text: of its document.
            labels: what was asked for.
            fault: what the LLM said to the whole.
        """
        shown = window.span.of(text)
        parts = self._cut(shown)
        if len(parts) < 2:
            detail = f"the window does not fit into the model's context, not even in parts: {fault}"
            return Outcome(WindowState.OVER_BUDGET, detail=detail)
        log.warning("a window did not fit into the model's context and is asked about in parts: %s", fault)
        at = window.span.start
        placed = [Window(window.index, part.span.shift(at), part.core.shift(at)) for part in parts]
        questions = [self.ask(part, labels) for part in placed]
        with asking(self.llm, (question.request for question in questions if question is not None)) as answers:
            read = [
                outcome.UNASKED if question is None else self._read(part, text, question, next(answers))
                for part, question in zip(placed, questions, strict=True)
            ]
        return _joined(parts, read)

    def _cut(self, shown: str) -> tuple[Window, ...]:
        size = len(tokens(shown))
        if size <= SHORTEST:
            return ()
        most = max(4, int(size * _PART))
        settings = WindowSettings(
            max_tokens=most,
            overlap_sentences=min(1, self.settings.overlap_sentences),
            longest_mention=self.settings.longest_mention,
        )
        return windows(shown, settings)

    def _read(self, part: Window, text: str, question: Question, answer: Completion | LLMError) -> Outcome:
        if isinstance(answer, ContextOverflow):
            return self.of(part, text, question.labels, answer)
        return self.read(part.span.of(text), question, answer)


def _joined(parts: tuple[Window, ...], read: list[Outcome]) -> Outcome:
    whole = outcome.join(read)
    entities = merge(
        [
            WindowEntities(
                part.span,
                part.core,
                tuple(entity.shift(part.span.start) for entity in result.entities),
                read=result.state in READ_STATES,
            )
            for part, result in zip(parts, read, strict=True)
        ]
    )
    return Outcome(whole.state, entities, whole.detail, whole.unread, whole.repairs)
