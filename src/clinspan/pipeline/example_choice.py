"""What a user chose about the examples of the prompts."""

from dataclasses import dataclass, replace
from typing import Literal

from clinspan.examples.select.settings import MentionSource, Order, Strategy
from clinspan.pipeline.settings import TagSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleChoice:
    """What the user chose to differ from what suits the LLM; None leaves it."""

    strategy: Strategy | None = None
    k: int | None = None
    order: Order | None = None
    tokens: int | None = None
    retriever: str | None = None
    layout: Literal["turns", "message"] | None = None
    seed: int | None = None
    mentions: MentionSource | None = None
    relevance: float | None = None

    @property
    def draws(self) -> bool:
        """Whether prompts show examples of a pool."""
        return self.strategy is not None and self.strategy.draws_on_pool

    def over(self, settings: TagSettings) -> TagSettings:
        """The settings with the choice put in.

        Raises:
            ConfigError: when a value is none that the setting can have.
        """
        old = settings.examples
        return replace(
            settings,
            prompt=replace(settings.prompt, examples_as=self.layout or settings.prompt.examples_as),
            examples=replace(
                old,
                strategy=self.strategy or old.strategy,
                k=old.k if self.k is None else self.k,
                order=self.order or old.order,
                tokens=old.tokens if self.tokens is None else self.tokens,
                retriever=self.retriever or old.retriever,
                seed=old.seed if self.seed is None else self.seed,
                mentions=self.mentions or old.mentions,
                relevance=old.relevance if self.relevance is None else self.relevance,
            ),
        )
