"""What a run is: the recipe of its tagger, and its folder.

A recipe is what a user asked for, from which a tagger is made: here, or in another process that gets it sent. The
folder has what the run is and depends on, its ledger, and the lock that keeps it to one process.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from clinspan.document import Document
from clinspan.errors import ConfigError, OutputError
from clinspan.examples import notes
from clinspan.examples.build import temporary
from clinspan.examples.pool import Pool
from clinspan.examples.selection import Strategy
from clinspan.examples.store import documents_of
from clinspan.files import Closing, private_folder, whole_file
from clinspan.labels import LabelSet
from clinspan.llms.spec import kinds
from clinspan.runs.ledger import Ledger
from clinspan.settings import TAGGING_SETTINGS
from clinspan.tagging.tagger import Tagger

_PATHS = frozenset({"PATH", "FOLDER", "FILE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerRecipe:
    """Makes the same tagger wherever its files are at the same paths. Small, and can be pickled.

    Attributes:
        llm: the LLM's spec.
        labels: what is asked for.
        options: settings of the LLM and of tagging, by the names that Python has; see `Tagger.open`.
        adapter: a folder made by `clinspan tune`, or `none`; None for the one that comes with clinspan.
        format: the format's name.
        dictionary: `open`, `none`, or a folder.
        calibration: a file, `none`, or None for what came with the adapter.
        encoder: a folder made by `clinspan tune-encoder`; None for none.
        fused: a file that `clinspan fuse` wrote, `none`, or None for what comes with clinspan.
        explain: whether documents keep why a fused model decided so.
        effort: `fast`, `balanced` or `full`; see `Tagger.open`.
        pool: annotated documents.
        examples: the folder of a pool of them, or `notes`; in its place, or theirs.
        teach: whether they teach the dictionary which of its terms are meant; see `Tagger`. Prompts show them where the
            settings say so.
    """

    llm: str
    labels: LabelSet
    options: Mapping[str, Any] = field(default_factory=dict)
    adapter: str | None = None
    format: str = "tanl"
    dictionary: str = "open"
    calibration: str | None = None
    encoder: Path | None = None
    fused: str | None = None
    explain: bool = False
    effort: str | None = None
    pool: tuple[Document, ...] = ()
    examples: Path | None = None
    teach: bool = True

    def make(self) -> Tagger:
        """The tagger, with its model and dictionary open.

        Raises:
            ClinspanError: when a part cannot be had, see `Tagger`.
        """
        shown, taught = self._examples()
        return Tagger.open(
            self.llm,
            labels=self.labels,
            format=self.format,
            dictionary=self.dictionary,
            adapter=self.adapter,
            encoder=self.encoder,
            fused=self.fused,
            explain=self.explain,
            effort=self.effort,
            calibration=self.calibration,
            examples=shown,
            taught=taught,
            **self.options,
        )

    def _examples(self) -> tuple[Pool | None, Iterable[Document]]:
        """What prompts show, and what the dictionary learns from."""
        strategy = Strategy(self.options.get("select") or Strategy.FIXED)
        draws = strategy.draws_on_pool
        if self.examples is not None:
            named = notes.is_named(self.examples)
            pool = notes.pool(self.labels.names) if named else Pool.open(self.examples)
            if named and self.options.get("select") is None:
                # The tagger knows whether its model is to be shown examples.
                return pool, (documents_of(pool) if self.teach else ())
            return (pool if draws else None), (documents_of(pool) if self.teach else ())
        shown = temporary(self.pool, labels=self.labels.names) if draws and self.pool else None
        return shown, (self.pool if self.teach else ())

    def anchored(self) -> Self:
        """The same with absolute paths, for a process that works in another folder."""
        llm = self.llm
        kind, _, argument = llm.partition(":")
        # What follows `hf:` may be a folder of this machine or a name of the hub.
        local = kind in kinds() and kinds()[kind].argument in _PATHS
        if argument and (local or (kind == "hf" and Path(argument).is_dir())):
            llm = f"{kind}:{Path(argument).absolute()}"
        return replace(
            self,
            llm=llm,
            adapter=_anchored(self.adapter),
            dictionary=_anchored(self.dictionary, "open") or self.dictionary,
            calibration=_anchored(self.calibration),
            fused=_anchored(self.fused),
            encoder=self.encoder.absolute() if self.encoder is not None else None,
            examples=self.examples if notes.is_named(self.examples) else self.examples and self.examples.absolute(),
        )


def _anchored(path: str | None, *names: str) -> str | None:
    return path if path in (None, "none", *names) else str(Path(str(path)).absolute())


DESCRIPTION = "run.json"
LEDGER = "ledger.sqlite"
LOCK = ".lock"
_PART = f"{DESCRIPTION}.part"
_OURS = frozenset({DESCRIPTION, _PART, LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", LOCK})
_SHOWN = 3
"""Settings that differ, as an error names them."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a run is.

    Attributes:
        settings: everything that its results depend on but the inputs' text, by name.
        inputs: what is read, and how.
        command: the arguments of the command, so that it can be repeated by the folder alone.
        directory: in which it was given.
        outputs: where its results go.
        id: names what it writes beside its outputs.
        clinspan: the version it was begun with.
        program: which of clinspan's commands it is.
    """

    settings: Mapping[str, str]
    inputs: Mapping[str, Any]
    command: Sequence[str]
    directory: str
    outputs: Sequence[str]
    id: str = ""
    clinspan: str = ""
    program: str = "tag"

    @property
    def checksum(self) -> str:
        """Of settings, inputs and version."""
        told = json.dumps([self.settings, self.inputs, self.clinspan], sort_keys=True)
        return hashlib.sha256(told.encode("ascii")).hexdigest()

    def differences(self, other: "Description") -> list[str]:
        """Where this differs from another in what results depend on, each as `NAME: THERE in the run, HERE now`."""
        ours, theirs = self._named(), other._named()
        return [
            f"{name}: {theirs.get(name, 'nothing')} in the run, {ours.get(name, 'nothing')} now"
            for name in dict.fromkeys([*theirs, *ours])
            if ours.get(name) != theirs.get(name)
        ]

    def _named(self) -> dict[str, str]:
        inputs = {f"inputs' {name}": str(value) for name, value in self.inputs.items()}
        return {"clinspan": self.clinspan, **self.settings, **inputs}


class RunFolder(Closing):
    """Opens a run for this process alone, or begins it.

    Args:
        path: the folder; it is made, readable by the user alone.

    Raises:
        OutputError: when another process has it, it holds other files than a run's, or it cannot be written.
    """

    def __init__(self, path: Path):
        self.path = path
        self.id = ""
        """The run's id, once it is described."""
        if path.exists() and not path.is_dir():
            raise OutputError("is a file, and a run is a folder", where=str(path), fix="Name a folder.")
        try:
            private_folder(path)
            held = sorted(file.name for file in path.iterdir() if file.name not in _OURS)
            if held and not (path / DESCRIPTION).exists():
                raise OutputError(
                    f"is not the folder of a run: it holds {held[0]}",
                    where=str(path),
                    fix="Name a folder that is not there.",
                )
            self._lock = FileLock(path / LOCK, mode=0o600)
            self._lock.acquire(blocking=False)
        except Timeout:
            raise OutputError(
                "another process is at work on this run", where=str(path), fix="Wait for its end, or stop it."
            ) from None
        except OSError as error:
            raise OutputError(f"cannot be used: {error.strerror}", where=str(path)) from error
        try:
            self.ledger = Ledger(path / LEDGER)
        except OutputError:
            self._lock.release()
            raise

    @property
    def begun(self) -> bool:
        """Whether there is a run in it already."""
        return (self.path / DESCRIPTION).exists()

    def describe(self, now: Description) -> None:
        """Writes down what the run is; or, where it was begun before, checks that it is the same.

        Raises:
            ConfigError: naming what differs from the run as it was begun.
            OutputError: when it cannot be written.
        """
        now = replace(now, clinspan=version("clinspan"))
        if not self.begun:
            self._write(replace(now, id=secrets.token_hex(4)))
            return
        was = read_description(self.path)
        differences = now.differences(was)
        if differences:
            more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
            raise ConfigError(
                f"the run was begun differently: {'; '.join(differences[:_SHOWN])}{more}",
                where=str(self.path),
                fix="Repeat the command that began it, or begin another run: what is in the cache costs nothing.",
            )
        self._write(replace(now, id=was.id))

    def _write(self, description: Description) -> None:
        self.id = description.id
        path = self.path / DESCRIPTION
        told = json.dumps({**asdict(description), "checksum": description.checksum}, indent=2, ensure_ascii=False)
        with whole_file(path, part=_PART, private=True) as file:
            file.write(told + "\n")

    def close(self) -> None:
        """Puts everything on disk and lets others have the run.

        Raises:
            OutputError: when the ledger cannot be written.
        """
        try:
            self.ledger.close()
        finally:
            self._lock.release()

    def forget(self) -> None:
        """Closes the run and deletes its files; the folder goes with them if nothing else is in it.

        Raises:
            OutputError: when that cannot be done.
        """
        self.ledger.close()
        try:
            for name in sorted(_OURS - {LOCK}):
                (self.path / name).unlink(missing_ok=True)
            self._lock.release()
            (self.path / LOCK).unlink(missing_ok=True)
            if not any(self.path.iterdir()):
                self.path.rmdir()
        except OSError as error:
            raise OutputError(f"cannot be deleted: {error.strerror}", where=str(self.path)) from error


def read_description(folder: Path) -> Description:
    """What the run in a folder is.

    Raises:
        ConfigError: when there is none, or its description was changed.
    """
    path = folder / DESCRIPTION
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        checksum = data.pop("checksum")
        description = Description(**data)
    except FileNotFoundError:
        raise ConfigError("there is no run here", where=str(folder), expected=f"a folder with {DESCRIPTION}") from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"is not a description of a run: {error}", where=str(path)) from error
    if checksum != description.checksum:
        raise ConfigError("was changed by hand", where=str(path), fix="Put it back, or begin another run.")
    return description


_PACE = frozenset({"ahead"})
"""Settings that change how fast results come, and not what they are."""
_NAMES = {setting.at: setting.name for setting in TAGGING_SETTINGS.values()}


def settings_of(tagger: Tagger, recipe: TaggerRecipe) -> dict[str, str]:
    """The tagger's parts and settings as text.

    Args:
        tagger: what tags.
        recipe: what it was made of.
    """
    dictionary = "none"
    if tagger.dictionary is not None:
        info = tagger.dictionary.info
        dictionary = f"{', '.join(f'{s.name} {s.version}' for s in info.sources)} (built {info.built})"
    examples = f"documents {digest(recipe.pool)}" if recipe.pool else "none"
    pool = Pool.open(recipe.examples) if recipe.examples and not notes.is_named(recipe.examples) else tagger.examples
    if not recipe.pool and pool is not None:
        about = pool.info
        examples = f"pool of {about.examples} ({about.generation}, built {about.built})"
    return {
        "model": tagger.model.name if tagger.model is not None else "none",
        "encoder": tagger.encoder.name if tagger.encoder is not None else "none",
        "labels": f"{tagger.labels.name} ({', '.join(tagger.labels.names)}; {digest(tagger.labels)})",
        "format": tagger.format.name,
        "dictionary": dictionary,
        "calibration": digest(tagger.calibration),
        **({"fused": digest(tagger.fused.to_json())} if tagger.fused is not None else {}),
        "examples": examples,
        "taught by examples": str(recipe.teach),
        **{_NAMES.get(at, at): value for at, value in _flat("", asdict(tagger.settings)) if at not in _PACE},
    }


def digest(value: object) -> str:
    """A short hash of what a value's parts are."""
    return hashlib.sha256(repr(value).encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _flat(name, asdict(value))
    else:
        yield name, str(value.value if isinstance(value, Enum) else value)
