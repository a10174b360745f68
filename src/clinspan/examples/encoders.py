"""What turns texts into vectors whose dot product says how much they mean the same."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Encoder(Protocol):
    """Turns texts into vectors.

    Attributes:
        name: as reports and `Pool.retriever` name it.
        identity: of the weights and all settings that change a vector; vectors of two identities never meet.
        dimension: of its vectors.
    """

    name: str
    identity: str
    dimension: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A row for each text, `(n, dimension)`, of length 1."""
        ...
