"""Gold documents for the commands that learn from them or show them."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from clinspan.errors import ConfigError
from clinspan.examples.check import Gate
from clinspan.labels import LabelSet


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
