"""The output folder of a run of tuning, before anything is loaded."""

from collections.abc import Sequence
from pathlib import Path

from clinspan.errors import InputError, OutputError

CHECKPOINT = "checkpoint"
"""The folder of what a run goes on from, in its output folder."""


def check_output(folder: Path, *, checkpoints: Sequence[str], resume: bool, force: bool) -> None:
    """Makes the output folder.

    Args:
        folder: it.
        checkpoints: patterns, relative to it, of what such a run can be resumed from.
        resume: whether one is to be.
        force: write into a folder that has files.

    Raises:
        OutputError: when it has files and the run is neither resumed nor forced, or it cannot be made.
        InputError: when a run is to be resumed that left no checkpoint.
    """
    if resume and not any(True for pattern in checkpoints for _ in folder.glob(pattern)):
        raise InputError("has no checkpoint to resume from", where=str(folder), fix="Leave out --resume.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not (resume or force):
            raise OutputError(
                "is not empty", where=str(folder), fix="Go on with --resume, start over with --force, or name another."
            )
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", where=str(folder)) from error
