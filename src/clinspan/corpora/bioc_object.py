"""A document as the object that BioC JSON has for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from clinspan.corpora.bioc_reading import OWN_INFONS
from clinspan.corpora.offsets import Ruler, Unit
from clinspan.document import Document, Entity


def of(document: Document, unit: Unit) -> dict[str, Any]:
    """The object; see `clinspan.corpora.bioc.write_xml` for what it leaves out."""
    ruler = Ruler(document.text, unit)
    kept = document.metadata.get("bioc")
    data: Mapping[str, Any] = kept if isinstance(kept, dict) else {}
    entities = _entities(document, data, ruler)
    passages = []
    places = _places(data, len(document.text))
    for number, (start, end, infons) in enumerate(places):
        # An annotation belongs to the passage it begins in, one in a gap to the passage before.
        until = places[number + 1][0] if number + 1 < len(places) else len(document.text) + 1
        since = start if number else 0
        inside = [said for entity, said in entities if since <= entity.start < until]
        passages.append(
            {
                "offset": ruler.units(start),
                "infons": infons,
                "text": document.text[start:end],
                "annotations": inside,
                "relations": [],
            }
        )
    return {
        "id": document.id,
        "infons": data.get("infons", {}),
        "passages": passages,
        "relations": data.get("relations", []) if len(data.get("ids", entities)) == len(entities) else [],
    }


def _places(data: Mapping[str, Any], length: int) -> list[list[Any]]:
    """The passages as the metadata keep them, where they fit the text; else the whole text as one."""
    places = data.get("passages")
    if isinstance(places, list) and all(isinstance(place, list) and len(place) == 3 for place in places):
        ends = [end for start, end, _ in places for end in (start, end)]
        if ends and ends == sorted(ends) and ends[0] >= 0 and ends[-1] == length:
            return places
    return [[0, length, {}]]


def _entities(document: Document, data: Mapping[str, Any], ruler: Ruler) -> list[tuple[Entity, dict[str, Any]]]:
    count = len(document.entities)
    ids: Sequence[str] = data.get("ids", ())
    if len(ids) != count:
        ids = [str(number) for number in range(1, count + 1)]
    others: Sequence[Mapping[str, Any]] = data.get("annotations", ())
    if len(others) != count:
        others = [{}] * count
    said = []
    for entity, id, other in zip(document.entities, ids, others, strict=True):
        infons: dict[str, Any] = {"type": entity.label, **other}
        infons.update((name, value) for name, value in entity.attributes.items() if name not in OWN_INFONS)
        if entity.concepts:
            infons["identifier"] = "|".join(concept.id for concept in entity.concepts)
            infons["vocabulary"] = "|".join(concept.source for concept in entity.concepts)
        if entity.score is not None:
            infons["score"] = str(entity.score)
        spans = entity.fragments or (entity.span,)
        ends = [(ruler.units(span.start), ruler.units(span.end)) for span in spans]
        said.append(
            (
                entity,
                {
                    "id": id,
                    "infons": infons,
                    "text": " ".join(span.of(document.text) for span in spans),
                    "locations": [{"offset": start, "length": end - start} for start, end in ends],
                },
            )
        )
    return said
