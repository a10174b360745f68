"""Labels of tokens: CoNLL files in IOB1, IOB2, BIOES or BILOU, and spaCy's DocBin.

A CoNLL file has a token and its tag a line, an empty line between sentences. The text of a sentence is its tokens with
one space between. A sentence is a document.

A DocBin holds documents as spaCy keeps them on disk for training. Entities are written to it twice: all of them to the
span group `sc`, which spaCy's span categoriser learns from, and those that do not overlap to `doc.ents`, which its
entity recogniser learns from. They are read from the group where it has any.
"""

import itertools
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from clinspan.corpora.format import CorpusFormat, Head, Results, one_file
from clinspan.corpora.text import read_bytes, read_text
from clinspan.document import Concept, Document, Entity, Span
from clinspan.errors import InputError, MissingExtra, OutputError

_TAG = re.compile(r"O|([BIMESLUW])-(\S.*)")
_WORD = re.compile(r"\S+")
_LINES = 50


def read(path: str | Path) -> Results:
    """The sentences of a file; one that is wrong gives an error in its place and the rest goes on.

    All four schemes are read alike: B, S and U begin an entity, I goes on with one of its label and begins one where
    there is none, E and L end it. The token stands in the first column, its tag in the last, parted by tabs, or by
    spaces where there is no tab. A lone sentence has the file's stem for its id, one of several also its number.

    Raises:
        InputError: when the file cannot be read at all.
    """
    path = Path(path)
    sentences = list(_sentences(read_text(path)))
    for number, sentence in enumerate(sentences, 1):
        id = path.stem if len(sentences) == 1 else f"{path.stem}-{number}"
        try:
            yield _document(id, sentence, str(path))
        except InputError as error:
            yield error


def _sign(head: Head) -> str | None:
    return "its lines are tokens with tags" if _looks_like(head.lines[:_LINES]) else None


def _looks_like(lines: Iterable[str]) -> bool:
    # Prose has such letters too: one line alone, or columns that spaces part, need a tag other than `O`.
    tags = []
    tabs = True
    for line in lines:
        if line.startswith("-DOCSTART-"):
            return True
        if not line.strip():
            continue
        columns = line.split("\t") if "\t" in line else line.split()
        tabs = tabs and "\t" in line
        if len(columns) < 2 or not columns[0] or " " in columns[0] or _TAG.fullmatch(columns[-1].strip()) is None:
            return False
        tags.append(columns[-1].strip())
    return any(tag != "O" for tag in tags) or (tabs and len(tags) > 1)


def _sentences(text: str) -> Iterator[list[tuple[int, str]]]:
    sentence: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("-DOCSTART-"):
            sentence.append((number, line.removesuffix("\r")))
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _document(id: str, lines: Sequence[tuple[int, str]], where: str) -> Document:
    words: list[str] = []
    found: list[tuple[int, int, str]] = []
    at = 0
    open_label: str | None = None
    first = lines[0][0]
    for number, line in lines:
        word, tag = _columns(line, f"{where}, line {number}")
        kind, label = tag
        if label is not None:
            if kind in "IMEL" and open_label == label:
                found[-1] = (found[-1][0], at + len(word), label)
            else:
                found.append((at, at + len(word), label))
        open_label = label if kind in "BIM" else None
        words.append(word)
        at += len(word) + 1
    text = " ".join(words)
    spans = ((Span(start, end), label) for start, end, label in found)
    entities = tuple(Entity(span, label, span.of(text)) for span, label in spans)
    return Document(id, text, entities, place=f"{where}, line {first}")


def _columns(line: str, where: str) -> tuple[str, tuple[str, str | None]]:
    columns = line.split("\t") if "\t" in line else line.split()
    word, written = columns[0].strip(), columns[-1].strip()
    tag = _TAG.fullmatch(written)
    if len(columns) < 2 or not word or tag is None:
        raise InputError(f"{line!r} is not a token with its tag", where=where, expected="TOKEN, a tab, O or B-LABEL")
    return word, (tag[1] or "O", tag[2])


def write(documents: Iterable[Document]) -> Iterator[str]:
    """The documents as IOB2, one string each, an empty line at its end.

    Tokens are words, cut at the entities' ends besides; white space in the text becomes the end of a token, scores and
    concepts are left out.

    Raises:
        OutputError: when entities overlap or are discontinuous, which tags cannot say.
    """
    for document in documents:
        tags: dict[int, tuple[int, str]] = {}
        end = 0
        for entity in sorted(document.entities, key=lambda e: e.span):
            if entity.start < end or entity.fragments:
                raise OutputError(
                    f"tags cannot say the {entity.label} at {entity.start}-{entity.end}, which overlaps or has gaps",
                    where=f"document {document.id!r}",
                )
            tags[entity.start] = (entity.end, entity.label)
            end = entity.end
        cuts = {e.start for e in document.entities} | {e.end for e in document.entities}
        lines = []
        inside: tuple[int, str] | None = None
        for start, stop in _pieces(document.text, cuts):
            begins = tags.get(start)
            inside = begins or (inside if inside and start < inside[0] else None)
            tag = f"{'B' if begins else 'I'}-{inside[1]}" if inside else "O"
            lines.append(f"{document.text[start:stop]}\t{tag}")
        yield "\n".join(lines) + "\n\n"


def _pieces(text: str, cuts: set[int]) -> Iterator[tuple[int, int]]:
    for word in _WORD.finditer(text):
        inner = sorted(cut for cut in range(word.start() + 1, word.end()) if cut in cuts)
        edges = [word.start(), *inner, word.end()]
        yield from pairwise(edges)


def flat(document: Document) -> Document:
    """The document with discontinuous entities as their hulls and, of those that overlap, the longest alone.

    Of two of one length the first is kept, and of two in one place the one that was listed first.
    """
    kept: list[Entity] = []
    taken: set[int] = set()
    for entity in sorted(document.entities, key=lambda e: (-len(e.span), e.start)):
        covered = range(entity.start, entity.end)
        if taken.isdisjoint(covered):
            taken.update(covered)
            kept.append(replace(entity, fragments=()))
    return replace(document, entities=tuple(sorted(kept, key=lambda e: e.span)))


BIO = CorpusFormat(
    name="bio",
    read=lambda path, _: read(path),
    write=one_file(lambda documents: write(map(flat, documents))),
    sign=_sign,
    endings=(".bio", ".iob", ".conll"),
    loses="ids, white space, gaps, concepts, attributes; of entities that overlap the longest is written",
)


GROUP = "sc"
_ID = "clinspan_id"
_PIECE = re.compile(r"\S+|\s+")


def read_docbin(path: str | Path) -> Results:
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


def write_docbin(documents: Iterable[Document], path: str | Path) -> None:
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


def _docbin_sign(head: Head) -> str | None:
    # A zlib stream of a MessagePack map, whose keys stand in its first bytes.
    if head.data[:1] != b"\x78":
        return None
    try:
        return "its first bytes" if b"attrs" in zlib.decompressobj().decompress(head.data, 200) else None
    except zlib.error:
        return None


DOCBIN = CorpusFormat(
    name="docbin",
    read=lambda path, _: read_docbin(path),
    write=write_docbin,
    sign=_docbin_sign,
    endings=(".spacy",),
    loses="gaps, attributes, concepts but the first one's id; `doc.ents` holds only entities that do not overlap",
)
