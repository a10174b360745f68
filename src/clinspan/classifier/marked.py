"""Says attributes of mentions that are given, by an encoder that reads the text with each mention marked in it.

A marker stands before and after every mention of a window, and the encoder's outputs at a mention's first marker are
the values of its attributes. Source of the markers: Baldini Soares et al. 2019, "Matching the Blanks: Distributional
Similarity for Relation Learning". The heading that a window stands under is read before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clinspan.classifier.folder import load, shipped
from clinspan.classifier.model import Encoded, TokenClassifier, after
from clinspan.classifier.scheme import AttributeHead
from clinspan.document import Document, Span
from clinspan.errors import InputError
from clinspan.labels import LabelSet
from clinspan.text.sentences import Section, section_of, sections
from clinspan.text.windows import WindowSettings, windows

OPEN, CLOSE = "[unused1]", "[unused2]"
"""Tokens that vocabularies in BERT's manner keep for such uses."""
WINDOWS = WindowSettings(max_tokens=128, overlap_sentences=2)
NEAR = WindowSettings(max_tokens=64, overlap_sentences=1)
"""For some of a document's mentions. On development notes and traps as right as with `WINDOWS`, and a third of the
tokens are read."""
_LONGEST_HEADING = 12
_TOGETHER = 32


@dataclass(frozen=True, slots=True)
class Marked:
    """A window as the encoder reads it.

    Attributes:
        ids: of its tokens, markers included.
        mentions: for each mention in it its number in the document, and the index of its first marker in `ids`.
    """

    ids: list[int]
    mentions: tuple[tuple[int, int], ...]


class Asserter:
    """An encoder that says attributes of mentions that are given, whoever found them.

    Args:
        classifier: has no heads, and an output for each value of its attributes.
        labels: say which labels have which attributes; one whose values are others than the encoder's is left out.
        name: as cards and summaries show it.

    Raises:
        ModelError: when its vocabulary has no tokens to mark with.
    """

    def __init__(self, classifier: TokenClassifier, labels: LabelSet, *, name: str = "asserter") -> None:
        self.classifier, self.name = classifier, name
        known = {attribute.name: attribute for attribute in classifier.attributes}
        self._heads = {
            label.name: tuple(
                known[own.name]
                for own in label.attributes
                if own.name in known and set(own.value_names) <= set(known[own.name].values)
            )
            for label in labels.labels
        }
        self._markers = classifier.token_id(OPEN), classifier.token_id(CLOSE)

    @classmethod
    def opened(cls, folder: Path, labels: LabelSet, *, threads: int | None = None) -> "Asserter":
        """The encoder in a folder, as `tools/asserter.py` and `clinspan export-encoder` write it.

        Args:
            threads: see `classifier.folder.load`.

        Raises:
            InputError: when it is an encoder of another kind.
            ClinspanError: see `classifier.folder.load`.
        """
        card, classifier = load(folder, threads=threads)
        if not card.marked:
            raise InputError("finds mentions; it cannot say attributes of mentions that are marked", where=str(folder))
        return cls(classifier, labels, name=card.name)

    @property
    def knows(self) -> bool:
        """Whether a label has an attribute that it says."""
        return any(self._heads.values())

    def __call__(
        self, document: Document, among: Sequence[int] | None = None
    ) -> Sequence[Mapping[str, tuple[str, float]]]:
        """For each entity of the document the attributes of its label, each with its probability; see `Reads`.

        An entity that overlaps no token gets none.

        Args:
            among: the numbers of those that are read, each in little of its text; the others get none.
        """
        said: list[dict[str, tuple[str, float]]] = [{} for _ in document.entities]
        known = [number for number, entity in enumerate(document.entities) if self._heads.get(entity.label)]
        asked = known if among is None else sorted(set(known) & set(among))
        spans = [document.entities[number].span for number in asked]
        cut = WINDOWS if len(asked) == len(known) else NEAR
        shown = sorted(self.windows(document.text, spans, cut), key=lambda one: len(one.ids))
        for at in range(0, len(shown), _TOGETHER):
            part = shown[at : at + _TOGETHER]
            for window, outputs in zip(part, self.classifier.outputs([one.ids for one in part]), strict=True):
                for number, marker in window.mentions:
                    label = document.entities[asked[number]].label
                    for head in self._heads[label]:
                        said[asked[number]][head.name] = _likeliest(head, outputs[marker])
        return said

    def windows(self, text: str, spans: Sequence[Span], settings: WindowSettings = WINDOWS) -> Iterator[Marked]:
        """The windows of a text that mentions begin in, each with all of its mentions marked.

        A mention that goes on after its window's end is marked up to there.
        """
        if not spans:
            return
        parts = sections(text)
        for window in windows(text, settings, count=self.classifier.count_tokens):
            core, shown = window.core, window.span
            answered = [n for n, span in enumerate(spans) if core.start <= span.start < core.end]
            if not answered:
                continue
            beside = [n for n, span in enumerate(spans) if shown.start <= span.start < core.start]
            encoded = self.classifier.encode(shown.of(text))
            heading = self._heading(text, section_of(parts, shown.start))
            ids, places = self.mark(after(heading, encoded), [spans[n].shift(-shown.start) for n in beside + answered])
            ids = ids[: self.classifier.context]
            own = zip(answered, places[len(beside) :], strict=True)
            yield Marked(ids, tuple((n, place) for n, place in own if place is not None and place < len(ids)))

    def _heading(self, text: str, section: Section | None) -> list[int]:
        return [] if section is None else self.classifier.tokens(section.heading.of(text))[:_LONGEST_HEADING]

    def mark(self, window: Encoded, spans: Sequence[Span]) -> tuple[list[int], list[int | None]]:
        """The window's ids with markers around spans, and the index of each span's first marker.

        Args:
            spans: in the window's text; they may overlap.

        Returns:
            None in the place of a span without a token.
        """
        ids, units = window
        begins: list[tuple[int, int, int]] = []
        ends: list[int] = []
        for number, span in enumerate(spans):
            covered = [i for i, unit in enumerate(units) if unit.token is not None and unit.span.overlaps(span)]
            if not covered:
                continue
            following = (unit.token for unit in units[covered[-1] + 1 :] if unit.token is not None)
            end = next(following, len(ids) - 1)
            begins.append((units[covered[0]].token or 0, -end, number))
            ends.append(end)
        opening: dict[int, list[int]] = {}
        for place, _, number in sorted(begins):
            opening.setdefault(place, []).append(number)
        made: list[int] = []
        places: list[int | None] = [None] * len(spans)
        for at, token in enumerate(ids):
            made += [self._markers[1]] * ends.count(at)
            for number in opening.get(at, ()):
                places[number] = len(made)
                made.append(self._markers[0])
            made.append(token)
        return made, places


def _likeliest(head: AttributeHead, outputs: NDArray[np.float32]) -> tuple[str, float]:
    row = outputs[head.first : head.end].astype(np.float64)
    shares = np.exp(row - np.logaddexp.reduce(row))
    best = int(shares.argmax())
    return head.values[best], min(1.0, float(shares[best]))


def for_assertion() -> Path | None:
    """The folder of the asserter that comes with clinspan."""
    return next((folder for folder, card in shipped() if card.marked), None)
