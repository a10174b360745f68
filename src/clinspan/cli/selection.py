"""The options that say which examples the prompts show."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from clinspan.cli.evaluate import renamings
from clinspan.cli.gold import say_left_out
from clinspan.corpora.gold import Naming
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.examples.check import Gate, Rules
from clinspan.examples.selection import MentionSource, Order, Strategy
from clinspan.examples.store import is_pool
from clinspan.labels import LabelSet
from clinspan.tagging.settings import ExampleChoice

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
Rename = Annotated[
    list[str] | None,
    typer.Option("--map", help="Rename a label of the examples: FROM=TO.", rich_help_panel=EXAMPLES),
]
SkipWrong = Annotated[
    bool,
    typer.Option(
        "--skip-wrong",
        help="Leave out examples' documents with a fault instead of stopping.",
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


def check(chosen: ExampleChoice, given: Path | None, *, renamed: Sequence[str] = (), skip_wrong: bool = False) -> None:
    """Refuses what contradicts itself, before anything is opened.

    Args:
        chosen: how examples are chosen.
        given: a pool, or annotated documents.
        renamed: new names for labels.
        skip_wrong: whether documents with a fault are left out.

    Raises:
        ConfigError: naming the options.
    """
    if chosen.draws and given is None:
        raise ConfigError(
            f"--select {chosen.strategy} chooses from a pool, and there is none",
            fix="Name one with --examples: a pool's folder, or annotated documents.",
        )
    if given is not None and pool(given) is not None and (renamed or skip_wrong):
        raise ConfigError(
            f"--{'map' if renamed else 'skip-wrong'} is for annotated documents, and these are a pool already",
            where=str(given),
            fix="Give it to `clinspan examples build`.",
        )
    dependent = (chosen.order, chosen.retriever, chosen.mentions, chosen.relevance)
    if chosen.strategy is None and any(value is not None for value in dependent):
        raise ConfigError("the options of --select are given without it", expected="--select knn, say")


def pool(path: Path | None) -> Path | None:
    """The path of a pool; None where it is that of annotated documents."""
    return path if path is not None and is_pool(path) else None


def documents(
    path: Path | None, labels: LabelSet, renamed: Sequence[str], *, skip_wrong: bool, quiet: bool
) -> tuple[Document, ...]:
    """The annotated documents of a file or folder, checked as for a pool; none without a path, and none of a pool.

    Args:
        path: a pool's, or theirs.
        labels: what the run asks for; documents may have others, too.
        renamed: new names for labels, as FROM=TO.
        skip_wrong: leaves out documents with a fault.
        quiet: says nothing of those that are left out.

    Raises:
        ClinspanError: when one of them has a fault; it names the first of them.
    """
    if path is None or pool(path) is not None:
        return ()
    gate = Gate(Rules(skip_wrong=skip_wrong))
    found = tuple(gate.admit(read_gold([path], Naming(labels.names, renamings(renamed)))))
    if not quiet:
        say_left_out(gate)
    return found
