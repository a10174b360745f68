"""What runs in each process of a cluster: a tagger that is made once, and is given batches of documents."""

import pickle
from typing import Any, Protocol

from clinspan.document import Document
from clinspan.pipeline.tagger import Tagger


class Recipe(Protocol):
    """Goes to the workers as bytes, and makes the tagger there; see `pipeline.recipe`."""

    def make(self) -> Tagger:
        """The tagger."""
        ...


class Worker:
    """Tags batches, a row a document: `number`, its place in the stream, and `document`, pickled.

    The tagger is made at the first call and kept, so that a fault in making it is a fault of that call, which is
    reported, and not of the process, which would be started again without end.
    """

    def __init__(self, recipe: Recipe):
        self._recipe = recipe
        self._tagger: Tagger | None = None

    def __call__(self, batch: Any) -> Any:
        """A batch as an Arrow table; gives a table of the same shape."""
        tagged = self._tag([pickle.loads(row) for row in batch["document"].to_pylist()])
        rows = [pickle.dumps(document) for document in tagged]
        return batch.set_column(1, "document", [rows])

    def tag(self, document: bytes) -> bytes:
        """The same for one document."""
        (tagged,) = self._tag([pickle.loads(document)])
        return pickle.dumps(tagged)

    def _tag(self, documents: list[Document]) -> list[Document]:
        if self._tagger is None:
            self._tagger = self._recipe.make()
        return list(self._tagger.tag_many(documents))
