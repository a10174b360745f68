"""A pool that is searched by words and lasts as long as it is used, for examples that are wanted for one run."""

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.examples.build import build
from clinspan.examples.pool import Pool


def temporary(documents: Iterable[Document], *, labels: Sequence[str]) -> Pool:
    """A pool of documents in a folder of its own, which goes when the pool does.

    Of documents with one id or one text the first is taken.

    Args:
        documents: annotated ones.
        labels: what they were annotated for.

    Raises:
        ConfigError: when none of their labels is among `labels`.
        InputError: when there is no example in them.
    """
    documents = list(documents)
    found = {entity.label for document in documents for entity in document.entities}
    if found and not found & set(labels):
        raise ConfigError(
            f"the examples have the labels {', '.join(sorted(found))} and none that is asked for",
            expected=", ".join(labels),
            fix="Rename them with --map FROM=TO.",
        )
    folder = Path(tempfile.mkdtemp(prefix="clinspan-pool-"))
    try:
        build(_once(documents), folder, labels=labels)
        pool = Pool.open(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(pool, shutil.rmtree, folder, ignore_errors=True)
    return pool


def _once(documents: Iterable[Document]) -> Iterator[Document]:
    ids: set[str] = set()
    texts: set[str] = set()
    for document in documents:
        if document.id not in ids and document.text not in texts:
            ids.add(document.id)
            texts.add(document.text)
            yield document
