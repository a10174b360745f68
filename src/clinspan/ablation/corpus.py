"""The gold documents of a plan: read, cut into sentences where it says so, and drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from clinspan.ablation.plan import Plan, Source
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ConfigError, InputError, LabelError, did_you_mean
from clinspan.evaluation.match import checksum
from clinspan.examples.build import temporary
from clinspan.examples.pool import Pool
from clinspan.examples.store import is_pool, sentences
from clinspan.labels import LabelSet


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the cells are measured on.

    Attributes:
        documents: with gold entities, in the order in which they are tagged: by lot, so that the first of them are a
            fair sample of all.
        of: how many there are to draw from.
        checksum: of the drawn documents' texts and entities.
        whole: the checksum of all that there are.
        problems: what is wrong in the file and was left out, as was asked for.
    """

    documents: tuple[Document, ...]
    of: int
    checksum: str
    whole: str
    problems: tuple[InputError, ...] = ()


def read_corpus(plan: Plan, labels: LabelSet, limit: int | None = None) -> Corpus:
    """The plan's documents.

    A larger limit gives what a smaller one gives, and more.

    Args:
        limit: in place of the plan's own.

    Raises:
        ConfigError: when the limit is larger than the corpus.
        InputError: when they cannot be read, or there is none.
        LabelError: when they have a label that is neither in the set nor to be ignored.
    """
    problems: list[InputError] = []
    documents = list(gold(plan.gold, labels, problems))
    if plan.unit == "sentence":
        documents = [sentence for document in documents for sentence in sentences(document)]
    if not documents:
        raise InputError("holds no document", where=str(plan.gold.path))
    wanted = limit or plan.limit
    if wanted is not None and wanted > len(documents):
        raise ConfigError(
            f"{wanted} {plan.unit}s are wanted of {plan.gold.path.name}", expected=f"at most {len(documents)}"
        )
    whole = checksum(documents)
    Random(plan.seed).shuffle(documents)
    drawn = tuple(documents[:wanted])
    return Corpus(drawn, len(documents), checksum(drawn), whole, tuple(problems))


def gold(source: Source, labels: LabelSet, problems: list[InputError]) -> Iterator[Document]:
    """Annotated documents with entities of the label set alone.

    Args:
        problems: takes what is left out.

    Raises:
        InputError: when one cannot be read and the source is not lenient.
        LabelError: when a label is neither in the set nor to be ignored.
    """
    naming = Naming(labels.names, source.names, source.ignored)
    found = read_gold([source.path], naming, format=source.format, lenient=source.lenient)
    fix = "Or leave it out with `lenient = true`."
    for document in sound(found, problems if source.lenient else None, fix=fix):
        if entity := naming.outside(document):
            raise LabelError(
                f"document {document.id!r} has the label {entity.label!r}, which {labels.name!r} lacks",
                where=str(source.path),
                fix=f"{did_you_mean(entity.label, labels.names)} Rename it with `map`, or leave it out with `ignore`.",
            )
        yield document


@dataclass(frozen=True, slots=True)
class Examples:
    """The pool of a plan.

    Attributes:
        pool: what prompts show.
        documents: where the pool is of documents that were read for it; else none.
    """

    pool: Pool
    documents: tuple[Document, ...] = ()


def read_pool(source: Source, labels: LabelSet, problems: list[InputError]) -> Examples:
    """A pool, or one made of annotated documents for as long as it is used; see `gold`."""
    if is_pool(source.path):
        return Examples(Pool.open(source.path))
    documents = tuple(gold(source, labels, problems))
    return Examples(temporary(documents, labels=labels.names), documents)
