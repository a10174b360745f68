"""Gold documents for the commands that tune."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from clinspan.corpora.pubtator import NCBI_LABELS
from clinspan.errors import ConfigError
from clinspan.labels import LabelSet
from clinspan.tuning.corpora import Gold, read


def read_gold(path: Path, labels: LabelSet, names: Mapping[str, str], *, strict: bool = True) -> Gold:
    """A gold file or folder, NCBI-disease's own labels under the set's names; see `tuning.corpora.read`."""
    known = {old: new for old, new in NCBI_LABELS.items() if new in labels} | dict(names)
    return read(path, labels, names=known, strict=strict)


def renamed(pairs: Sequence[str]) -> dict[str, str]:
    """New names for labels, from OLD=NAME.

    Raises:
        ConfigError: when one is not that.
    """
    split = [pair.partition("=") for pair in pairs]
    for pair, (old, _, new) in zip(pairs, split, strict=True):
        if not old or not new:
            raise ConfigError(f"--map {pair}", expected="OLD=NAME")
    return {old: new for old, _, new in split}


def label_sets(names: Sequence[str], corpora: int) -> list[LabelSet]:
    """One label set for each of so many corpora.

    Raises:
        ConfigError: when there are neither one nor as many.
    """
    if len(names) not in (1, corpora):
        raise ConfigError(f"{corpora} --examples and {len(names)} --labels", expected="one --labels, or as many")
    sets = [LabelSet.load(name) for name in names]
    return sets * corpora if len(sets) == 1 else sets
