"""Gold documents to tune on, with the labels each corpus was annotated for kept apart, and what must be left out."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import regex

from clinspan import codec
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.document import Document
from clinspan.errors import ConfigError, InputError, LabelError, did_you_mean
from clinspan.examples.pool import Pool
from clinspan.examples.store import is_pool, rejoined
from clinspan.labels import LabelSet


@dataclass(frozen=True, slots=True)
class Gold:
    """A corpus and the labels that it marks completely.

    Two corpora with a label of one name may still mean different things by it; what tells them apart in training is
    the label set that each is asked with.

    Attributes:
        documents: with entities of these labels alone.
        sha256: of its file; of its documents where they are a pool's.
        left_out: how many of its documents are not used, since they are held out elsewhere or come twice.
        faults: the annotations that are wrong and the documents that cannot be read, none of which are among these.
        same_document: gives the ids of the documents that are one of this id and text, or nearly; None where the
            documents are whole, so that texts can be compared.
    """

    name: str
    documents: tuple[Document, ...]
    labels: LabelSet
    sha256: str
    left_out: int = 0
    faults: tuple[InputError, ...] = ()
    same_document: Callable[[str, str], frozenset[str]] | None = field(default=None, compare=False, repr=False)

    @property
    def mentions(self) -> int:
        """Entities in all documents."""
        return sum(len(doc.entities) for doc in self.documents)


def read(path: Path, labels: LabelSet, *, names: Mapping[str, str] | None = None, strict: bool = True) -> Gold:
    """Reads a gold file or folder; a wrong annotation is left out and kept in `Gold.faults`.

    Args:
        strict: a label outside the set is an error, and so is a file without entities; else they are passed over.

    Raises:
        InputError: when it cannot be read or holds no entity.
        LabelError: when it has a label that is not in the set, or is a pool that was not annotated for one in the set.
    """
    pool = Pool.open(path) if is_pool(path) else None
    naming = Naming(labels.names, names or {})
    if pool is not None and strict:
        _check_labels(pool, labels, naming)
    results = (
        (naming.named(document) for document in rejoined(pool)) if pool else read_gold([path], naming, lenient=True)
    )
    documents: list[Document] = []
    faults: list[InputError] = []
    for found in sound(results, faults, fix=""):
        if strict and (entity := naming.outside(found)):
            raise LabelError(
                f"document {found.id!r} has the label {entity.label!r}, which {labels.name!r} lacks",
                where=str(path),
                fix=f"{did_you_mean(entity.label, labels.names)} Rename it with --map {entity.label}=NAME.",
            )
        documents.append(naming.within(found))
    if strict and not any(doc.entities for doc in documents):
        raise InputError("holds no annotated document", where=str(path), expected="gold entities to learn from")
    return Gold(
        path.name,
        tuple(documents),
        labels,
        _sha256(path) if pool is None else _sha256_of(documents),
        faults=tuple(faults),
        same_document=pool.same_document if pool is not None else None,
    )


def _check_labels(pool: Pool, labels: LabelSet, naming: Naming) -> None:
    marked = {naming.name(name) for name in pool.labels}
    lacking = [name for name in labels.names if name not in marked]
    if lacking:
        raise LabelError(
            f"the pool was not annotated for {lacking[0]!r}, and would teach that there is none",
            where=str(pool.info.path),
            expected=f"a label set of {', '.join(pool.labels)}",
            fix=f"Name the set that it was annotated for, or rename a label of the pool with --map OLD={lacking[0]}.",
        )


def without(corpora: Sequence[Gold], held_out: Iterable[Document]) -> tuple[Gold, ...]:
    """The corpora without the held-out documents, and with each document once for each set of labels.

    A document is held out when its id, or its text but for case and punctuation, is that of a held-out one; one of a
    pool, which may lack windows, when its text is nearly so.
    """
    held = list(held_out)
    ids, texts = {doc.id for doc in held}, {_bare(doc.text) for doc in held}
    result: list[Gold] = []
    seen: dict[frozenset[str], set[str]] = {}
    for gold in corpora:
        kept: list[Document] = []
        known = seen.setdefault(frozenset(gold.labels.names), set())
        alike = gold.same_document
        out = ids if alike is None else ids.union(*(alike(doc.id, doc.text) for doc in held))
        for doc in gold.documents:
            text = _bare(doc.text)
            if doc.id not in out and text not in texts and text not in known:
                kept.append(doc)
                known.add(text)
        result.append(replace(gold, documents=tuple(kept), left_out=len(gold.documents) - len(kept)))
    return tuple(result)


def drawn(gold: Gold, wanted: str, *, seed: int) -> Gold:
    """Some of a corpus's documents, in their order; a larger draw by the same seed holds a smaller one.

    Args:
        wanted: how many, or which share as `25%`.

    Raises:
        ConfigError: when it is neither, or the corpus has fewer.
    """
    share, of = wanted.removesuffix("%"), len(gold.documents)
    try:
        count = max(1, round(float(share) / 100 * of)) if share != wanted else int(wanted)
    except ValueError:
        count = 0
    if not 0 < count <= of:
        raise ConfigError(f"{wanted!r} documents of {gold.name}", expected=f"1 to {of}, or a share such as 25%")
    numbers = sorted(Random(seed).sample(range(of), of)[:count])
    return replace(gold, documents=tuple(gold.documents[number] for number in numbers))


def _bare(text: str) -> str:
    return regex.sub(r"\W+", "", text).casefold()


def _sha256_of(documents: Iterable[Document]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(codec.dump(document).encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    """Of a file, or of a folder's files in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]:
        digest.update(file.read_bytes())
    return digest.hexdigest()
