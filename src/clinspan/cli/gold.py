"""Gold documents for the commands that learn from them or show them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from clinspan.corpora.pubtator import NCBI_LABELS
from clinspan.errors import ConfigError
from clinspan.examples.check import Gate
from clinspan.labels import LabelSet
from clinspan.tuning.corpora import Gold, read


def read_gold(path: Path, labels: LabelSet, names: Mapping[str, str], *, strict: bool = True) -> Gold:
    """A gold file or folder, NCBI-disease's own labels under the set's names; see `tuning.corpora.read`."""
    return read(path, labels, names=names_for(labels, names), strict=strict)


def names_for(labels: LabelSet | None, names: Mapping[str, str]) -> dict[str, str]:
    """What labels are renamed to; the classes of NCBI-disease are one label unless something else is said."""
    usual = {old: new for old, new in NCBI_LABELS.items() if labels is not None and new in labels}
    return usual | dict(names)


def say_left_out(gate: Gate) -> None:
    """Says on standard error what a gate did not let in, and why."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in gate.notes:
        console.print(f"[yellow]left out:[/] {escape(note)}")
    for reason, count in gate.left_out.items():
        console.print(f"{count} documents left out: {reason}")


def label_sets(names: Sequence[str], corpora: int) -> list[LabelSet]:
    """One label set for each of so many corpora.

    Raises:
        ConfigError: when there are neither one nor as many.
    """
    if len(names) not in (1, corpora):
        raise ConfigError(f"{corpora} --examples and {len(names)} --labels", expected="one --labels, or as many")
    sets = [LabelSet.load(name) for name in names]
    return sets * corpora if len(sets) == 1 else sets
