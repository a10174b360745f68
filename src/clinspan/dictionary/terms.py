"""Terms with a label that stand in no dictionary: those of labels.toml, and those learned from a pool."""

from collections.abc import Iterator, Mapping, Sequence

import marisa_trie

from clinspan.dictionary.normalise import Tokens, is_acronym, normal_form
from clinspan.labels import LabelSet


def term_key(term: str) -> str:
    """What makes two spellings one term: the normal form, with its case for an acronym."""
    return "=" + term if is_acronym(term) else normal_form(term)


def label_terms(labels: LabelSet) -> dict[str, str]:
    """The key of each term that labels.toml names, with its label."""
    return {term_key(term): label.name for label in labels.labels for term in label.terms if term_key(term)}


class TermList:
    """Finds labelled terms in a text.

    Args:
        terms: by key (see `term_key`), the label.
    """

    def __init__(self, terms: Mapping[str, str]):
        self._terms = terms
        self._cased = {key[1:]: key for key in terms if key.startswith("=")}
        self._trie = marisa_trie.Trie(key + " " for key in terms if not key.startswith("="))

    def __len__(self) -> int:
        return len(self._terms)

    def scan(self, text: str, tokens: Tokens) -> Iterator[tuple[int, int, str]]:
        """(first token, one past the last, key) of each term in `text`."""
        if len(self._trie):
            for at, end, prefix in walk(self._trie, tokens.forms):
                yield at, end, prefix[:-1]
        if self._cased:
            for at, (start, end) in enumerate(zip(tokens.starts, tokens.ends, strict=True)):
                key = self._cased.get(text[start:end])
                if key is not None:
                    yield at, at + 1, key

    def label(self, key: str) -> str:
        """The label of a key that `scan` found."""
        return self._terms[key]


def walk(trie: marisa_trie.Trie, forms: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(first token, one past the last, key) of each key of `trie` that the forms hold."""
    line = " ".join(forms) + " "
    place = 0
    for at, form in enumerate(forms):
        for prefix in trie.iter_prefixes(line[place : place + 200]):
            yield at, at + prefix.count(" "), prefix
        place += len(form) + 1
