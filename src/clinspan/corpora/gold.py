"""Gold documents, for all that scores, learns from or shows them; and the one rule for what their labels are called.

Case does not count. The mention classes of NCBI-disease are one label, `disease`, where that is a label that is wanted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from clinspan.corpora import catalogue
from clinspan.corpora.format import Results
from clinspan.corpora.literature import NCBI_LABELS
from clinspan.document import Document, Entity
from clinspan.errors import InputError

_CLASSES = {old.casefold(): new for old, new in NCBI_LABELS.items()}


@dataclass(frozen=True, slots=True)
class Naming:
    """What labels are called.

    Attributes:
        known: the labels that are wanted, as they are to be written; others keep their names.
        renamed: new names, which come first.
        ignored: labels whose entities are left out, by their names when renamed.
    """

    known: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()

    def name(self, label: str) -> str | None:
        """What a label is called; None where its entities are left out."""
        folded = {old.casefold(): new for old, new in self.renamed.items()}
        label = self.renamed.get(label, folded.get(label.casefold(), label))
        if label.casefold() in {name.casefold() for name in self.ignored}:
            return None
        known = {name.casefold(): name for name in reversed(self.known)}
        usual = _CLASSES.get(label.casefold(), "")
        return known.get(label.casefold(), known.get(usual, label))

    def named(self, document: Document) -> Document:
        """The document with its labels so called."""
        names = {label: self.name(label) for label in {entity.label for entity in document.entities}}
        if all(old == new for old, new in names.items()):
            return document
        kept = ((entity, names[entity.label]) for entity in document.entities)
        return replace(document, entities=tuple(replace(e, label=name) for e, name in kept if name is not None))

    def within(self, named: Document) -> Document:
        """A named document with entities of the wanted labels alone."""
        return replace(named, entities=tuple(entity for entity in named.entities if entity.label in self.known))

    def outside(self, named: Document) -> Entity | None:
        """The first entity of a named document whose label is not wanted."""
        return next((entity for entity in named.entities if entity.label not in self.known), None)


def read(
    paths: Iterable[Path],
    naming: Naming,
    *,
    format: str | None = None,
    lenient: bool = False,
    told: catalogue.Told | None = None,
    option: str = "--from",
) -> Results:
    """The documents of all corpora, one at a time, with labels as `naming` calls them.

    Args:
        paths: files and folders.
        naming: what labels are called.
        format: of all of them; None: as each of them tells.
        lenient: gives documents without their wrong annotations, after the errors that name them.
        told: is told of each file's format as it is recognised.
        option: of the command that names the format, for errors; empty where there is none.

    Raises:
        ConfigError: when there is no such format.
        InputError: when a file cannot be read at all.
    """
    for path in paths:
        for result in catalogue.read(path, format=format, lenient=lenient, told=told, option=option):
            yield naming.named(result) if isinstance(result, Document) else result


def sound(results: Results, problems: list[InputError] | None, *, fix: str) -> Iterator[Document]:
    """The documents alone.

    Args:
        results: documents, and errors in place of what cannot be read.
        problems: takes the errors; None: the first is raised.
        fix: what to do about one that says nothing of it.

    Raises:
        InputError: the first that stands in their stream, where `problems` is None.
    """
    for result in results:
        if isinstance(result, Document):
            yield result
        elif problems is not None:
            problems.append(result)
        else:
            raise InputError(result.what, where=result.where, expected=result.expected, fix=result.fix or fix)


def alike(sides: Sequence[Sequence[Document]], *, wanted: Sequence[str] = ()) -> tuple[list[Document], ...]:
    """Several readings of the same documents, such as gold and prediction, with one name for each label.

    A label is written as it is wanted, else as the first side has it. A side with the classes of NCBI-disease and no
    other label but `disease` has that label alone, where it is wanted or a side has it.
    """
    labels = [dict.fromkeys(entity.label for document in side for entity in document.entities) for side in sides]
    of_ncbi = [_is_ncbi(names) for names in labels]
    known = list(wanted)
    for names, ncbi in zip(labels, of_ncbi, strict=True):
        known += [name for name in names if not ncbi or name.casefold() not in _CLASSES]
    merged = not {name.casefold() for name in known}.isdisjoint(_CLASSES.values())
    everything = [*known, *(name for names in labels for name in names)]
    namings = [Naming(known if ncbi and merged else everything) for ncbi in of_ncbi]
    return tuple([naming.named(document) for document in side] for naming, side in zip(namings, sides, strict=True))


def _is_ncbi(labels: Iterable[str]) -> bool:
    names = {label.casefold() for label in labels}
    return "specificdisease" in names and names <= {*_CLASSES, *_CLASSES.values()}
