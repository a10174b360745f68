"""Gold documents for the commands that tune."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinspan.corpora.pubtator import NCBI_LABELS
from clinspan.errors import ConfigError
from clinspan.labels import LabelSet
from clinspan.tuning.corpora import Gold, drawn, read, without


@dataclass(frozen=True, slots=True)
class Material:
    """What a run of tuning learns from and what it is validated on.

    Attributes:
        corpora: without the documents that are held out, and no more of them than were asked for.
        held: to validate on, in the order given.
    """

    corpora: tuple[Gold, ...]
    held: tuple[Gold, ...]

    def told(self) -> Iterator[str]:
        """A line for each corpus."""
        for corpus in self.corpora:
            yield (
                f"{corpus.name}: {len(corpus.documents)} documents, {corpus.mentions} mentions of "
                f"{', '.join(corpus.labels.names)}; {corpus.left_out} left out"
            )


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
    sets, names = label_sets(labels, len(examples)), renamed(rename)
    gold = [read_gold(path, own, names) for path, own in zip(examples, sets, strict=True)]
    held = tuple(read_gold(path, sets[min(i, len(sets) - 1)], names) for i, path in enumerate(dev))
    others = [read_gold(path, sets[0], names, strict=False) for path in hold_out]
    corpora = without(gold, [doc for other in (*held, *others) for doc in other.documents])
    if documents:
        if len(documents) not in (1, len(corpora)):
            raise ConfigError(f"{len(corpora)} --examples and {len(documents)} --documents", expected="one, or as many")
        wanted = list(documents) if len(documents) > 1 else [documents[0]] * len(corpora)
        corpora = tuple(drawn(corpus, some, seed=seed) for corpus, some in zip(corpora, wanted, strict=True))
    return Material(corpora, held)


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
