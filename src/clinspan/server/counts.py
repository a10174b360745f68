"""What the service counts, as Prometheus reads it. Nothing here comes from a note's text."""

from collections import Counter as Tally
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from clinspan.document import Document

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Counts:
    """Counters of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "clinspan_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "clinspan_request_seconds", "Seconds a request took.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self._documents = Counter("clinspan_documents", "Documents tagged.", registry=self.registry)
        self._characters = Counter("clinspan_characters", "Characters of these documents.", registry=self.registry)
        self._windows = Counter("clinspan_windows", "Windows by their state.", ("state",), registry=self.registry)
        self._entities = Counter("clinspan_entities", "Entities by label.", ("label",), registry=self.registry)

    def gauge(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Shows a number that is looked up whenever the counts are read."""
        Gauge(name, help, registry=self.registry).set_function(value)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered.

        Args:
            method: one of another kind than the service has is counted as `other`.
            route: the route's pattern; a path that a client made up would make a row of its own.
            status: of the answer.
            seconds: until its end.
        """
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def document(self, document: Document) -> None:
        """One document was tagged."""
        self._documents.inc()
        self._characters.inc(len(document.text))
        _add(self._windows, Tally(window.state.value for window in document.windows))
        _add(self._entities, Tally(entity.label for entity in document.entities))

    def exposition(self) -> bytes:
        """All counts in Prometheus's text format."""
        return generate_latest(self.registry)


def _add(counter: Counter, found: Mapping[str, int]) -> None:
    for name, count in found.items():
        counter.labels(name).inc(count)
