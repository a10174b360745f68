"""Sample notes, written for this project: every patient, clinician, place and study in them is made up."""

from importlib import resources

from clinspan.document import Document

NAMES = (
    "discharge_summary",
    "radiology_report",
    "emergency_note",
    "medication_list",
    "progress_note",
    "windows_note",
    "abstract_genetics",
    "abstract_adverse_effects",
)
"""Six clinical notes, then two abstracts. `windows_note` has Windows line ends and much that is not ASCII."""


def load() -> tuple[Document, ...]:
    """The sample notes in the order of `NAMES`, each under its name; line ends are as in the files."""
    folder = resources.files("clinspan.samples") / "notes"
    return tuple(Document(name, (folder / f"{name}.txt").read_bytes().decode("utf-8")) for name in NAMES)
