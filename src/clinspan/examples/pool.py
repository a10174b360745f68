"""A pool of examples: opened from a folder, shared by processes, asked for examples and for mentions."""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import marisa_trie

from clinspan import codec
from clinspan.dictionary.normalise import normal_form, tokenise
from clinspan.dictionary.tag import walk
from clinspan.errors import ConfigError, InputError, MissingExtra, ModelError, did_you_mean
from clinspan.examples import store
from clinspan.examples.embed import LEXICAL, Encoder, open_encoder
from clinspan.examples.retrieve import EncoderRetriever, Floats, LexicalRetriever, Retriever, Vectors, open_vectors
from clinspan.examples.store import EncoderInfo, PoolExample, PoolInfo
from clinspan.files import MANIFEST

_EXAMPLES = (
    "select id, start, examples.text, entities from examples join documents on documents.number = examples.document"
)

_HELD = 4096
"""Examples that are held in memory, some kilobytes each."""


@dataclass(frozen=True, slots=True)
class PoolMention:
    """A mention that the pool's annotators marked: its text, its label, the examples it stands in, by index."""

    text: str
    label: str
    examples: tuple[int, ...]


class Pool:
    """A read-only sequence of examples, of the generation that was there when it was opened.

    A build meanwhile writes another generation; open the folder again to see it. Any thread may read.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]):
        self._folder = folder
        self._manifest = manifest
        generation = folder / manifest["folder"]
        # Everything is opened here: the files may be replaced while the pool is in use, and stay readable once open.
        self._store = store.Store(generation / store.STORE)
        # A choice looks at each of its examples several times, and the next one at many of the same.
        self._read = lru_cache(_HELD)(partial(_read, self._store))
        self._retrievers: dict[str, Retriever] = {
            LEXICAL: LexicalRetriever(generation, len(self), lambda index: self[index].text)
        }
        self._vectors: Vectors | None = None
        self._missing: MissingExtra | None = None
        if manifest["encoder"]:
            try:
                self._vectors = open_vectors(generation, manifest["encoder"]["dimension"], manifest["index"])
            except MissingExtra as missing:
                self._missing = missing  # raised when vectors are asked for: the rest does without

    @classmethod
    def open(cls, folder: str | Path) -> "Pool":
        """Opens the pool in `folder`.

        Raises:
            InputError: when there is none, a part of one, or one of another version.
        """
        folder = Path(folder).absolute()
        while True:
            manifest = read_manifest(folder)
            try:
                return cls(folder, manifest)
            except OSError as error:
                if read_manifest(folder)["folder"] == manifest["folder"]:
                    raise InputError(
                        f"the pool lacks a file: {error}", where=str(folder), fix="Build it anew."
                    ) from error
                # A build replaced it between the manifest and the files.

    def __reduce__(self) -> tuple[object, ...]:
        return (Pool.open, (self._folder,))

    def __len__(self) -> int:
        count: int = self._manifest["examples"]
        return count

    def __getitem__(self, index: int) -> PoolExample:
        """The example with that index, from 0.

        Raises:
            IndexError: when there is none.
        """
        found = self._read(index)
        if found is None:
            raise IndexError(f"the pool has {len(self)} examples, none with the index {index}")
        return found

    def __iter__(self) -> Iterator[PoolExample]:
        return map(_example, self._store.each(f"{_EXAMPLES} order by examples.number"))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that its documents were annotated for, in the order of the label set."""
        return tuple(self._manifest["labels"])

    @property
    def info(self) -> PoolInfo:
        """Counts, encoder, age."""
        about = self._manifest
        encoder = EncoderInfo(**about["encoder"]) if about["encoder"] else None
        return PoolInfo(
            path=self._folder,
            generation=about["folder"],
            window=_in_words(about["window"]),
            encoder=encoder,
            bytes=sum(about["files"].values()),
            **{name: about[name] for name in ("built", "documents", "examples", "empty", "mentions", "index")},
        )

    def retriever(self, name: str | None = None, *, encoder: Encoder | None = None) -> Retriever:
        """What finds the pool's examples that resemble a text.

        Args:
            name: `lexical`, which every pool has, or the name of the pool's encoder; None: the encoder's where the
                pool has one, else lexical.
            encoder: the pool's encoder, where it is open already; else it is opened here, once.

        Raises:
            ConfigError: when the pool has none of that name.
            ModelError: when the encoder is not on this machine, or not the one that the pool's vectors are of.
            MissingExtra: when a package is not installed.
        """
        about = self.info.encoder
        name = name or (about.name if about else LEXICAL)
        if name in self._retrievers:
            return self._retrievers[name]
        if about is None or name != about.name:
            known = [LEXICAL, *([about.name] if about else [])]
            raise ConfigError(
                f"the pool has no retriever {name!r}",
                where=str(self._folder),
                fix=f"{did_you_mean(name, known)} Or build the pool anew with --encoder.",
            )
        vectors = self._opened_vectors()
        encoder = encoder or open_encoder(about.source, pooling=about.pooling)
        check_encoder(encoder, self.info)
        return self._retrievers.setdefault(name, EncoderRetriever(encoder, vectors))

    def vectors(self, indices: Sequence[int]) -> Floats:
        """The vectors of these examples, `(n, dimension)`, of length 1.

        Raises:
            ConfigError: when the pool has no encoder.
            MissingExtra: when a package is not installed.
        """
        return self._opened_vectors().rows(indices)

    def _opened_vectors(self) -> Vectors:
        if self._missing is not None:
            raise self._missing
        if self._vectors is None:
            raise ConfigError("the pool has no vectors", where=str(self._folder), fix="Build it with --encoder.")
        return self._vectors

    def numbers_of(self, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """For those of the hashes that are of an example's text, the index of the first such example."""
        marks = ",".join("?" * len(hashes))
        query = f"select hash, min(number) from examples where hash in ({marks}) group by hash"
        return dict(self._store.rows(query, *hashes))

    def examples_with(self, mention: str, label: str | None = None) -> tuple[int, ...]:
        """The indices of the examples in which such a mention is marked, case, plural and hyphens aside.

        Args:
            label: only where it is marked so; None: with any label.
        """
        form = normal_form(mention) or mention
        query, values = "select distinct example from mentions where form = ?", [form]
        if label is not None:
            query, values = f"{query} and label = ?", [form, label]
        return tuple(example for (example,) in self._store.rows(f"{query} order by example", *values))

    def mentions(self) -> Iterator[PoolMention]:
        """All mentions, those of one normal form and label as one, under the spelling that comes first."""
        rows = self._store.each("select form, label, text, example from mentions order by form, label, example, rowid")
        for (_, label), alike in groupby(rows, key=itemgetter(0, 1)):
            texts, examples = zip(*(row[2:] for row in alike), strict=True)
            yield PoolMention(texts[0], label, tuple(dict.fromkeys(examples)))

    def same_document(self, id: str, text: str) -> frozenset[str]:
        """The ids of the pool's documents that are this one: by their id, or by a text that is the same or nearly so.

        Examples from them would show a model its own text with the answer.
        """
        found = {id} if self._store.row("select 1 from documents where id = ?", id) else set()
        for number in store.nearest(self._store.rows, store.sketch(text)):
            found.update(name for (name,) in self._store.rows("select id from documents where number = ?", number))
        return frozenset(found)

    def close(self) -> None:
        """Closes its files."""
        self._store.close()


def _read(opened: store.Store, index: int) -> PoolExample | None:
    row = opened.row(f"{_EXAMPLES} where examples.number = ?", index)
    return _example(row) if row is not None else None


def _example(row: tuple[Any, ...]) -> PoolExample:
    document, start, text, entities = row
    return PoolExample(document, start, text, codec.parse_rows(entities, text))


def check_encoder(encoder: Encoder | None, pool: PoolInfo) -> None:
    """Makes sure that an encoder is the one that a pool's vectors are of."""
    about = pool.encoder
    if about is None or (encoder is not None and encoder.identity == about.identity):
        return
    if encoder is None:
        raise ModelError(
            "the pool has vectors, and no encoder is given", where=str(pool.path), expected=f"the encoder {about.name}"
        )
    same = encoder.dimension == about.dimension
    what = "other weights or settings than" if same else f"{encoder.dimension} dimensions and not {about.dimension} as"
    raise ModelError(
        f"the encoder {encoder.name} (pooling {encoder.pooling}) has {what} the one that the pool's vectors are of",
        where=str(pool.path),
        expected=f"{about.name}, pooling {about.pooling}, {about.dimension} dimensions",
        fix=f"Bring back what {about.source} was when the pool was built, or build the pool anew.",
    )


def _in_words(window: Mapping[str, Any]) -> str:
    if window["max_sentences"] == 1:
        return "sentence"
    most = f", {window['max_sentences']} sentences" if window["max_sentences"] else ""
    return f"{window['max_tokens']} tokens{most}"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the pool in `folder`.

    Raises:
        InputError: when there is no pool or it is of another version.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version, order, _ = manifest["format"], manifest["byteorder"], manifest["examples"]
    except FileNotFoundError as error:
        raise InputError(
            "is not a pool of examples",
            where=str(folder),
            expected="the folder of one",
            fix=f"Build it with: clinspan examples build GOLD -o {folder}",
        ) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "is not a pool's manifest",
            where=str(path),
            expected="the folder of a pool, which `clinspan examples build` makes",
            fix="Name another folder, or build the pool anew.",
        ) from error
    if version != store.FORMAT or order != sys.byteorder:
        raise InputError(
            f"the pool is of format {version} ({order}-endian)",
            where=str(folder),
            expected=f"format {store.FORMAT} ({sys.byteorder}-endian)",
            fix="Build it anew with this version of clinspan.",
        )
    return dict(manifest)


_LEAST = 0.1
"""Likeness below which a mention is of no help."""
_MOST = 256
"""Examples that are looked at for one mention."""


@dataclass(frozen=True, slots=True)
class MentionHit:
    """An example with a mention that is like the one asked for.

    Attributes:
        likeness: in (0, 1]; 1 where both have the same normal form.
    """

    index: int
    likeness: float
    mention: str


class MentionIndex:
    """The mentions of a pool by their words. Any thread may ask.

    Two mentions are alike by the words they share, rare ones counting more: twice the weight of the shared words over
    the weights of the words of both (Dice), the weight of a word being its inverse frequency among the pool's mentions.
    """

    def __init__(self, mentions: Iterable[PoolMention]):
        texts: dict[str, str] = {}
        examples: dict[str, list[int]] = {}
        for mention in mentions:
            form = normal_form(mention.text)
            if form:
                texts.setdefault(form, mention.text)
                examples.setdefault(form, []).extend(mention.examples)
        self._texts = texts
        self._examples = examples
        self._with_word: dict[str, list[str]] = {}
        for form in texts:
            for word in set(form.split()):
                self._with_word.setdefault(word, []).append(form)
        self._trie = marisa_trie.Trie(form + " " for form in texts)

    def alike(self, mention: str) -> list[MentionHit]:
        """Examples with mentions like `mention`, the most alike first, each once, with the mention most alike."""
        hits: dict[int, MentionHit] = {}
        for form, likeness in self._forms(normal_form(mention)):
            for index in self._examples[form]:
                hits.setdefault(index, MentionHit(index, likeness, self._texts[form]))
            if len(hits) >= _MOST:
                break
        return list(islice(hits.values(), _MOST))

    def standing_in(self, text: str) -> list[str]:
        """The pool's mentions that stand in `text`, in its own spelling and order; the longest at each place."""
        tokens = tokenise(text)
        found: list[str] = []
        reached = 0
        for first, last in sorted({(at, -end) for at, end, _ in walk(self._trie, tokens.forms)}):
            if first >= reached:
                reached = -last
                found.append(text[tokens.starts[first] : tokens.ends[reached - 1]])
        return found

    def _forms(self, form: str) -> Sequence[tuple[str, float]]:
        """The pool's normal forms that are like `form`, the most alike first; of equals the shorter."""
        words = set(form.split())
        shared: dict[str, float] = {}
        for word in words:
            for other in self._with_word.get(word, ()):
                shared[other] = shared.get(other, 0.0) + self._weight(word)
        own = sum(map(self._weight, words))
        alike = []
        for other, common in shared.items():
            both = own + sum(map(self._weight, set(other.split())))
            # The same words in another order are not quite the same mention.
            likeness = 1.0 if other == form else 0.99 * 2 * common / both
            if likeness >= _LEAST:
                alike.append((other, likeness))
        return sorted(alike, key=lambda found: (-found[1], len(found[0]), found[0]))

    def _weight(self, word: str) -> float:
        return math.log1p(len(self._texts) / (1 + len(self._with_word.get(word, ()))))
