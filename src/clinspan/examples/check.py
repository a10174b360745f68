"""Checks gold documents before they enter a pool: every annotation, and whether the document may be there at all."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clinspan.corpora.gold import Naming
from clinspan.document import Document, Entity
from clinspan.errors import ClinspanError, ConfigError, InputError, LabelError
from clinspan.examples import store
from clinspan.examples.store import hash_of
from clinspan.formats.base import Format
from clinspan.labels import Label, LabelSet

_SHOWN = 10


def label_set(names: Iterable[str]) -> LabelSet:
    """A set of labels of which no more is known than their names."""
    return LabelSet("gold", tuple(Label(name, name) for name in dict.fromkeys(names)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is demanded of a document.

    Attributes:
        labels: what the documents were annotated for; None: whatever labels they have.
        form: the format that must be able to show them; None: any.
        skip_wrong: leaves out documents with a fault, instead of stopping.
    """

    labels: LabelSet | None = None
    form: Format | None = None
    skip_wrong: bool = False


class Gate:
    """Lets documents into a pool, each text once, and none that is held out.

    Attributes:
        left_out: how many documents were not let in, by reason.
        notes: what the user should know of them, the first few of each reason.
        labels: of the documents let in, in the order of the set, or in which they came.
    """

    def __init__(self, rules: Rules, *, held_out: Iterable[Document] = (), store: Path | None = None):
        """Prepares the gate.

        Args:
            held_out: documents that must not enter, by id or by text.
        """
        self.left_out: Counter[str] = Counter()
        self.notes: list[str] = []
        self._rules = rules
        self._naming = Naming(rules.labels.names) if rules.labels else None
        self._found = dict.fromkeys(rules.labels.names if rules.labels else ())
        self._faults: list[ClinspanError] = []
        # On disk where they are many; SQLite deletes it with the connection.
        self._seen = sqlite3.connect("", isolation_level=None)
        self._seen.executescript(
            "begin; create table documents (number integer primary key, id text, text blob, held integer);"
            "create table sketches (hash integer, document integer);"
            "create index ids on documents (id); create index texts on documents (text);"
            "create index hashes on sketches (hash); create index of_document on sketches (document);"
        )
        if store is not None:
            self._seen.execute("commit")
            self._seen.execute("attach ? as pool", (f"{store}",))
            self._seen.executescript(
                "insert into documents select number, id, text, 0 from pool.documents;"
                "insert into sketches select hash, document from pool.sketches; detach pool; begin;"
            )
        for document in held_out:
            self._remember(document, held=True)

    @property
    def labels(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(self._found)

    def admit(self, found: Iterable[Document | InputError]) -> Iterator[Document]:
        """The documents that may enter.

        Raises:
            ClinspanError: at the end of the stream, when documents have faults and these are not to be skipped; it
                names the first of them, each with its document, file and line.
        """
        for result in found:
            document = self._checked(result)
            if document is not None and self._is_new(document):
                self._remember(document)
                self._found |= dict.fromkeys(entity.label for entity in document.entities)
                yield document
        if self._faults and not self._rules.skip_wrong:
            raise _together(self._faults)

    def _checked(self, result: Document | InputError) -> Document | None:
        try:
            if isinstance(result, InputError):
                raise result
            return self._shown(self._labelled(result))
        except LabelError as fault:
            self._faults.append(fault)
            if self._rules.skip_wrong:
                raise  # to leave out every document with such a label would leave nothing of a corpus
        except (InputError, ConfigError) as fault:
            self._faults.append(fault)
            self._leave_out("with a fault", str(fault))
        return None

    def _labelled(self, document: Document) -> Document:
        """The document with its labels as the set writes them."""
        if self._naming is None:
            return document
        document = self._naming.named(document)
        if entity := self._naming.outside(document):
            names = self._naming.known
            raise LabelError(
                f"the label {entity.label!r} of {entity.text!r} is not in the label set",
                where=_place_of(document, entity),
                expected=f"one of {', '.join(names)}",
                fix=f"Rename it with --map {entity.label}={names[0]}, or add it to labels.toml.",
            )
        return document

    def _shown(self, document: Document) -> Document:
        """The document, if the format can show its entities."""
        entities = tuple(dict.fromkeys(document.entities))
        form = self._rules.form
        if form is not None and entities:
            labels = self._rules.labels or label_set(entity.label for entity in entities)
            try:
                form.render(document.text, entities, labels)
            except ConfigError as error:
                raise ConfigError(
                    error.what,
                    where=_place_of(document, _crossing(entities)),
                    expected=error.expected,
                    fix=f"{error.fix or ''} Name the format that you will tag with (--format), "
                    "or leave such documents out (--skip-wrong).".strip(),
                ) from error
        return replace(document, entities=entities)

    def _is_new(self, document: Document) -> bool:
        text = hash_of(document.text)
        rows = self._rows("select text, held from documents where id = ?", document.id)
        if any(held for _, held in rows):
            return self._leave_out("held out", f"document {document.id!r} is held out")
        if rows and all(other != text for other, _ in rows):
            fault = InputError(
                f"the id {document.id!r} is that of another document",
                where=_place_of(document),
                fix="Give each document an id of its own, or leave the second out (--skip-wrong).",
            )
            self._faults.append(fault)
            return self._leave_out("with a fault", str(fault))
        for other in store.nearest(self._rows, store.sketch(document.text)):
            query = "select id, text, held from documents where number = ?"
            ((id, its_text, held),) = self._rows(query, other)
            what = "the same text as" if its_text == text else "nearly the same text as"
            note = f"document {document.id!r} has {what} {'the held-out document' if held else 'document'} {id!r}"
            if id == document.id and not held:
                note = f"document {document.id!r} is given twice"
            return self._leave_out("held out" if held else "there already", note)
        return True

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._seen.execute(query, values).fetchall()

    def _leave_out(self, reason: str, note: str) -> bool:
        self.left_out[reason] += 1
        if self.left_out[reason] <= _SHOWN:
            self.notes.append(note)
        return False

    def _remember(self, document: Document, *, held: bool = False) -> None:
        row = (document.id, hash_of(document.text), held)
        number = self._seen.execute("insert into documents (id, text, held) values (?, ?, ?)", row).lastrowid
        hashes = [(value, number) for value in store.sketch(document.text)]
        self._seen.executemany("insert into sketches values (?, ?)", hashes)


def _place_of(document: Document, entity: Entity | None = None) -> str:
    named = f"document {document.id!r}"
    if entity is not None:
        named += f", {entity.label} {entity.text!r} at {entity.start}-{entity.end}"
    return f"{document.place}, {named}" if document.place else named


def _crossing(entities: tuple[Entity, ...]) -> Entity | None:
    """The first entity that brackets cannot show: it is in parts, or begins inside another and ends outside."""
    ordered = sorted(entities, key=lambda entity: (entity.start, -entity.end))
    for number, entity in enumerate(ordered):
        if entity.fragments or any(o.start < entity.start < o.end < entity.end for o in ordered[:number]):
            return entity
    return None


def _together(faults: list[ClinspanError]) -> ClinspanError:
    first = faults[0]
    mend = "Mend it, or leave such documents out with --skip-wrong."
    if len(faults) == 1:
        return first if first.fix else type(first)(first.what, where=first.where, expected=first.expected, fix=mend)
    more = f"\nand {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    listed = "\n".join(str(fault) for fault in faults[:_SHOWN])
    return type(first)(
        f"{len(faults)} documents cannot be taken:\n{listed}{more}",
        fix=None if isinstance(first, LabelError) else f"\n{mend}",
    )
