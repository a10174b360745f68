"""FHIR R4: one bundle of all documents, in which an entity is a resource of what it is about. It is only written.

The tables of labels and code systems are in `fhir.toml`. Where an entity stands and what else is known of it
is an extension of its resource; see docs/how-to/results.md.
"""

import base64
import json
import tomllib
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from typing import Any

import regex

from clinspan.corpora.format import CorpusFormat, one_file
from clinspan.corpora.intake import intakes
from clinspan.corpora.kin import SOMEONE_ELSE, Kin
from clinspan.corpora.tables import section_of
from clinspan.document import READ_STATES, Document, Entity

Resource = dict[str, Any]

MENTION, NOT_READ, WITHHELD = "urn:clinspan:mention", "urn:clinspan:not-read", "urn:clinspan:withheld"
"""The extensions: where an entity stands and what is known of it; a window that was not read; what is left out."""
_TABLES = tomllib.loads(files("clinspan.corpora").joinpath("fhir.toml").read_text(encoding="utf-8"))
_KINDS = {label: kind for kind, labels in _TABLES["resources"].items() for label in labels}
_DETAILS: tuple[str, ...] = tuple(_TABLES["details"]["labels"])
_DRUG_TYPES = frozenset(_TABLES["drugs"]["types"])
_REPORTS = frozenset(_TABLES["reports"]["words"])
_SYSTEMS: Mapping[str, str] = _TABLES["systems"]
_PREFIXED = frozenset({"hpo", "hp", "mondo", "hgnc"})
_HL7 = "http://terminology.hl7.org/CodeSystem/"
_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_PATIENT_KEYS = ("patient", "patient_id", "subject_id", "person_id")
_WORD = regex.compile(r"\p{L}[\p{L}-]*")
_UNSAID = regex.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_EITHER = regex.compile(r"\b(?:vs\.?|versus|or)\b", regex.IGNORECASE)
_VERIFIED = {"present": "confirmed", "conditional": "confirmed", "absent": "refuted", "possible": "provisional"}
_NOT_TAKEN = {
    "allergy": "drugs that the text names as allergies",
    "unclear": "drugs of which the text does not say clearly whether they are taken",
}
_TAKEN = {"present": "active", "absent": "not-taken"}


def write(documents: Iterable[Document]) -> Iterator[str]:
    """The documents as one bundle of the type `collection`, in pieces."""
    yield '{"resourceType": "Bundle", "type": "collection"'
    first = True
    for number, document in enumerate(documents):
        for entry in _Note(document, number).entries():
            yield (', "entry": [\n' if first else ",\n") + json.dumps(entry, ensure_ascii=False)
            first = False
    yield "}\n" if first else "\n]}\n"


def withheld(documents: Iterable[Document]) -> list[str]:
    """What has no place in the bundle, counted by reason."""
    counts: Counter[str] = Counter()
    for number, document in enumerate(documents):
        note = _Note(document, number)
        list(note.entries())
        counts.update(note.withheld)
    return [f"{reason}: {count}" for reason, count in counts.most_common()]


class _Note:
    """The resources of one document."""

    def __init__(self, document: Document, number: int):
        self.document = document
        self.withheld: Counter[str] = Counter()
        self._number = number
        self._url = self._uuid("document")
        self._kin = Kin(document)
        self._owners = self._owned()

    def entries(self) -> Iterator[Resource]:
        """The bundle's entries: the note, then a resource for each entity that has a place."""
        made = []
        for number, entity in enumerate(self.document.entities):
            resource = self._resource(number, entity)
            if resource is not None:
                made.append((self._uuid(str(number)), resource))
        yield {"fullUrl": f"urn:uuid:{self._url}", "resource": self._reference()}
        for url, resource in made:
            kind = resource.pop("resourceType")
            yield {"fullUrl": f"urn:uuid:{url}", "resource": {"resourceType": kind, "id": url, **resource}}

    def _uuid(self, name: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:clinspan:{self._number}:{self.document.id}:{name}"))

    def _reference(self) -> Resource:
        """The note itself as a DocumentReference, with its text and what became of it."""
        document = self.document
        attachment: Resource = {"contentType": "text/plain; charset=utf-8", "title": _string(document.id)}
        if document.text:
            attachment["data"] = base64.b64encode(document.text.encode()).decode()
        told = [
            _extension(NOT_READ, start=window.span.start, end=window.span.end, state=window.state.value)
            for window in document.windows
            if window.state not in READ_STATES
        ]
        told += [_extension(WITHHELD, reason=reason, count=count) for reason, count in self.withheld.items()]
        return {
            "resourceType": "DocumentReference",
            "id": self._url,
            **({"extension": told} if told else {}),
            "identifier": [{"system": "urn:clinspan:document", "value": _string(document.id)}],
            "status": "current",
            "subject": self._patient,
            "content": [{"attachment": attachment}],
        }

    @cached_property
    def _patient(self) -> Resource:
        """Refers to the patient that the metadata name; says that it is not known where they name none."""
        for key in _PATIENT_KEYS:
            value = self.document.metadata.get(key)
            if isinstance(value, str | int) and str(value).strip():
                return {"identifier": {"system": "urn:clinspan:patient", "value": _string(str(value))}}
        return {"extension": [{"url": _ABSENT_REASON, "valueCode": "unknown"}], "display": "patient of the note"}

    def _owned(self) -> Mapping[int, list[Entity]]:
        """The details of each drug, by the drug's place: as they say themselves, else of the nearest before them."""
        drugs = [(e.start, n) for n, e in enumerate(self.document.entities) if self._kind(e) in ("drug", "treatment")]
        said = self.document.owners()
        places = {id(entity): number for number, entity in enumerate(self.document.entities)}
        owned: dict[int, list[Entity]] = {}
        for number, entity in enumerate(self.document.entities):
            if self._kind(entity) != "detail":
                continue
            owner = places.get(id(said[number])) if number in said else None
            if owner is None:
                before = [place for place in drugs if place[0] <= entity.start]
                near = max(before, default=None)
                same = near is not None and self._kin.sentence(near[0]) == self._kin.sentence(entity.start)
                owner = near[1] if near is not None and same else None
            if owner is None:
                self.withheld["details of drugs without a drug in their sentence"] += 1
            else:
                owned.setdefault(owner, []).append(entity)
        return owned

    @staticmethod
    def _kind(entity: Entity) -> str:
        label = _plain(entity.label)
        if label in _DETAILS:
            return "detail"
        if label == "treatment":
            return "treatment"
        return "drug" if _KINDS.get(label) == "MedicationStatement" else "other"

    def _resource(self, number: int, entity: Entity) -> Resource | None:
        """The resource of an entity; None where it has no place, which is counted."""
        label = _plain(entity.label)
        if label in _DETAILS:
            return None
        kind = _KINDS.get(label)
        if kind is None:
            return self._withhold(f"label {entity.label!r}, which has no resource")
        if not entity.text.strip():
            return self._withhold("entities of white space alone")
        if entity.attribute("assertion") == "hypothetical":
            return self._withhold("hypothetical entities")
        if entity.attribute("review") is not None:
            return self._withhold("entities that a person is yet to look at")
        if label == "treatment" and (number in self._owners or _is_drug(entity)):
            kind = "MedicationStatement"
        if kind == "Observation" and {word.lower() for word in _WORD.findall(entity.text)} & _REPORTS:
            kind = "DiagnosticReport"
        said = entity.attribute("assertion")
        if kind == "Condition" and said == SOMEONE_ELSE:
            return self._family(number, entity)
        if kind == "Condition" and said == "absent" and self._kin.denies_of_relative(number):
            return self._withhold("problems of relatives that are denied")
        if said == SOMEONE_ELSE or (said is None and kind != "Condition" and self._kin.is_someone_else(number)):
            return self._withhold("other people's drugs and tests")
        intake = self._intakes[number] if kind == "MedicationStatement" else None
        if intake in _NOT_TAKEN:
            return self._withhold(_NOT_TAKEN[intake])
        base: Resource = {"resourceType": kind, "extension": [self._mention(entity)]}
        if kind == "Condition":
            return base | self._condition(entity)
        if kind == "MedicationStatement":
            return base | self._medication(entity, self._owners.get(number, ()), intake)
        return base | self._act(kind, entity)

    @cached_property
    def _intakes(self) -> list[str | None]:
        return intakes(self.document.text, [entity.span for entity in self.document.entities])

    def _withhold(self, reason: str) -> Resource | None:
        self.withheld[reason] += 1
        return None

    def _mention(self, entity: Entity) -> Resource:
        more: list[Resource] = [
            {"url": "attribute", "extension": _parts(name=name, value=value)}
            for name, value in entity.attributes.items()
        ]
        more += [{"url": "fragment", "extension": _parts(start=one.start, end=one.end)} for one in entity.fragments]
        document = {"url": "document", "valueReference": {"reference": f"urn:uuid:{self._url}"}}
        known: dict[str, str | int | float] = {
            "start": entity.start,
            "end": entity.end,
            "text": entity.text,
            "label": entity.label,
            "match": entity.match.value,
        }
        section = section_of(self.document, entity)
        optional = {"score": entity.score, "section": section, "id": entity.id}
        known |= {name: value for name, value in optional.items() if value is not None}
        return {"url": MENTION, "extension": [document, *_parts(**known), *more]}

    def _condition(self, entity: Entity) -> Resource:
        assertion, past = entity.attribute("assertion"), entity.attribute("temporality") == "past"
        verified = _VERIFIED.get(assertion or "")
        if verified == "provisional" and self._is_one_of_several(entity):
            verified = "differential"
        made: Resource = {}
        if verified in ("confirmed", "provisional", "differential"):
            made["clinicalStatus"] = _coded("condition-clinical", "inactive" if past else "active")
        if verified is not None:
            made["verificationStatus"] = _coded("condition-ver-status", verified)
        evidence = [{"detail": [{"reference": f"urn:uuid:{self._url}"}]}]
        return made | {"code": _concept(entity), "subject": self._patient, "evidence": evidence}

    def _is_one_of_several(self, entity: Entity) -> bool:
        """Whether the sentence weighs it against another possible problem ("pneumonia versus edema")."""
        for other in self.document.entities:
            possible = other.attribute("assertion") == "possible" and not other.span.overlaps(entity.span)
            if possible and self._kin.sentence(other.start) == self._kin.sentence(entity.start):
                first, second = sorted((other.span, entity.span))
                if _EITHER.search(self.document.text, first.end, second.start):
                    return True
        return False

    def _family(self, number: int, entity: Entity) -> Resource | None:
        if fault := self._kin.fault(number):
            return self._withhold(f"problems of relatives that are {fault}")
        code = self._kin.relative(number)
        if code is None:
            return self._withhold("problems of people who are not surely relatives")
        relationship = {"coding": [{"system": f"{_HL7}v3-RoleCode", "code": code}]}
        return {
            "resourceType": "FamilyMemberHistory",
            "extension": [self._mention(entity)],
            "status": "partial",
            "patient": self._patient,
            "relationship": relationship,
            "condition": [{"code": _concept(entity)}],
        }

    def _medication(self, entity: Entity, details: Iterable[Entity], intake: str | None) -> Resource:
        past = entity.attribute("temporality") == "past"
        taken = _TAKEN.get(entity.attribute("assertion") or "", "unknown")
        status = "not-taken" if taken == "not-taken" else intake or ("completed" if past else taken)
        made: Resource = {
            "status": status,
            "medicationCodeableConcept": _concept(entity),
            "subject": self._patient,
            "derivedFrom": [{"reference": f"urn:uuid:{self._url}"}],
        }
        said = [(_plain(one.label), _string(" ".join(one.text.split()))) for one in details if one.text.strip()]
        if said:
            dosage: Resource = {"text": " ".join(text for _, text in said)}
            by_label = {name: [text for label, text in said if label == name] for name in _DETAILS}
            if timing := [*by_label["frequency"], *by_label["duration"]]:
                dosage["timing"] = {"code": {"text": " ".join(timing)}}
            if by_label["route"]:
                dosage["route"] = {"text": " ".join(by_label["route"])}
            made["dosage"] = [dosage]
        return made

    def _act(self, kind: str, entity: Entity) -> Resource:
        """A procedure, an observation or a report, of which only the mention is known."""
        absent, past = entity.attribute("assertion") == "absent", entity.attribute("temporality") == "past"
        if kind == "Procedure":
            status = "not-done" if absent else "completed" if past else "unknown"
        else:
            status = "cancelled" if absent else "unknown"
        made: Resource = {"status": status, "code": _concept(entity), "subject": self._patient}
        if kind == "Observation":
            made["derivedFrom"] = [{"reference": f"urn:uuid:{self._url}"}]
            made["dataAbsentReason"] = _coded("data-absent-reason", "unknown")
        return made


def _is_drug(entity: Entity) -> bool:
    return bool(entity.concepts) and bool(_DRUG_TYPES & set(entity.concepts[0].types))


def _plain(label: str) -> str:
    return regex.sub(r"[\s_-]+", " ", label).strip().lower()


def _string(text: str) -> str:
    """A string as FHIR may hold it: without control characters and lone surrogates."""
    return _UNSAID.sub("\ufffd", text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _extension(url: str, **said: str | int | float) -> Resource:
    return {"url": url, "extension": _parts(**said)}


def _parts(**said: str | int | float) -> list[Resource]:
    kinds = {str: "valueString", int: "valueInteger", float: "valueDecimal"}
    return [
        {"url": name, kinds[type(value)]: _string(value) if isinstance(value, str) else value}
        for name, value in said.items()
    ]


def _coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": f"{_HL7}{system}", "code": code}]}


def _concept(entity: Entity) -> Resource:
    """The words of the text, with the best concept as a code: the others are other readings, not other codes of it.

    Its equivalents are further codes, where FHIR has a name for their code system.
    """
    made: Resource = {"text": _string(" ".join(entity.text.split()))}
    if entity.concepts:
        best = entity.concepts[0]
        source = best.source.strip().lower()
        system = _SYSTEMS.get(source, f"urn:clinspan:source:{regex.sub(r'[^a-z0-9.-]+', '-', source)}")
        coding = {"system": system, "code": _code(source, best.bare_id, best.id), "display": _string(best.name)}
        found = {(coding["system"], coding["code"]): coding}
        for id in best.equivalents:
            other, _, bare = id.partition(":")
            if (known := _SYSTEMS.get(other.lower())) and bare.strip():
                code = _code(other.lower(), bare, id)
                found.setdefault((known, code), {"system": known, "code": code})
        made["coding"] = [*found.values()]
    return made


def _code(source: str, bare: str, whole: str) -> str:
    """A code as its system writes it: those of some have their prefix."""
    return _string(" ".join((whole if source in _PREFIXED else bare).split()))


FORMAT = CorpusFormat(
    name="fhir",
    write=one_file(write),
    endings=(".fhir.json",),
    loses="candidate concepts but the best, metadata but the patient's id, and reports of windows that were read",
    left_out=withheld,
)
