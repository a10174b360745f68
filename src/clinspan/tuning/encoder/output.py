"""The output folder of a run, before anything is loaded."""

from pathlib import Path

from clinspan.errors import InputError, OutputError

CHECKPOINTS = "checkpoint"


def check_output(folder: Path, *, resume: bool, force: bool) -> None:
    """Makes the output folder.

    Raises:
        OutputError: when it has files and the run is neither resumed nor forced, or it cannot be made.
        InputError: when a run is to be resumed that left no checkpoint.
    """
    if resume and not any((folder / CHECKPOINTS).glob("checkpoint-*")):
        raise InputError("has no checkpoint to resume from", where=str(folder), fix="Leave out --resume.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not (resume or force):
            raise OutputError(
                "is not empty", where=str(folder), fix="Go on with --resume, start over with --force, or name another."
            )
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", where=str(folder)) from error
