"""What `clinspan tag` opens before it reads a note: the examples that are named, and where documents are tagged."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

from rich.console import Console

from clinspan.cli.evaluate import renamings
from clinspan.cli.gold import say_left_out
from clinspan.corpora.gold import Naming
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.examples import notes
from clinspan.examples.check import Gate, Rules
from clinspan.examples.selection import Strategy
from clinspan.examples.store import is_pool
from clinspan.labels import LabelSet
from clinspan.runs.cluster import ClusterSettings, RayCluster
from clinspan.tagging.recipe import TaggerRecipe
from clinspan.tagging.summary import Progress
from clinspan.tagging.tagger import Tagger


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
    found = tuple(gate.admit(read_gold([path], Naming(labels.names, renamings(asked.map or ())))))
    if not asked.quiet:
        say_left_out(gate)
    return found
