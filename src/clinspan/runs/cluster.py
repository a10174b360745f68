"""Documents through a Ray cluster and back in order, none lost.

Documents go out in batches through Ray Data, to actors that each hold a tagger. A batch whose worker dies is tried once
more as a whole. What is missing after that is tagged a document at a time by a process of its own, and a document that
ends that process too, again and again, comes back with the state `failed`.
"""

import logging
import os
import pickle
import re
import socket
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Protocol, Self

from clinspan.document import Document, Span, WindowReport, WindowState
from clinspan.errors import ClinspanError, ClusterError, ConfigError, MissingExtra, PrivacyError
from clinspan.llms.spec import is_loopback
from clinspan.tagging.read import Progress, WindowRead
from clinspan.tagging.stream import Fault
from clinspan.tagging.tagger import Tagger

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\]):(?P<port>[0-9]{1,5})")
_PATIENCE = 5.0
_CONSENT = "If your notes may go there, say so with --allow-remote."


def permitted(address: str, *, allow_remote: bool) -> str:
    """The address of a cluster's head, if notes may be sent to it.

    Args:
        address: `HOST:PORT`.
        allow_remote: the user's word that notes may leave this machine.

    Raises:
        ConfigError: when it is no address.
        PrivacyError: when its host is not this machine's loopback and `allow_remote` is False.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None or not 0 < int(parts["port"]) < 65536:
        raise ConfigError(
            f"{address!r} is not the address of a Ray cluster",
            expected="HOST:PORT, as `ray start --head` prints it",
            fix="Start this command on a machine that belongs to the cluster.",
        )
    if not allow_remote and not is_loopback(parts["host"].strip("[]")):
        raise PrivacyError(
            "the notes would leave this machine: they would be sent to a Ray cluster that is not known to be on it",
            where=address,
            expected="127.0.0.1:PORT, or no --ray-address for a cluster on this machine alone",
            fix=_CONSENT,
        )
    return address


def check_nodes(nodes: Iterable[str], *, here: str, allow_remote: bool) -> None:
    """A cluster whose head is on this machine may have nodes elsewhere.

    Args:
        nodes: the addresses of the cluster's nodes.
        here: the address that this machine has in the cluster.
        allow_remote: the user's word that notes may leave this machine.

    Raises:
        PrivacyError: when there are others and `allow_remote` is False.
    """
    others = sorted(set(nodes) - {here})
    if others and not allow_remote:
        shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        raise PrivacyError(
            f"the notes would leave this machine: the Ray cluster has nodes on others ({shown})",
            where=here,
            fix=_CONSENT,
        )


def check_answers(address: str) -> None:
    """Ray itself tries for long before it says that nobody is there.

    Raises:
        ClusterError: when nothing takes a connection at the address.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except OSError as error:
        raise ClusterError(
            f"no Ray cluster can be reached: {error.strerror or error}",
            where=address,
            fix="See where it is with: ray status",
        ) from None


class Recipe(Protocol):
    """Goes to the workers as bytes, and makes the tagger there; see `runs.folder`."""

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


_STORE_BYTES = 200_000_000
"""Of a cluster of our own; what does not fit is spilled to its private folder."""
_BLOCK_BYTES = 8_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Which cluster, and how it is used.

    Attributes:
        address: `HOST:PORT` of a cluster that this machine belongs to; None for one on this machine alone, which is
            started and stopped.
        allow_remote: the user's word that notes may leave this machine.
        workers: processes that each hold a tagger; None for one for each processor.
        batch: documents that a worker is given at once: what is repeated when it dies, and what it can ask about at
            the same time.
        segment: batches that are read before they are handed out together. Bounds what is held.
        tries: how often a document is tried alone before it is given up.
    """

    address: str | None = None
    allow_remote: bool = False
    workers: int | None = None
    batch: int = 64
    segment: int = 512
    tries: int = 2

    def __post_init__(self) -> None:
        for name in ("workers", "batch", "segment", "tries"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}", expected="1 or more")


class RayCluster:
    """Tags documents on Ray; a context manager. A Ray that this process is connected to already is used and left.

    Args:
        recipe: makes the tagger of each worker.
        settings: which cluster, and how it is used.

    Raises:
        MissingExtra: when Ray is not installed.
        ConfigError: when the address is none, or the cluster has fewer processors than workers are wanted.
        PrivacyError: when notes would leave this machine without the user's word.
        ClusterError: when the cluster cannot be reached or started.
    """

    def __init__(self, recipe: Recipe, settings: ClusterSettings):
        self.settings = settings
        self._recipe = recipe
        self._address = permitted(settings.address, allow_remote=settings.allow_remote) if settings.address else None
        self._ray = _ray()
        self._open = ExitStack()
        self._spare: Any = None

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            if self._address is not None or not self._ray.is_initialized():
                self._connect(opened)
                opened.callback(self._ray.shutdown)
            nodes = [node["NodeManagerAddress"] for node in self._ray.nodes() if node["Alive"]]
            here = self._ray.util.get_node_ip_address()
            check_nodes(nodes, here=here, allow_remote=self.settings.allow_remote)
            processors = int(self._ray.cluster_resources().get("CPU", 0))
            self.workers = self.settings.workers or max(1, processors)
            if self.workers > processors:
                raise ConfigError(f"{self.workers} workers", expected=f"at most {processors}, the cluster's processors")
            _set_up(self._ray)
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spare = None
        self._open.close()

    def tag_many(self, documents: Iterable[Document], *, progress: Progress | None = None) -> Iterator[Document]:
        """Each document with its entities, in order, as `Tagger.tag_many` gives them.

        Args:
            documents: are read by segments; entities and windows that they have already are replaced.
            progress: called with each window of a document when that comes back.

        Raises:
            ClusterError: when the cluster breaks down as a whole.
            ClinspanError: when a worker cannot make its tagger.
            Exception: what `documents` raises, once all before it were given.
        """
        source, fault, ended = iter(documents), Fault(), False
        while not ended:
            batches: list[Any] = []
            while not ended and len(batches) < self.settings.segment:
                rows: list[bytes] = []
                with fault:
                    for document in islice(source, self.settings.batch):
                        rows.append(pickle.dumps(document))
                ended = len(rows) < self.settings.batch
                if rows:
                    batches.append(self._put(len(batches) * self.settings.batch, rows))
            for tagged in self._tagged(batches) if batches else ():
                _tell(tagged, progress)
                yield tagged
        if fault.error is not None:
            raise fault.error

    def _put(self, first: int, rows: list[bytes]) -> Any:
        import pyarrow

        numbers = pyarrow.array(range(first, first + len(rows)), pyarrow.int64())
        return self._ray.put(pyarrow.table({"number": numbers, "document": pyarrow.array(rows, pyarrow.binary())}))

    def _tagged(self, batches: list[Any]) -> Iterator[Document]:
        """What Ray Data gives of the batches, with what it lost put in its place."""
        data = self._ray.data
        given = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of releases to come: the extra names those that this runs on
                tagged = data.from_arrow_refs(batches).map_batches(
                    Worker,
                    fn_constructor_args=(self._recipe,),
                    batch_size=None,
                    batch_format="pyarrow",
                    compute=data.ActorPoolStrategy(size=min(self.workers, len(batches))),
                    num_cpus=1,
                    max_restarts=-1,
                    max_task_retries=1,  # Ray's own default would give a worker what kills it again and again
                )
            for table in tagged.iter_batches(batch_size=None, batch_format="pyarrow"):
                for row in table.to_pylist():
                    yield from self._lost(batches, given, row["number"])
                    yield pickle.loads(row["document"])
                    given = row["number"] + 1
            yield from self._lost(batches, given, None)
        except self._ray.exceptions.RayError as error:
            raise ClusterError(f"the Ray cluster broke down: {type(error).__name__}", where=self._where()) from error

    def _lost(self, batches: list[Any], start: int, end: int | None) -> Iterator[Document]:
        """The documents from number `start` to `end`, which no batch brought back, each tagged alone."""
        size = self.settings.batch
        for index in range(start // size, len(batches) if end is None else -(-end // size)):
            for row in self._ray.get(batches[index]).to_pylist():
                if start <= row["number"] and (end is None or row["number"] < end):
                    yield self._alone(row["document"])

    def _alone(self, document: bytes) -> Document:
        exceptions, fault = self._ray.exceptions, ""
        for _ in range(self.settings.tries):
            if self._spare is None:
                self._spare = self._ray.remote(num_cpus=0)(Worker).remote(self._recipe)
            try:
                tagged: Document = pickle.loads(self._ray.get(self._spare.tag.remote(document)))
                return tagged
            except exceptions.RayTaskError as error:
                if isinstance(error.cause, ClinspanError):
                    raise error.cause from None
                fault = f"it raised {type(error.cause).__name__}"
            except exceptions.RayError:
                self._spare, fault = None, "its worker died"
        return _given_up(pickle.loads(document), f"given up after {self.settings.tries} tries alone: {fault}")

    def _connect(self, opened: ExitStack) -> None:
        asked: dict[str, object] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._address is not None:
            check_answers(self._address)
            asked |= {"address": self._address}
        else:
            # Notes that are spilled to disk lie where no one else can read, and are gone afterwards.
            folder = opened.enter_context(TemporaryDirectory(prefix="clinspan-", ignore_cleanup_errors=True))
            workers = self.settings.workers or os.cpu_count() or 1
            # `local` even where the environment names a cluster: notes go nowhere that this command does not say.
            asked |= {"address": "local", "num_cpus": workers, "num_gpus": 0, "object_store_memory": _STORE_BYTES}
            asked |= {"include_dashboard": False, "_temp_dir": folder}
        try:
            self._ray.init(**asked)
        except Exception as error:  # a node that does not start in time is an Exception of no narrower kind
            raise ClusterError(f"Ray cannot be used: {error}", where=self._where()) from error

    def _where(self) -> str:
        return self._address or "this machine"


def _tell(document: Document, progress: Progress | None) -> None:
    if progress is None:
        return
    for index, window in enumerate(document.windows):
        found = tuple(entity for entity in document.entities if window.span.start <= entity.start < window.span.end)
        words = len(window.span.of(document.text).split())
        shown = document.id, index, len(document.windows), window.span
        progress(WindowRead(*shown, window.state, found, words))


def _given_up(document: Document, why: str) -> Document:
    whole = [Span(0, len(document.text))] if document.text else []
    return replace(
        document, entities=(), windows=tuple(WindowReport(span, WindowState.FAILED, detail=why) for span in whole)
    )


def _set_up(ray: Any) -> None:
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.max_errored_blocks = -1  # what is missing is seen by its number
    context.execution_no_progress_timeout_s = -1  # a batch of long notes may take a slow model hours
    context.target_max_block_size = _BLOCK_BYTES
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it writes to the terminal past every handler
    try:
        import pyarrow  # noqa: F401
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtra("ray[data]", "ray", purpose="tagging on a cluster") from error
    return ray
