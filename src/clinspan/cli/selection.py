"""What `clinspan tag --examples` names: a pool, or annotated documents that are checked as for one."""

from pathlib import Path
from types import SimpleNamespace

from clinspan.cli.evaluate import renamings
from clinspan.cli.gold import say_left_out
from clinspan.corpora.gold import Naming
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.examples.check import Gate, Rules
from clinspan.examples.selection import Strategy
from clinspan.examples.store import is_pool
from clinspan.labels import LabelSet


def check(asked: SimpleNamespace) -> None:
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
    if given is not None and pool(given) is not None and (asked.map or asked.skip_wrong):
        raise ConfigError(
            f"--{'map' if asked.map else 'skip-wrong'} is for annotated documents, and these are a pool already",
            where=str(given),
            fix="Give it to `clinspan examples build`.",
        )
    dependent = (asked.examples_order, asked.examples_by, asked.select_mentions, asked.select_relevance)
    if strategy is None and any(value is not None for value in dependent):
        raise ConfigError("the options of --select are given without it", expected="--select knn, say")


def pool(path: Path | None) -> Path | None:
    """The path of a pool; None where it is that of annotated documents."""
    return path if path is not None and is_pool(path) else None


def documents(asked: SimpleNamespace, labels: LabelSet) -> tuple[Document, ...]:
    """The annotated documents of --examples, checked as for a pool; none of a pool.

    Raises:
        ClinspanError: when one of them has a fault; it names the first of them.
    """
    path: Path | None = asked.examples
    if path is None or pool(path) is not None:
        return ()
    gate = Gate(Rules(skip_wrong=asked.skip_wrong))
    found = tuple(gate.admit(read_gold([path], Naming(labels.names, renamings(asked.map or ())))))
    if not asked.quiet:
        say_left_out(gate)
    return found
