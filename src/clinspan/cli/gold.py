"""Gold documents as commands name them: the options, and the documents that they give."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from clinspan.cli.evaluate import renamings
from clinspan.corpora import catalogue
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.examples.check import Gate
from clinspan.labels import LabelSet
from clinspan.tuning.corpora import Gold, drawn, read, without


def say_left_out(gate: Gate) -> None:
    """Says on standard error what a gate did not let in, and why."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in gate.notes:
        console.print(f"[yellow]left out:[/] {escape(note)}")
    for reason, count in gate.left_out.items():
        console.print(f"{count} documents left out: {reason}")


def label_sets(names: Sequence[str], corpora: int) -> list[LabelSet]:
    """One label set for each corpus.

    Raises:
        ConfigError: when there are neither one nor as many.
    """
    if len(names) not in (1, corpora):
        raise ConfigError(f"{corpora} --examples and {len(names)} --labels", expected="one --labels, or as many")
    sets = [LabelSet.load(name) for name in names]
    return sets * corpora if len(sets) == 1 else sets


Examples = Annotated[
    list[Path],
    typer.Option("--examples", help="Gold documents to learn from, in any corpus format, or a pool; repeatable."),
]
Labels = Annotated[
    list[str],
    typer.Option(help="What the documents are annotated for, a set or labels.toml: one for all, or one for each."),
]
HoldOut = Annotated[
    list[Path] | None, typer.Option(help="Corpora whose documents are kept out of training; repeatable.")
]
Rename = Annotated[
    list[str] | None, typer.Option("--map", help="OLD=NAME: a corpus's label under another name; repeatable.")
]
Documents = Annotated[
    list[str] | None,
    typer.Option(help="Learn from so many documents of the examples, or a share (25%), drawn by the seed."),
]
KeepEmpty = Annotated[float, typer.Option(help="Share of the windows without a mention that is used.")]
Batch = Annotated[int, typer.Option(help="Windows in one step.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint.")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that has files.")]

From = Annotated[str | None, typer.Option("--from", help=f"The gold's format: {', '.join(catalogue.FORMATS)}.")]
Renamed = Annotated[list[str] | None, typer.Option("--map", help="Rename a gold label, as FROM=TO; may be repeated.")]
Lenient = Annotated[bool, typer.Option("--lenient", help="Leave wrong annotations out and go on.")]


def annotated(
    paths: Sequence[Path],
    labels: LabelSet,
    *,
    format: str | None,
    renamed: Sequence[str] | None,
    lenient: bool,
    limit: int | None = None,
) -> list[Document]:
    """The first `limit` documents of all the gold that a command learns from, or all of them.

    Args:
        labels: that are learned about; others keep their names.
        format: see `From`; so with `renamed` and `lenient`.

    Raises:
        ConfigError: when a renaming is none.
        InputError: when a file cannot be read, or, unless `lenient`, an annotation is wrong.
    """
    read = read_gold(paths, Naming(labels.names, renamings(renamed or ())), format=format, lenient=lenient)
    return list(sound(read, [] if lenient else None, fix="Or go on with --lenient."))[:limit]


@dataclass(frozen=True, slots=True)
class Material:
    """What a run of tuning learns from and what it is validated on.

    Attributes:
        corpora: without the documents that are held out, and no more of them than were asked for.
        held: to validate on, in the order given.
        kept_out: whose documents are not learned from either.
    """

    corpora: tuple[Gold, ...]
    held: tuple[Gold, ...]
    kept_out: tuple[Gold, ...]

    def told(self) -> Iterator[str]:
        """A line for each corpus, and one for each that has faults with the first of them."""
        for corpus in self.corpora:
            yield (
                f"{corpus.name}: {len(corpus.documents)} documents, {corpus.mentions} mentions of "
                f"{', '.join(corpus.labels.names)}; {corpus.left_out} left out"
            )
        for corpus in (*self.corpora, *self.held, *self.kept_out):
            if corpus.faults:
                yield f"{corpus.name}: {len(corpus.faults)} faults passed over, the first: {corpus.faults[0]}"


def gather(
    examples: Sequence[Path],
    labels: Sequence[str],
    *,
    dev: Sequence[Path] = (),
    hold_out: Sequence[Path] = (),
    rename: Sequence[str] = (),
    documents: Sequence[str] = (),
    seed: int,
) -> Material:
    """Reads what the options of a command that tunes name.

    Args:
        examples: gold to learn from.
        labels: a label set for all of them, or one for each.
        dev: gold to validate on, with the labels of the examples in its place.
        hold_out: corpora whose documents are not learned from either.
        rename: OLD=NAME for each label with another name.
        documents: how many of the examples' documents, or which share: one for all corpora or one for each; none: all.
        seed: of the draw.

    Raises:
        ClinspanError: when a corpus cannot be read or the options do not fit together.
    """
    sets, names = label_sets(labels, len(examples)), renamings(rename)
    gold = [read(path, own, names=names) for path, own in zip(examples, sets, strict=True)]
    held = tuple(read(path, sets[min(i, len(sets) - 1)], names=names) for i, path in enumerate(dev))
    others = tuple(read(path, sets[0], names=names, strict=False) for path in hold_out)
    corpora = without(gold, [doc for other in (*held, *others) for doc in other.documents])
    if documents:
        if len(documents) not in (1, len(corpora)):
            raise ConfigError(f"{len(corpora)} --examples and {len(documents)} --documents", expected="one, or as many")
        wanted = list(documents) if len(documents) > 1 else [documents[0]] * len(corpora)
        corpora = tuple(drawn(corpus, some, seed=seed) for corpus, some in zip(corpora, wanted, strict=True))
    return Material(corpora, held, others)
