"""Where documents are tagged: in this process, or on a cluster."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.runs.cluster import ClusterSettings, RayCluster
from clinspan.tagging.recipe import TaggerRecipe
from clinspan.tagging.summary import Progress
from clinspan.tagging.tagger import Tagger


class TagMany(Protocol):
    """As `Tagger.tag_many`."""

    def __call__(self, documents: Iterable[Document], *, progress: Progress | None = None) -> Iterator[Document]:
        """Each document with its entities, in order."""
        ...


def check(engine: str, settings: ClusterSettings) -> None:
    """Refuses a cluster's settings where none is wanted.

    Raises:
        ConfigError: naming the option.
    """
    for option, value in (("address", settings.address), ("workers", settings.workers)):
        if value is not None and engine == "local":
            raise ConfigError(f"--ray-{option} has no use without a cluster", fix="Add --engine ray.")


@contextmanager
def tagging(engine: str, tagger: Tagger, recipe: TaggerRecipe, settings: ClusterSettings) -> Iterator[TagMany]:
    """What tags the documents, in order.

    Args:
        engine: `local` or `ray`.
        tagger: does it in this process.
        recipe: of the same tagger, made anew in each worker.
        settings: of the cluster.

    Raises:
        ClinspanError: when the cluster cannot be had, see `RayCluster`.
    """
    if engine == "local":
        yield tagger.tag_many
        return
    with RayCluster(recipe.anchored(), settings) as cluster:
        yield cluster.tag_many
