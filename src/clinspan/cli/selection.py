"""The options that say which examples the prompts show."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from clinspan.corpora import catalogue
from clinspan.corpora import inputs as corpora
from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.examples import layout
from clinspan.examples.select.settings import MentionSource, Order, Strategy
from clinspan.pipeline.example_choice import ExampleChoice

EXAMPLES = "The examples in the prompt"

Examples = Annotated[
    Path | None,
    typer.Option(
        help="A pool made by `clinspan examples build`, or annotated documents: what prompts show (with --select), and "
        "which of the dictionary's terms their guideline means.",
        rich_help_panel=EXAMPLES,
    ),
]
Select = Annotated[
    Strategy | None,
    typer.Option(
        help="How examples are chosen for each window: the label set's own (fixed), by lot, by similarity (knn), by "
        "the mentions that the text may hold (entity), similar but unlike each other (diverse), of every label "
        "(balanced). Without it fixed.",
        rich_help_panel=EXAMPLES,
    ),
]
Count = Annotated[int | None, typer.Option("-k", min=0, help="At most so many examples.", rich_help_panel=EXAMPLES)]
ExamplesOrder = Annotated[
    Order | None, typer.Option(help="Their order; the study has the most similar last.", rich_help_panel=EXAMPLES)
]
ExamplesTokens = Annotated[
    int | None,
    typer.Option(min=0, help="Tokens that they may take; the least similar go first.", rich_help_panel=EXAMPLES),
]
ExamplesBy = Annotated[
    str | None,
    typer.Option(
        help="What measures similarity: lexical, or the pool's encoder, which is taken where there is one.",
        rich_help_panel=EXAMPLES,
    ),
]
ExamplesAs = Annotated[
    Literal["turns", "message"] | None,
    typer.Option(
        help="As turns of the chat, or all in the system message, for models whose template allows no such turns.",
        rich_help_panel=EXAMPLES,
    ),
]
SelectSeed = Annotated[int | None, typer.Option(help="Of what is drawn or shuffled.", rich_help_panel=EXAMPLES)]
SelectMentions = Annotated[
    MentionSource | None,
    typer.Option(help="Whose mentions `entity` goes by.", rich_help_panel=EXAMPLES),
]
SelectRelevance = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="For `diverse`: the weight of similarity to the text against variety.",
        rich_help_panel=EXAMPLES,
    ),
]
Teach = Annotated[
    bool,
    typer.Option(
        "--teach/--no-teach",
        help="Whether the examples also teach which of the dictionary's terms are meant.",
        rich_help_panel=EXAMPLES,
    ),
]


def check(chosen: ExampleChoice, given: Path | None) -> None:
    """Refuses what contradicts itself, before anything is opened.

    Raises:
        ConfigError: naming the options.
    """
    if chosen.draws and given is None:
        raise ConfigError(
            f"--select {chosen.strategy} chooses from a pool, and there is none",
            fix="Name one with --examples: a pool's folder, or annotated documents.",
        )
    dependent = (chosen.order, chosen.retriever, chosen.mentions, chosen.relevance)
    if chosen.strategy is None and any(value is not None for value in dependent):
        raise ConfigError("the options of --select are given without it", expected="--select knn, say")


def pool(path: Path | None) -> Path | None:
    """The path of a pool; None where it is that of annotated documents."""
    return path if path is not None and (path / layout.MANIFEST).is_file() else None


def documents(path: Path | None, renamed: Mapping[str, str]) -> tuple[Document, ...]:
    """The annotated documents of a file or folder; none without a path, and none of a pool.

    Raises:
        InputError: when one of them cannot be read.
    """
    if path is None or pool(path) is not None:
        return ()
    return tuple(corpora.strict(catalogue.read(path, labels=renamed)))
