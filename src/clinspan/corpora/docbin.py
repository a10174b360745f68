"""spaCy's DocBin: documents as spaCy keeps them on disk for training, entities as spans of tokens.

Entities are written twice: all of them to the span group `sc`, which spaCy's span categoriser learns from, and those
that do not overlap to `doc.ents`, which its entity recogniser learns from. They are read from the group where it has
any.
"""

import itertools
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clinspan.corpora.bio import flat
from clinspan.corpora.format import CorpusFormat, Head, Results
from clinspan.corpora.text import read_bytes
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import InputError, MissingExtra

GROUP = "sc"
_ID = "clinspan_id"
_PIECE = re.compile(r"\S+|\s+")


def read(path: str | Path) -> Results:
    """The documents of a file; a `kb_id` becomes a concept without a source.

    Raises:
        InputError: when the file cannot be read.
        MissingExtra: when spaCy is not installed.
    """
    tokens, vocab = _spacy()
    path = Path(path)
    try:
        docs = list(tokens.DocBin().from_bytes(read_bytes(path)).get_docs(vocab))
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise InputError(f"is not a DocBin that can be read: {error}", where=str(path)) from None
    for number, doc in enumerate(docs, 1):
        # An empty group says nothing: pipelines make it before there is anything to put in.
        found = doc.spans.get(GROUP) or doc.ents
        entities = []
        for one in found:
            span = Span(one.start_char, one.end_char)
            mention = span.of(doc.text)
            concepts = (Concept(one.kb_id_, mention, ""),) if one.kb_id_ else ()
            entities.append(Entity(span, one.label_, mention, concepts=concepts))
        id = str(doc.user_data.get(_ID, f"{path.stem}-{number}"))
        yield Document(id, doc.text, tuple(entities), place=f"{path}, document {number}")


def write(documents: Iterable[Document], path: str | Path) -> None:
    """Writes the documents to a new file.

    Tokens are words and what white space is not one space behind a word, cut at the entities' ends, so that every
    offset can be said. A discontinuous entity is written as its hull; of concepts only the first one's id is kept;
    scores and metadata are left out.

    Raises:
        MissingExtra: when spaCy is not installed.
    """
    tokens, vocab = _spacy()
    box = tokens.DocBin(store_user_data=True)
    for document in documents:
        words, spaces = _words(document)
        doc = tokens.Doc(vocab, words=words, spaces=spaces)
        doc.user_data[_ID] = document.id
        doc.spans[GROUP] = [_span(doc, entity) for entity in document.entities]
        doc.set_ents([_span(doc, entity) for entity in flat(document).entities])
        box.add(doc)
    Path(path).write_bytes(box.to_bytes())


def _span(doc: Any, entity: Entity) -> Any:
    concept = entity.concepts[0].id if entity.concepts else ""
    return doc.char_span(entity.start, entity.end, label=entity.label, kb_id=concept)


def _words(document: Document) -> tuple[list[str], list[bool]]:
    """The tokens, and whether a space that is not one itself follows each."""
    starts = {entity.start for entity in document.entities}
    ends = {entity.end for entity in document.entities}
    words: list[str] = []
    spaces: list[bool] = []
    for piece in _PIECE.finditer(document.text):
        at = piece.start()
        # A space may follow its word unless an entity begins at it or ends with it.
        if words and document.text[at] == " " and at not in starts and at + 1 not in ends:
            spaces[-1] = True
            at += 1
        edges = [at, *sorted(cut for cut in range(at + 1, piece.end()) if cut in starts or cut in ends), piece.end()]
        for start, end in itertools.pairwise(edges):
            if start < end:
                words.append(document.text[start:end])
                spaces.append(False)
    return words, spaces


def _spacy() -> tuple[Any, Any]:
    try:
        import spacy.tokens
        import spacy.vocab
    except ImportError as error:
        raise MissingExtra("spacy", "spacy", purpose="reading or writing DocBin") from error
    return spacy.tokens, spacy.vocab.Vocab()


def _sign(head: Head) -> str | None:
    # A zlib stream of a MessagePack map, whose keys stand in its first bytes.
    if head.data[:1] != b"\x78":
        return None
    try:
        return "its first bytes" if b"attrs" in zlib.decompressobj().decompress(head.data, 200) else None
    except zlib.error:
        return None


FORMAT = CorpusFormat(
    name="docbin",
    read=lambda path, _: read(path),
    write=write,
    sign=_sign,
    endings=(".spacy",),
    loses="gaps, attributes, concepts but the first one's id; `doc.ents` holds only entities that do not overlap",
)
