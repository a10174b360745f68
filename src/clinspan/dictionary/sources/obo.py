"""OBO files, hp.obo, doid.obo and their like, and the same ontologies as OBO graphs in JSON, such as mondo.json.

Graphs are described at https://github.com/geneontology/obographs.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clinspan.dictionary.layout import Entry, Small, SourceInfo, Term
from clinspan.dictionary.sources.tabular import read_lines, stated_code
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


_EXPECTED = "an OBO graph, as MONDO publishes mondo.json"
_FIX = "Download the file again, or name the ontology's .obo file."
_EXACT_SYNONYM = "hasExactSynonym"
_EXACT_MATCHES = ("exactMatch", "equivalentClass")
_SPECIAL = (
    (re.compile(r"https?://(?:www\.)?omim\.org/entry/(\d+)"), "OMIM"),
    (re.compile(r"https?://(?:www\.)?omim\.org/phenotypicSeries/(?:PS)?(\d+)"), "OMIMPS"),
    (re.compile(r"https?://linkedlifedata\.com/resource/umls/id/(C\d+)"), "UMLS"),
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

_Object = Mapping[str, Any]


def code_of_iri(iri: str) -> str:
    """An IRI as VOCABULARY:ID: `http://purl.obolibrary.org/obo/MONDO_0005393` is MONDO:0005393; others are kept."""
    if "://" not in iri:
        return iri
    for pattern, vocabulary in _SPECIAL:
        found = pattern.fullmatch(iri)
        if found:
            return f"{vocabulary}:{found.group(1)}"
    before, last = ["", *iri.rstrip("/#").split("/")][-2:]
    vocabulary, underscore, identifier = last.partition("_")
    return f"{vocabulary}:{identifier}" if underscore else f"{before}:{last}"


class OboGraph(Small):
    """The classes of an ontology in a file of OBO graphs, with their names, exact synonyms and equivalents.

    Only classes of the ontology's own are taken, as its address names it (mondo.owl: MONDO); where it has none of
    these, all are. Equivalents are what it states as exact matches, and its cross references; of MONDO's, which are of
    every kind, only exact matches, as in OBO files.

    Args:
        name: the vocabulary's short name; the ontology's own where None.
    """

    def __init__(self, path: Path, *, name: str | None = None, types_of: TypesOf = lambda _id, _kinds: ()):
        self._path = path
        self._name = name
        self._types_of = types_of
        self._graph: _Object | None = None

    def infos(self) -> tuple[SourceInfo, ...]:
        """The ontology, with the version and licence that it states.

        Raises:
            DictionaryError: as `entries`.
        """
        meta = _meta(self._read())
        version = str(meta.get("version", "not stated"))
        dated = _DATE.search(version)
        licences = [value for pred, value in _properties(meta) if pred.endswith(("license", "licence"))]
        stated = (dated.group() if dated else version, licences[0] if licences else "not stated")
        return (SourceInfo(self._short(), *stated, self._path.name),)

    def entries(self) -> Iterator[Entry]:
        """The classes that have a name and are not deprecated.

        Raises:
            DictionaryError: naming the file, and the node where there is one, for what is no OBO graph.
        """
        graph = self._read()
        nodes = {code_of_iri(node["id"]): node for node in graph["nodes"] if node.get("type", "CLASS") == "CLASS"}
        own = f"{self._prefix()}:"
        chosen = {code: node for code, node in nodes.items() if code.startswith(own)} or nodes
        parents: dict[str, list[str]] = {}
        for edge in graph.get("edges") or ():
            if edge.get("pred") == "is_a":
                parents.setdefault(code_of_iri(edge["sub"]), []).append(code_of_iri(edge["obj"]))
        same = _together(graph)
        kinds: dict[str, frozenset[str]] = {}
        for code, node in chosen.items():
            types = self._types_of(code, ancestors(code, parents, kinds))
            meta = _meta(node)
            if types is None or meta.get("deprecated") or not node.get("lbl"):
                continue
            stated = [value for pred, value in _properties(meta) if pred.endswith(_EXACT_MATCHES)] + same.get(code, [])
            if own != "MONDO:":
                stated += [str(xref.get("val", "")) for xref in meta.get("xrefs") or ()]
            yield self._entry(code, node, types, stated)

    def _entry(self, code: str, node: _Object, types: tuple[str, ...], stated: Sequence[str]) -> Entry:
        source = self._short()
        meta = _meta(node)
        said = (one for one in meta.get("synonyms") or () if one.get("pred") == _EXACT_SYNONYM)
        synonyms = [str(one["val"]) for one in said if one.get("val")]
        terms = (Term(node["lbl"], source, preferred=True), *(Term(synonym, source) for synonym in synonyms))
        definition = str((meta.get("definition") or {}).get("val") or "")
        vocabulary = code.partition(":")[0]
        codes = (stated_code(code_of_iri(one)) for one in stated)
        equivalents = tuple(dict.fromkeys(one for one in codes if one and not one.startswith(f"{vocabulary}:")))
        return Entry(code, tuple(dict.fromkeys(terms)), types, (definition,) if definition else (), equivalents)

    def _short(self) -> str:
        return self._name or self._prefix()

    def _prefix(self) -> str:
        return str(self._read().get("id", self._path.stem)).rsplit("/", 1)[-1].partition(".")[0].upper()

    def _read(self) -> _Object:
        if self._graph is None:
            try:
                data = json.loads(self._path.read_bytes())
            except OSError as error:
                raise DictionaryError(f"cannot be read: {error.strerror}", where=str(self._path)) from error
            except (ValueError, RecursionError) as error:
                problem = f"is not JSON: {error}"
                raise DictionaryError(problem, where=str(self._path), expected=_EXPECTED, fix=_FIX) from error
            graphs = data.get("graphs") if isinstance(data, dict) else None
            if not (isinstance(graphs, list) and graphs and isinstance(graphs[0], dict) and graphs[0].get("nodes")):
                raise DictionaryError("has no graph with nodes", where=str(self._path), expected=_EXPECTED, fix=_FIX)
            self._check(graphs[0])
            self._graph = graphs[0]
        return self._graph

    def _check(self, graph: _Object) -> None:
        """Refuses what is not of the shape that is read from here on."""
        for kind, needed in (("nodes", ("id",)), ("edges", ("sub", "obj")), ("equivalentNodesSets", ())):
            for number, one in enumerate(graph.get(kind) or ()):
                if not _is_sound(one, needed):
                    where = f"{self._path}: {kind}[{number}]"
                    problem = "is not as OBO graphs have it"
                    having = f" with {', '.join(needed)}" if needed else ""
                    expected = f"an object{having}, whose meta holds lists of objects"
                    raise DictionaryError(problem, where=where, expected=expected, fix=_FIX)


def _is_sound(one: object, needed: Sequence[str]) -> bool:
    if not isinstance(one, dict) or not all(isinstance(one.get(key), str) for key in needed):
        return False
    meta = one.get("meta") or {}
    if not isinstance(meta, dict) or not isinstance(one.get("lbl") or "", str):
        return False
    lists = [meta.get(key) or [] for key in ("synonyms", "xrefs", "basicPropertyValues")]
    if not isinstance(one.get("nodeIds") or [], list):
        return False
    objects = all(isinstance(items, list) and all(isinstance(item, dict) for item in items) for items in lists)
    return objects and isinstance(meta.get("definition") or {}, dict)


def _meta(one: _Object) -> _Object:
    meta: _Object = one.get("meta") or {}
    return meta


def _properties(meta: _Object) -> Iterator[tuple[str, str]]:
    for one in meta.get("basicPropertyValues") or ():
        yield str(one.get("pred", "")), str(one.get("val", ""))


def _together(graph: _Object) -> dict[str, list[str]]:
    """By code, what the graph counts as equivalent to it (`equivalentNodesSets`)."""
    found: dict[str, list[str]] = {}
    for group in graph.get("equivalentNodesSets") or ():
        codes = [code_of_iri(str(one)) for one in group.get("nodeIds") or ()]
        for code in codes:
            found.setdefault(code, []).extend(other for other in codes if other != code)
    return found
