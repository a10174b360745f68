"""What was chosen for a text, and what was left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Chosen:
    """One example.

    Attributes:
        index: its place in the pool.
        similarity: to the text, as the retriever measures it.
        why: what brought it in, in words.
    """

    index: int
    similarity: float
    why: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The examples of one prompt.

    Attributes:
        chosen: in the order in which they are shown.
        over_budget: examples left out for the setting `tokens`.
        no_room: examples left out since the model's context has no room for them.
        unshowable: examples passed over since the answer's format cannot write their entities.
        refused: by reason, examples passed over since they come from the text's own document.
    """

    chosen: tuple[Chosen, ...] = ()
    over_budget: int = 0
    no_room: int = 0
    unshowable: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
