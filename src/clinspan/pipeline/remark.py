"""What a run says of itself, beside its counts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remark:
    """One line of a summary; `warns` says that the user should look at it."""

    name: str
    value: str
    warns: bool = False
