"""OBO files: hp.obo, doid.obo and their like."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.dictionary.sources.equivalents import stated_code
from clinspan.dictionary.sources.tabular import read_lines
from clinspan.errors import DictionaryError

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SCOPES = frozenset({"EXACT", "NARROW", "RELATED", "BROAD"})

TypesOf = Callable[[str, frozenset[str]], tuple[str, ...] | None]
"""From a term's id and the ids of all that it is a kind of, itself included, to its semantic types; None drops it."""


class Obo(Small):
    """An OBO file, as it is or compressed (`.obo.xz`).

    Args:
        name: the vocabulary's short name; the ontology's own where None.
        scopes: of the synonyms that are kept.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        licence: str | None = None,
        types_of: TypesOf = lambda _id, _kinds: (),
        scopes: Sequence[str] = ("EXACT",),
    ):
        self._path = path
        self._name = name
        self._licence = licence
        self._types_of = types_of
        self._scopes = frozenset(scopes)
        self._header: dict[str, str] = {}

    def infos(self) -> tuple[SourceInfo, ...]:
        """The ontology, with the version and licence that its header states."""
        if not self._header:
            for _number, line in read_lines(self._path):
                if line.startswith("["):
                    break
                self._read_header(line)
        return (
            SourceInfo(
                self._short(),
                self._header.get("data-version", "not stated"),
                self._licence or self._header.get("licence", "not stated"),
                self._path.name.removesuffix(".xz"),
            ),
        )

    def _short(self) -> str:
        file = self._path.name.removesuffix(".xz").removesuffix(".obo")
        return self._name or self._header.get("ontology", file).removesuffix(".obo").upper()

    def entries(self) -> Iterator[Entry]:
        """The terms that are not obsolete."""
        stanzas = list(self._stanzas())
        parents = {s["id"][0]: [p.split(" ")[0] for p in s.get("is_a", [])] for s in stanzas}
        kinds: dict[str, frozenset[str]] = {}
        for stanza in stanzas:
            identifier = stanza["id"][0]
            types = self._types_of(identifier, ancestors(identifier, parents, kinds))
            if types is not None and "true" not in stanza.get("is_obsolete", ()):
                yield self._entry(identifier, stanza, types)

    def _stanzas(self) -> Iterator[dict[str, list[str]]]:
        stanza: dict[str, list[str]] | None = None
        kind = ""
        started = False
        for number, line in read_lines(self._path):
            if line.startswith("["):
                if stanza:
                    yield stanza
                kind, started = line, True
                stanza = {} if kind == "[Term]" else None
            elif not started:
                self._read_header(line)
            elif stanza is not None and line:
                tag, colon, value = line.partition(": ")
                if not colon or not (stanza or tag == "id"):
                    where = f"{self._path}:{number}"
                    raise DictionaryError(
                        f"{line[:60]!r} is not a line of a term", where=where, expected='"tag: value"'
                    )
                stanza.setdefault(tag, []).append(value)
        if stanza:
            yield stanza
        if not started:
            raise DictionaryError("has no [Term]", where=str(self._path), expected="an OBO file")

    def _read_header(self, line: str) -> None:
        tag, _, value = line.partition(": ")
        if tag in ("data-version", "ontology"):
            self._header[tag] = value
        elif tag == "property_value" and value.startswith(("terms:license ", "dcterms:license ")):
            self._header["licence"] = value.split(" ")[1].strip('"')

    def _entry(self, identifier: str, stanza: dict[str, list[str]], types: tuple[str, ...]) -> Entry:
        source = self._short()
        names = stanza.get("name") or [identifier]
        terms = [Term(names[0], source, preferred=True)]
        for synonym in stanza.get("synonym", ()):
            quoted = _QUOTED.match(synonym)
            scope = synonym[quoted.end() :].split()[:1] if quoted else []
            if quoted and (scope[0] if scope and scope[0] in _SCOPES else "RELATED") in self._scopes:
                terms.append(Term(_unescape(quoted.group(1)), source))
        definitions = [_QUOTED.match(line) for line in stanza.get("def", ())]
        return Entry(
            identifier,
            tuple(dict.fromkeys(terms)),
            types,
            tuple(_unescape(found.group(1)) for found in definitions if found and found.group(1)),
            tuple(_equivalents(identifier, stanza.get("xref", ()))),
        )


def _equivalents(identifier: str, xrefs: Sequence[str]) -> Iterator[str]:
    """The ids of other vocabularies among cross references; of MONDO's those alone that it says are equivalent."""
    own = identifier.partition(":")[0]
    for xref in xrefs:
        code = stated_code(xref.split(" ")[0])
        if code and not code.startswith(f"{own}:") and (own != "MONDO" or "MONDO:equivalentTo" in xref):
            yield code


def ancestors(identifier: str, parents: dict[str, list[str]], known: dict[str, frozenset[str]]) -> frozenset[str]:
    """The ids of all that a term is a kind of, itself included; `known` keeps what was found."""
    found = known.get(identifier)
    if found is None:
        seen = {identifier}
        queue = [identifier]
        while queue:
            for parent in parents.get(queue.pop(), ()):
                if parent not in seen:
                    seen.add(parent)
                    queue.append(parent)
        found = known[identifier] = frozenset(seen)
    return found


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: " " if found.group(1) in "nW" else found.group(1), text)
