"""BioC XML as BioC JSON: elements to objects, each with its line, and back. Entities declared in a file are refused."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from clinspan.corpora.text import cannot_read
from clinspan.errors import InputError

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n'
    "<collection><source>clinspan</source><date></date><key></key>\n"
)
TAIL = "</collection>\n"
_MANY = {"passage", "sentence", "annotation", "relation", "location", "node"}
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BEFORE_ROOT = re.compile(r"\s+|(<\?|<!--|<!)")
_ENDS = {"<?": "?>", "<!--": "-->", "<!": ">"}
_ROOT = re.compile(r"<([^\s>/]+)[\s>/]")
_CHUNK = 1 << 16


def root(text: str) -> str | None:
    """The name of the first element, in text that begins as XML; None where there is none."""
    at = 0
    while match := _BEFORE_ROOT.match(text, at):
        at = match.end()
        if match[1]:
            end = text.find(_ENDS[match[1]], at)
            if end < 0:
                return None
            at = end + len(_ENDS[match[1]])
    found = _ROOT.match(text, at)
    return found[1] if found else None


def documents(path: Path) -> Iterator[dict[str, Any] | InputError]:
    """The documents of a collection, one at a time; an error where the XML ends or goes wrong, and nothing after it.

    Raises:
        InputError: when the file cannot be opened.
    """
    parser = _Parser(str(path))
    try:
        with path.open("rb") as file:
            while not parser.ended:
                try:
                    parser.feed(file.read(_CHUNK))
                except expat.ExpatError as error:
                    what = f"is not XML that can be read: {expat.ErrorString(error.code)}"
                    yield from parser.take()
                    yield InputError(what, where=f"{path}, line {error.lineno}")
                    return
                except InputError as error:
                    yield from parser.take()
                    yield error
                    return
                yield from parser.take()
    except OSError as error:
        raise cannot_read(path, error) from error


class _Parser:
    """Turns elements into objects. The standard parser fetches nothing by itself; entities are refused here."""

    def __init__(self, where: str):
        self._where = where
        self._done: list[dict[str, Any]] = []
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []
        self.ended = False
        self._expat = expat.ParserCreate()
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._characters
        self._expat.EntityDeclHandler = self._refuse
        self._expat.SkippedEntityHandler = self._refuse

    def feed(self, data: bytes) -> None:
        self.ended = not data
        self._expat.Parse(data, self.ended)

    def take(self) -> list[dict[str, Any]]:
        done, self._done = self._done, []
        return done

    def _place(self) -> str:
        return f"{self._where}, line {self._expat.CurrentLineNumber}"

    def _refuse(self, name: str, *_: object) -> None:
        raise InputError(f"uses or declares the entity {name!r}", where=self._place(), expected="characters alone")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open and tag != "collection":
            raise InputError(f"is not BioC: it begins with <{tag}>", where=self._place(), expected="<collection>")
        self._open.append((tag, {**attributes, "where": self._place()}, []))

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1][2].append(text)

    def _end(self, tag: str) -> None:
        _, data, texts = self._open.pop()
        if not self._open:
            return
        parent = self._open[-1][1]
        if tag == "document":
            self._done.append(data)
        elif tag == "infon":
            parent.setdefault("infons", {})[data.get("key", "")] = "".join(texts)
        elif tag in _MANY:
            parent.setdefault(f"{tag}s", []).append(data)
        else:
            parent[tag] = "".join(texts)
        if tag in ("location", "node"):
            del data["where"]


def dump(document: Mapping[str, Any]) -> str:
    """One document as an element, with its line end."""
    parts = ["<document>", _leaf("id", document["id"]), *_infons(document)]
    for passage in document["passages"]:
        parts += ["<passage>", *_infons(passage), _leaf("offset", passage["offset"]), _leaf("text", passage["text"])]
        for annotation in passage["annotations"]:
            parts += [f"\n<annotation id={_quoted(annotation['id'])}>", *_infons(annotation)]
            parts += [_empty("location", location) for location in annotation["locations"]]
            parts += [_leaf("text", annotation["text"]), "</annotation>"]
        parts.append("</passage>")
    for relation in document["relations"]:
        parts += [f"\n<relation id={_quoted(relation.get('id', ''))}>", *_infons(relation)]
        parts += [_empty("node", node) for node in relation.get("nodes", ())]
        parts.append("</relation>")
    return "".join(parts) + "</document>\n"


def _infons(data: Mapping[str, Any]) -> list[str]:
    infons = data.get("infons", {})
    return [f"<infon key={_quoted(key)}>{_escaped(value)}</infon>" for key, value in infons.items()]


def _leaf(tag: str, value: object) -> str:
    return f"<{tag}>{_escaped(value)}</{tag}>"


def _empty(tag: str, attributes: Mapping[str, object]) -> str:
    return f"<{tag}" + "".join(f" {key}={_quoted(value)}" for key, value in attributes.items()) + "/>"


def _escaped(value: object) -> str:
    # A carriage return that is not written as a reference is read as a line end.
    return escape(_NO_XML.sub("\ufffd", str(value)), {"\r": "&#13;"})


def _quoted(value: object) -> str:
    return quoteattr(_NO_XML.sub("\ufffd", str(value)), {"\r": "&#13;"})
