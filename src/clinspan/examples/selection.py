"""What the user can set about the examples of a prompt, and what was chosen for one text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from clinspan.errors import ConfigError


class Strategy(StrEnum):
    """How the examples of a text are found."""

    NONE = "none"
    """No examples."""
    FIXED = "fixed"
    """The label set's own, the same for every text."""
    RANDOM = "random"
    """Drawn from the pool for each text, by seed and text alone: the control."""
    RANDOM_ONCE = "random-once"
    """Drawn from the pool once, so that every prompt of a run begins alike."""
    KNN = "knn"
    """Those most similar to the text."""
    ENTITY = "entity"
    """Those with mentions like the ones the text may hold, then the most similar."""
    DIVERSE = "diverse"
    """Similar to the text and unlike each other (maximal marginal relevance)."""
    BALANCED = "balanced"
    """The most similar of each label, and of those without an entity, in turn."""

    @property
    def draws_on_pool(self) -> bool:
        """False where no pool is needed."""
        return self not in (Strategy.NONE, Strategy.FIXED)


class Order(StrEnum):
    """In which order the chosen examples stand before the question."""

    SIMILAR_LAST = "similar-last"
    """The most similar next to the question, as in the study."""
    SIMILAR_FIRST = "similar-first"
    SHUFFLED = "shuffled"
    """By seed and text."""
    POOL = "pool"
    """As in the pool, so that prompts with the same first examples begin alike."""


class MentionSource(StrEnum):
    """Where `Strategy.ENTITY` takes the mentions from that a text may hold."""

    DICTIONARY = "dictionary"
    """The dictionary's proposals."""
    POOL = "pool"
    """The pool's own mentions that stand in the text."""
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectSettings:
    """How examples are chosen.

    Attributes:
        k: at most this many examples; the study takes 16.
        tokens: at most this many tokens for all examples together, by the model's own tokenizer; None for as many as
            fit into its context. Those furthest down the ranking are left out first.
        retriever: what measures similarity: `lexical`, or the name of the pool's encoder; None for the encoder where
            the pool has one.
        seed: random seed for drawing and shuffling examples.
        relevance: for `diverse`, the weight of being similar to the text, in [0, 1]; the rest is the weight of being
            unlike the examples chosen before.
        resembles: an example below this similarity does not resemble its text, and a text with no example above it is
            warned about; None for a figure measured on the pool itself (`tally.usual_similarity`).
    """

    strategy: Strategy = Strategy.FIXED
    k: int = 16
    order: Order = Order.SIMILAR_LAST
    tokens: int | None = None
    retriever: str | None = None
    seed: int = 0
    relevance: float = 0.7
    mentions: MentionSource = MentionSource.BOTH
    resembles: float | None = None

    def __post_init__(self) -> None:
        if self.k < 0:
            raise ConfigError(f"k is {self.k}", where="examples", expected="0 or more")
        if self.tokens is not None and self.tokens < 0:
            raise ConfigError(f"tokens is {self.tokens}", where="examples", expected="0 or more")
        if not 0.0 <= self.relevance <= 1.0:
            raise ConfigError(f"relevance is {self.relevance}", where="examples", expected="a number from 0 to 1")

    def __str__(self) -> str:
        if self.strategy is Strategy.NONE:
            return "none"
        if self.strategy is Strategy.FIXED:
            return "the label set's own"
        budget = f", {self.tokens} tokens" if self.tokens is not None else ""
        return f"{self.k} by {self.strategy.value}, {self.order.value}{budget}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One example.

    Attributes:
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
