"""Attributes of entities that are given, as an encoder with heads for them reads them in their windows."""

from collections.abc import Mapping, Sequence

from clinspan.assertion.assess import Reads, Told
from clinspan.document import Document
from clinspan.llms.base import LLM, ReadsAttributes
from clinspan.tagging.settings import NAMED, profile_name
from clinspan.text.windows import windows


def reads(encoder: LLM | None) -> Reads | None:
    """What says attributes of given entities; None where the encoder has no heads for any."""
    if not isinstance(encoder, ReadsAttributes) or not encoder.known_attributes:
        return None
    cut = NAMED[profile_name(encoder)].windows

    def read(document: Document) -> Sequence[Mapping[str, Told]]:
        found: list[Mapping[str, Told]] = [{} for _ in document.entities]
        shown, numbers = [], []
        for window in windows(document.text, cut, count=encoder.count_tokens):
            core, start = window.core, window.span.start
            inside = [number for number, e in enumerate(document.entities) if core.start <= e.start < core.end]
            if inside:
                spans = [
                    (document.entities[number].span.shift(-start), document.entities[number].label) for number in inside
                ]
                shown.append((window.span.of(document.text), spans))
                numbers.append(inside)
        for inside, said in zip(numbers, encoder.values(shown), strict=True):
            for number, values in zip(inside, said, strict=True):
                found[number] = values
        return found

    return read
