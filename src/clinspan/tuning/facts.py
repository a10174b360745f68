"""What the dictionary tells a model in training: the facts that the tagger will tell it afterwards."""

from collections.abc import Sequence

from clinspan.dictionary.store import Dictionary
from clinspan.document import Document, Span
from clinspan.labels import LabelSet
from clinspan.tagging.knowledge import Knowledge, Lookup
from clinspan.tagging.settings import TOLD
from clinspan.text.windows import CountTokens


class Facts:
    """The facts of windows, looked up in whole documents as the tagger does.

    Args:
        dictionary: whose proposals are told.
        count: the tokens of a line for the model that is tuned.
    """

    def __init__(self, dictionary: Dictionary, count: CountTokens):
        self._dictionary = dictionary
        self._count = count
        self._lookups: dict[tuple[str, ...], Lookup] = {}
        self._last: tuple[tuple[str, ...], str, Knowledge] | None = None

    def __call__(self, document: Document, window: Span, labels: LabelSet) -> Sequence[str]:
        """The lines for one window when `labels` are asked for; `window` in the document's offsets."""
        names, text = labels.names, document.text
        lookup = self._lookups.setdefault(names, Lookup(self._dictionary, labels))
        if self._last is None or self._last[:2] != (names, text):
            self._last = (names, text, lookup.knowledge(text, matches=False))
        return lookup.facts((), self._last[2].proposals_within(window), TOLD.facts, self._count)
