"""The page on which people correct: its files, as they lie in the package. It knows nothing of notes."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import Response

from clinspan.server.faults import fault

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_START = "index.html"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    # The browser asks each time whether it has changed: a newer clinspan shows its own page.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}
"""No script or style but the page's own files, no other site, and no text that becomes markup (Trusted Types)."""

router = APIRouter(include_in_schema=False)


def is_page(path: str) -> bool:
    """Whether a path is a file of the page: these hold no note, and are given to whoever can reach the service."""
    return path == "/" or path.startswith("/page/")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page.

    Attributes:
        content: its bytes.
        packed: the same, with gzip.
        type: its media type.
        tag: the ETag: another for other bytes.
    """

    content: bytes
    packed: bytes
    type: str
    tag: str


@cache
def assets() -> dict[str, Asset]:
    """The page's files by their names."""
    found = {}
    for file in (resources.files("clinspan.server") / "assets").iterdir():
        content = file.read_bytes()
        found[file.name] = Asset(
            content,
            gzip.compress(content, mtime=0),
            _TYPES[file.name.rpartition(".")[2]],
            f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        )
    return found


@router.get("/")
def get_start(accept_encoding: Annotated[str, Header()] = "", if_none_match: Annotated[str, Header()] = "") -> Response:
    """The page."""
    return _answer(_START, accept_encoding, if_none_match)


@router.get("/page/{name}")
def get_file(
    name: str, accept_encoding: Annotated[str, Header()] = "", if_none_match: Annotated[str, Header()] = ""
) -> Response:
    """A file of the page: its styles, scripts and picture."""
    return _answer(name, accept_encoding, if_none_match)


def _answer(name: str, encodings: str, known: str) -> Response:
    asset = assets().get(name)
    if asset is None:
        return fault(404, "there is nothing at this path")
    headers = HEADERS | {"ETag": asset.tag}
    if asset.tag in known:
        return Response(status_code=304, headers=headers)
    if "gzip" in encodings:
        return Response(asset.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=asset.type)
    return Response(asset.content, headers=headers, media_type=asset.type)
