"""What commands open before they begin: gold documents, the examples that are named, and where documents are tagged."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Protocol, TypeVar, get_type_hints

import typer
from rich.console import Console
from rich.markup import escape

from clinspan.cli.evaluate import renamings
from clinspan.corpora import catalogue
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.examples import notes
from clinspan.examples.check import Gate, Rules
from clinspan.examples.selection import Strategy
from clinspan.examples.store import is_pool
from clinspan.labels import LabelSet
from clinspan.runs.cluster import ClusterSettings, RayCluster
from clinspan.runs.folder import TaggerRecipe
from clinspan.tagging.read import Progress
from clinspan.tagging.tagger import Tagger
from clinspan.tuning.gold import Gold, drawn, read, without

_Options = TypeVar("_Options")


def taking(options: type[_Options]) -> Callable[[Callable[[_Options], None]], Callable[..., None]]:
    """Gives a command an option for each field of a dataclass, in place of the one argument that it has."""
    hints = get_type_hints(options, include_extras=True)
    made = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(options)  # type: ignore[arg-type]
    ]

    def take(command: Callable[[_Options], None]) -> Callable[..., None]:
        @wraps(command)
        def called(**given: Any) -> None:
            command(options(**given))

        called.__signature__ = inspect.Signature(made)  # type: ignore[attr-defined]
        return called

    return take


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


class TagMany(Protocol):
    """As `Tagger.tag_many`."""

    def __call__(self, documents: Iterable[Document], *, progress: Progress | None = None) -> Iterator[Document]:
        """Each document with its entities, in order."""
        ...


def check_engine(engine: str, settings: ClusterSettings) -> None:
    """Refuses a cluster's settings when no cluster is used.

    Raises:
        ConfigError: naming the option.
    """
    for option, value in (("address", settings.address), ("workers", settings.workers)):
        if value is not None and engine == "local":
            raise ConfigError(f"--ray-{option} has no use without a cluster", fix="Add --engine ray.")


@contextmanager
def tagging(engine: str, tagger: Tagger, recipe: TaggerRecipe, settings: ClusterSettings) -> Iterator[TagMany]:
    """What tags the documents, in order.

    Args:
        engine: `local` or `ray`.
        tagger: does it in this process.
        recipe: of the same tagger, made anew in each worker.
        settings: of the cluster.

    Raises:
        ClinspanError: when the cluster cannot be had, see `RayCluster`.
    """
    if engine == "local":
        yield tagger.tag_many
        return
    with RayCluster(recipe.anchored(), settings) as cluster:
        yield cluster.tag_many


@contextmanager
def opening(quiet: bool) -> Iterator[None]:
    """Says that model and dictionary are being opened, until they are."""
    console = Console(stderr=True, quiet=quiet)
    if console.is_terminal:
        with console.status("Opening model and dictionary"):
            yield
    else:
        yield


def check_examples(asked: SimpleNamespace) -> None:
    """Refuses options of examples that contradict each other, before anything is opened.

    Raises:
        ConfigError: naming the options.
    """
    given: Path | None = asked.examples
    strategy: Strategy | None = asked.select
    if strategy is not None and strategy.draws_on_pool and given is None:
        raise ConfigError(
            f"--select {strategy} chooses from a pool, and there is none",
            fix="Name one with --examples: a pool's folder, or annotated documents.",
        )
    if given is not None and pool_of(given) is not None and (asked.map or asked.skip_wrong):
        raise ConfigError(
            f"--{'map' if asked.map else 'skip-wrong'} is for annotated documents, and these are a pool already",
            where=str(given),
            fix="Give it to `clinspan examples build`.",
        )
    dependent = (asked.examples_order, asked.examples_by, asked.select_mentions, asked.select_relevance)
    if strategy is None and any(value is not None for value in dependent):
        raise ConfigError("the options of --select are given without it", expected="--select knn, say")


def pool_of(path: Path | None) -> Path | None:
    """The path of a pool, or the name of the one that comes with clinspan; None where it is of annotated documents."""
    return path if path is not None and (notes.is_named(path) or is_pool(path)) else None


def gold_of(asked: SimpleNamespace, labels: LabelSet) -> tuple[Document, ...]:
    """The annotated documents of --examples, checked as for a pool; none of a pool.

    Raises:
        ClinspanError: when one of them has a fault; it names the first of them.
    """
    path: Path | None = asked.examples
    if path is None or pool_of(path) is not None:
        return ()
    gate = Gate(Rules(skip_wrong=asked.skip_wrong))
    found = tuple(gate.admit(read_gold([path], Naming(labels.names, renamings(asked.map or ())), option="")))
    if not asked.quiet:
        say_left_out(gate)
    return found
