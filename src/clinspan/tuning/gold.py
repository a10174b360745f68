"""Gold documents to tune on, with the labels each corpus was annotated for kept apart, without what must be left out.

And the pairs made of them: a window's prompt, the pieces of its right answer, and where in them something is decided.

The constrained decoder leaves a model few choices: to open a bracket or to go on copying, to close one or to go on,
which label closes it, and which value each attribute has that is asked for. Everything else in an answer is forced.
A pair therefore names, for each piece in whose place the decoder could have written another, what that other piece is;
the loss can then be taken over those choices alone.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Protocol

import regex

from clinspan import codec
from clinspan.corpora.gold import Naming, sound
from clinspan.corpora.gold import read as read_gold
from clinspan.decoding import answer_pieces, words
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, InputError, LabelError, did_you_mean
from clinspan.examples.pool import Pool
from clinspan.examples.store import is_pool, rejoined
from clinspan.formats.named import Asked, asked_of
from clinspan.formats.tanl_marks import BAR, CLOSE, NOTHING_ASKED, OPEN, escape
from clinspan.labels import LabelSet
from clinspan.messages import Message


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
    of_files = read_gold([path], naming, lenient=True, option="")
    results = (naming.named(document) for document in rejoined(pool)) if pool else of_files
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


@dataclass(frozen=True, slots=True)
class Choice:
    """A place where the decoder chooses.

    Attributes:
        piece: index of the piece that is right there.
    """

    piece: int
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """A question and its right answer.

    Attributes:
        messages: the chat up to the answer.
        pieces: the answer, in the pieces in which it is tokenised.
        choices: where in the answer something is decided, in order; none where every token of it is to be learned.
    """

    messages: tuple[Message, ...]
    pieces: tuple[str, ...]
    choices: tuple[Choice, ...] = ()


def markable(text: str, entities: Sequence[Entity], labels: LabelSet) -> tuple[Entity, ...]:
    """The entities as a constrained answer can mark them, in text order.

    The decoder puts brackets between words and does not nest them: an entity that begins or ends inside a word is
    widened to the whole word, of entities that overlap the longest stays, and labels outside the set are left out.
    """
    found = words(text)[0]
    widened: list[Entity] = []
    for entity in entities:
        covered = [word for word in found if word.start < entity.end and entity.start < word.end]
        if entity.label in labels and covered:
            span = Span(covered[0].start, covered[-1].end)
            widened.append(Entity(span, entity.label, span.of(text), attributes=entity.attributes))
    kept: list[Entity] = []
    for entity in sorted(widened, key=lambda e: (-len(e.span), e.start)):
        if not any(entity.span.overlaps(other.span) for other in kept):
            kept.append(entity)
    return tuple(sorted(kept, key=lambda e: e.start))


def choice_pair(
    text: str, entities: Sequence[Entity], *, labels: LabelSet, messages: tuple[Message, ...]
) -> TrainingPair:
    """The pair for one window answered in TANL by the constrained decoder, with the attributes that labels declare."""
    asked = asked_of(labels)
    pieces = answer_pieces(text, markable(text, entities, labels), asked)
    return TrainingPair(messages, pieces, tuple(choices(pieces, labels.names, asked)))


def choices(pieces: Sequence[str], labels: Sequence[str], asked: Asked = NOTHING_ASKED) -> Iterator[Choice]:
    """Where the decoder decides in an answer without nested marks; `labels` are those that may close a bracket.

    Which value an attribute has is decided; that it is said at all is not.
    """
    closings = tuple(f" {escape(label)}" for label in labels)
    inside = False
    label = -1  # where the label of the mark that closes stands
    forced = False  # the first piece inside a bracket, and the word after a gap that was decided on
    for at, piece in enumerate(pieces):
        bare = piece.strip()
        if bare == OPEN:
            yield Choice(at, (piece.replace(OPEN, pieces[at + 1][1:]),))
            inside = forced = True
        elif bare == BAR and label < 0:
            label = at + 1
            going_on = _going_on(pieces, pieces.index(f" {CLOSE}", at) + 1)
            if going_on is not None:
                yield Choice(at, (going_on,))
        elif at == label:
            if len(closings) > 1:
                yield Choice(at, tuple(c for c in closings if c != piece))
        elif bare == CLOSE:
            inside, forced, label = False, False, -1
        elif label >= 0:
            if bare != BAR:
                yield Choice(at, _other_values(piece, pieces[label], asked))
        elif inside:
            if not forced:
                yield Choice(at, (f" {BAR}",))
            forced = not bare
        elif bare:
            yield Choice(at, (f" {OPEN}" if piece.startswith(" ") else OPEN,))


def _other_values(piece: str, label: str, asked: Asked) -> tuple[str, ...]:
    """What could stand in place of a value, both as pieces."""
    attributes = next(known for name, known in asked.items() if f" {escape(name)}" == label)
    listed = ([f" {escape(form)}" for _, form in attribute.values] for attribute in attributes)
    return tuple(form for forms in listed if piece in forms for form in forms if form != piece)


def _going_on(pieces: Sequence[str], after: int) -> str | None:
    """The piece with which the mention would have gone on instead of closing; None at the text's end."""
    if after >= len(pieces):
        return None
    piece = pieces[after]
    if piece.strip() == OPEN:
        return piece.replace(OPEN, pieces[after + 1][1:])
    return piece if piece.strip() or any(p.strip() for p in pieces[after + 1 :]) else None


class Tokenizer(Protocol):
    """Turns strings into token ids, as the runtime does that will decode with the adapter.

    Attributes:
        end: the token that ends an answer.
    """

    end: int

    def chat(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids of the chat through the model's template, up to where the answer begins."""
        ...

    def piece(self, text: str) -> tuple[int, ...]:
        """The ids of one piece of an answer, tokenised alone, without special tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """One choice among tokens.

    Attributes:
        at: index of the token after which the choice is made.
        right: the id that is right.
        others: the ids that could have been chosen instead; none equals `right`.
    """

    at: int
    right: int
    others: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PairTokens:
    """A pair in tokens. `prompt` of its `ids` are the question, the rest is the answer."""

    ids: tuple[int, ...]
    prompt: int
    decisions: tuple[Decision, ...]


def sequence(pair: TrainingPair, tokenizer: Tokenizer) -> PairTokens:
    """The pair in tokens: the chat's ids, then each piece's own; the end is a token where whole answers are learned."""
    prompt = tokenizer.chat(pair.messages)
    ids = list(prompt)
    starts: list[int] = []
    for piece in pair.pieces:
        starts.append(len(ids))
        ids += tokenizer.piece(piece)
    if not pair.choices:
        ids.append(tokenizer.end)
    decisions: list[Decision] = []
    for choice in pair.choices:
        right = tokenizer.piece(pair.pieces[choice.piece])
        others = tuple(tokenizer.piece(other) for other in choice.others)
        decisions += _decisions(starts[choice.piece], right, others)
    return PairTokens(tuple(ids), len(prompt), tuple(decisions))


def _decisions(start: int, right: tuple[int, ...], others: Sequence[tuple[int, ...]]) -> Iterator[Decision]:
    """A decision for each token of `right` where an alternative with the same tokens before it goes another way."""
    rivals = list(others)
    for depth, token in enumerate(right):
        ahead = [rival[depth] for rival in rivals if depth < len(rival)]
        different = tuple(sorted({other for other in ahead if other != token}))
        if different:
            yield Decision(start + depth - 1, token, different)
        rivals = [rival for rival in rivals if depth < len(rival) and rival[depth] == token]
        if not rivals:
            return


def batches(lengths: Sequence[int], size: int, *, seed: int) -> list[list[int]]:
    """Indices in batches of up to `size` whose members are of nearly one length, the batches in random order.

    Items are shuffled before a stable sort by rounded length, so that the same neighbours do not meet every epoch.
    """
    random = Random(seed)
    order = list(range(len(lengths)))
    random.shuffle(order)
    order.sort(key=lambda i: lengths[i] // 4)
    made = [order[at : at + size] for at in range(0, len(order), size)]
    random.shuffle(made)
    return made
