"""The models clinspan knows: what each is, what its files are, and where they may come from."""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from clinspan.errors import ModelError, did_you_mean
from clinspan.files import cache_folder

Kind = Literal["llm", "encoder"]

BLOCK = 1 << 20
"""Bytes that are read, hashed and written at a time."""


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A file inside a package's wheel: `package` as NAME==VERSION, `path` in the archive, `bytes` to download."""

    package: str
    path: str
    bytes: int

    def __str__(self) -> str:
        return f"{self.path} in the wheel of {self.package}"


@dataclass(frozen=True, slots=True)
class HubSource:
    """A file of a model hub's repository at a revision."""

    repository: str
    revision: str
    path: str
    bytes: int

    def __str__(self) -> str:
        return f"{self.path} of {self.repository} at {self.revision[:12]} on the Hugging Face hub"


@dataclass(frozen=True, slots=True)
class LocalSource:
    """A file of this machine, or, where `member` is set, that member of a wheel on this machine."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return f"{self.member} in {self.path}" if self.member else str(self.path)


Source = WheelSource | HubSource | LocalSource


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model. `sources` are tried in order; `sha256` (hex) decides whether one gave the right file."""

    name: str
    sha256: str
    bytes: int
    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):
            raise ModelError(f"the sha256 of {self.name!r} is not 64 lower-case hexadecimal digits")
        if Path(self.name).name != self.name:
            raise ModelError(f"{self.name!r} cannot be a model file's name", expected="a name without folders")


@dataclass(frozen=True, slots=True)
class Model:
    """An entry of the registry. The first of its files holds the weights; the others lie beside it.

    Attributes:
        licence: of the files, as an SPDX expression.
        about: one sentence on what the model is good for.
        homepage: where its makers describe it.
    """

    name: str
    kind: Kind
    licence: str
    about: str
    homepage: str
    files: tuple[ModelFile, ...]

    def __post_init__(self) -> None:
        if not self.files:
            raise ModelError(f"model {self.name!r} has no files")
        if self.kind not in get_args(Kind):
            raise ModelError(f"model {self.name!r} is of the unknown kind {self.kind!r}", expected="llm or encoder")

    @property
    def bytes(self) -> int:
        """Size of all its files."""
        return sum(file.bytes for file in self.files)

    @property
    def megabytes(self) -> str:
        """That size as people read it."""
        return f"{self.bytes / 1e6:.0f} MB"

    @property
    def folder(self) -> Path:
        """Where its files lie once they are pulled."""
        return cache_folder() / "models" / self.name

    def missing(self) -> list[ModelFile]:
        """The files that are not there in full size; their content is not read (see `damaged`)."""
        return [file for file in self.files if not _has_size(self.folder / file.name, file.bytes)]

    def damaged(self) -> list[ModelFile]:
        """The files that are there in full size, but with another content; reads every one of them."""
        missing = set(self.missing())
        return [f for f in self.files if f not in missing and sha256_of(self.folder / f.name) != f.sha256]


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def blocks(path: Path) -> Iterator[bytes]:
    """The content of a file, a block at a time."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, in hex."""
    digest = hashlib.sha256()
    for block in blocks(path):
        digest.update(block)
    return digest.hexdigest()


def read_registry(text: str, *, where: str) -> Mapping[str, Model]:
    """The models a registry file describes, by name.

    Raises:
        ModelError: when it is not TOML, lacks a key, or describes something that cannot be.
    """
    try:
        tables = tomllib.loads(text)
        return {name: _model(name, table) for name, table in tables.items()}
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"not TOML: {error}", where=where) from error
    except KeyError as error:
        raise ModelError(f"the key {error} is missing", where=where) from error


def _model(name: str, table: Mapping[str, Any]) -> Model:
    files = tuple(
        ModelFile(f["name"], f["sha256"], f["bytes"], tuple(_source(source) for source in f["sources"]))
        for f in table["files"]
    )
    return Model(name, table["kind"], table["licence"], table["about"], table["homepage"], files)


def _source(table: Mapping[str, Any]) -> Source:
    if "wheel" in table:
        return WheelSource(table["wheel"], table["path"], table["bytes"])
    return HubSource(table["hub"], table["revision"], table["path"], table["bytes"])


@cache
def entries() -> Mapping[str, Model]:
    """The models that come with clinspan's registry, by name."""
    text = resources.files(__package__).joinpath("registry.toml").read_text(encoding="utf-8")
    return read_registry(text, where="registry.toml")


def find(name: str) -> Model:
    """The registry's entry of that name.

    Raises:
        ModelError: when there is none; offers the nearest name.
    """
    if name not in entries():
        raise ModelError(f"no model is called {name!r}", fix=did_you_mean(name, entries()))
    return entries()[name]


def path_of(name: str, file: str | None = None) -> Path:
    """Where the model's weights lie, or its file of that name. Fetches nothing.

    Raises:
        ModelError: when the model is unknown, or not pulled; says the command that pulls it.
    """
    model = find(name)
    wanted = file or model.files[0].name
    if wanted not in {f.name for f in model.files}:
        raise ModelError(
            f"model {name!r} has no file {wanted!r}", fix=did_you_mean(wanted, [f.name for f in model.files])
        )
    if wanted in {f.name for f in model.missing()}:
        raise ModelError(
            f"the model {name!r} is not on this machine",
            where=str(model.folder),
            fix=f"Fetch it with: clinspan models pull {name}",
        )
    return model.folder / wanted
