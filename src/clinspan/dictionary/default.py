"""The dictionary that needs no licence: packaged open vocabularies, built into the user's cache on first use."""

import hashlib
from pathlib import Path

from clinspan.dictionary import layout
from clinspan.dictionary.build import build
from clinspan.dictionary.keys import Progress
from clinspan.dictionary.sources.packaged import packaged
from clinspan.dictionary.store import Dictionary
from clinspan.folders import cache_folder


def default_path() -> Path:
    """The folder of the default dictionary, which names the releases it is made of: other releases, another folder.

    Raises:
        MissingExtra: when the vocabularies are not installed.
    """
    releases = [f"{layout.FORMAT}"]
    for source in packaged():
        releases += [f"{info.name} {info.version}" for info in source.infos()]
    digest = hashlib.sha256("\n".join(releases).encode()).hexdigest()[:12]
    return cache_folder() / "dictionaries" / f"open-{digest}"


def open_default(progress: Progress | None = None) -> Dictionary:
    """The default dictionary, built first where it is not there yet; two processes that start at once build it once.

    Raises:
        MissingExtra: when the vocabularies are not installed.
        DictionaryError: when one of them is damaged, or the cache folder cannot be written.
    """
    path = default_path()
    if not (path / layout.MANIFEST).exists():
        build(packaged(), path, progress=progress, keep=True)
    return Dictionary.open(path)
