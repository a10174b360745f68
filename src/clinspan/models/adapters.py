"""Adapters: small files that tune a base model for certain labels, each in a folder with its card.

A folder holds `adapter.gguf`, `card.json` and, where it was calibrated, `calibration/LABELS.toml` for each set of
labels; those of this package lie in `clinspan/adapters`. A card says for which sets of labels its adapter was trained
and on which base, by checksum: on any other base it would only do harm.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from clinspan.errors import InputError, ModelError
from clinspan.models.registry import sha256_of

ADAPTER_FILE = "adapter.gguf"
CARD_FILE = "card.json"
CALIBRATIONS = "calibration"


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that can be loaded.

    Attributes:
        name: as reports show it.
        path: its GGUF file.
        sha256: of that file, by its card.
        base: the base model's name.
        base_sha256: of the base's file.
        label_sets: the sets of labels it was trained to mark, each in the order in which the prompt must name them.
        format: the prompt format it answers in.
        prompt_style: the style of prompt it knows (see `clinspan.prompt.PromptSettings`).
        facts: whether it was tuned with prompts that tell what the dictionary would tag.
        attributes: whether it was tuned to say the attributes that labels declare.
        card: all that its card says.
    """

    name: str
    path: Path
    sha256: str
    base: str
    base_sha256: str
    label_sets: tuple[tuple[str, ...], ...]
    format: str
    prompt_style: str
    facts: bool
    attributes: bool
    card: dict[str, Any]

    def covers(self, names: Collection[str]) -> bool:
        """True when it was trained to mark exactly these labels together."""
        return any(set(known) == set(names) and len(known) == len(names) for known in self.label_sets)

    def calibrations(self) -> dict[str, str]:
        """What its scores mean: TOML for each set of labels, by their sorted names with `+` in between.

        Raises:
            InputError: when a calibration cannot be read.
        """
        made = {}
        for path in sorted((self.path.parent / CALIBRATIONS).glob("*.toml")):
            try:
                made[path.stem] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"the adapter's calibration cannot be read: {error}", where=str(path)) from error
        return made

    def check_base(self, path: Path) -> None:
        """Makes sure that the base is the one it was trained on; reads the whole file.

        Raises:
            ModelError: when it is another.
        """
        found = sha256_of(path)
        if found != self.base_sha256:
            raise ModelError(
                f"the adapter {self.name!r} was trained on another base than {path.name} (sha256 {found[:12]}...)",
                where=str(self.path),
                expected=f"{self.base}, sha256 {self.base_sha256[:12]}...",
                fix="Use --adapter none, or tune an adapter for this base.",
            )

    def check_file(self) -> None:
        """Makes sure that the adapter's file is the one its card describes.

        Raises:
            ModelError: when it is missing or damaged.
        """
        if not self.path.is_file():
            raise ModelError("the adapter's file is missing", where=str(self.path))
        if sha256_of(self.path) != self.sha256:
            raise ModelError("is not the file its card describes (checksum)", where=str(self.path))


def read(folder: Path) -> Adapter:
    """The adapter in `folder`, or whose file is `folder`.

    Raises:
        InputError: when there is no card or it lacks something.
    """
    folder = folder.parent if folder.name == ADAPTER_FILE else folder
    path = folder / CARD_FILE
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        return Adapter(
            name=card["name"],
            path=folder / ADAPTER_FILE,
            sha256=card["adapter"]["sha256"],
            base=card["base"]["name"],
            base_sha256=card["base"]["sha256"],
            label_sets=tuple(tuple(names) for names in card["label_sets"]),
            format=card["format"],
            prompt_style=card["prompt_style"],
            facts=card["facts"],
            attributes=bool(card.get("attributes", False)),
            card=card,
        )
    except OSError as error:
        raise InputError(f"the adapter's card cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"is not an adapter's card: {error!r}", where=str(path)) from error


def beside(file: Path) -> Adapter | None:
    """The adapter whose file this is; None where no card lies beside it."""
    return read(file) if file.with_name(CARD_FILE).is_file() else None


def shipped() -> tuple[Adapter, ...]:
    """The adapters that come with clinspan, by name."""
    root = resources.files("clinspan") / "adapters"
    with resources.as_file(root) as folder:
        return tuple(read(card.parent) for card in sorted(folder.glob(f"*/{CARD_FILE}")))


def for_labels(names: Collection[str], *, base_sha256: str | None = None) -> Path | None:
    """The folder of the shipped adapter for these labels, None when there is none.

    Args:
        names: the label names that are asked for together.
        base_sha256: the base's checksum, where it is known; an adapter for another base is passed over.
    """
    for adapter in shipped():
        if adapter.covers(names) and base_sha256 in (None, adapter.base_sha256):
            return adapter.path.parent
    return None
