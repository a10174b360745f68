import base64
import json
from dataclasses import replace

import pytest

from clinspan.corpora import catalogue, fhir
from clinspan.document import Concept, Document, Entity, Span, WindowReport, WindowState

TEXT = (
    "Fever; no cough. History of gout. Pneumonia versus edema. Return if rash. His mother had breast cancer. "
    "The neighbour has flu. Takes aspirin 81 mg by mouth daily for 10 days. CT chest. Troponin. Appendectomy. BRCA1. "
    "20 mg"
)
ASPIRIN = (Concept("RXNORM:1191", "aspirin", "RXNORM", ("Pharmacologic Substance",)), Concept("2", "b", "c"))


def entity(words, label="problem", assertion=None, temporality=None, **more):
    start = TEXT.index(words)
    said = {"assertion": assertion, "temporality": temporality}
    attributes = {name: value for name, value in said.items() if value} | more.pop("attributes", {})
    return Entity(Span(start, start + len(words)), label, words, attributes=attributes, **more)


ENTITIES = (
    entity("Fever", assertion="present", temporality="current", score=0.5, attributes={"section": "hpi"}),
    entity("cough", assertion="absent", temporality="current"),
    entity("gout", assertion="present", temporality="past"),
    entity("Pneumonia", assertion="possible"),
    entity("edema", assertion="possible"),
    entity("rash", assertion="hypothetical"),
    entity("breast cancer", assertion="associated-with-someone-else"),
    entity("flu", assertion="associated-with-someone-else"),
    entity("aspirin", "treatment", concepts=ASPIRIN),
    entity("81 mg", "dose"),
    entity("by mouth", "route"),
    entity("daily", "frequency"),
    entity("for 10 days", "duration"),
    entity("CT chest", "test"),
    entity("Troponin", "test", assertion="absent"),
    entity("Appendectomy", "treatment", temporality="past"),
    entity("BRCA1", "gene"),
    entity("20 mg", "dose"),
)
WINDOWS = (WindowReport(Span(0, 20), WindowState.FAILED), WindowReport(Span(20, 40), WindowState.OK))
NOTES = [Document("n 1", TEXT, ENTITIES, WINDOWS, {"patient": "p7"}), Document("n 2", "", ())]


def bundle(*documents):
    return json.loads("".join(fhir.write(documents)))


def resources(document):
    note, *made = [entry["resource"] for entry in bundle(document)["entry"]]
    return note, {mention(one)["text"]: one for one in made}


def mention(resource):
    (extension,) = resource["extension"]
    assert extension["url"] == fhir.MENTION
    return {part["url"]: next((v for k, v in part.items() if k != "url"), None) for part in extension["extension"]}


def code(concept):
    return concept["coding"][0]["code"]


@pytest.mark.parametrize(
    ("words", "clinical", "verified"),
    [
        ("Fever", "active", "confirmed"),
        ("cough", None, "refuted"),
        ("gout", "inactive", "confirmed"),
        ("Pneumonia", "active", "differential"),
        ("edema", "active", "differential"),
    ],
)
def test_a_problem_is_a_condition_with_the_status_that_its_assertion_says(words, clinical, verified):
    made = resources(NOTES[0])[1][words]
    assert made["resourceType"] == "Condition"
    assert code(made["verificationStatus"]) == verified
    assert ("clinicalStatus" in made and code(made["clinicalStatus"])) == (clinical or False)
    assert made["subject"] == {"identifier": {"system": "urn:clinspan:patient", "value": "p7"}}


def test_what_nothing_is_said_of_has_no_status_and_one_doubt_is_provisional():
    for said, status in (({}, None), ({"assertion": "possible"}, "provisional")):
        _, made = resources(Document("x", "Gout.", (Entity(Span(0, 4), "disease", "Gout", attributes=said),)))
        found = made["Gout"].get("verificationStatus")
        assert (found and code(found)) == status
        assert made["Gout"]["subject"]["extension"][0]["valueCode"] == "unknown"


def test_a_problem_of_a_relative_is_family_history_and_of_others_is_withheld():
    note, made = resources(NOTES[0])
    family = made["breast cancer"]
    assert (family["resourceType"], code(family["relationship"])) == ("FamilyMemberHistory", "MTH")
    assert family["condition"][0]["code"]["text"] == "breast cancer"
    assert not {"flu", "rash", "BRCA1"} & made.keys()
    told = {
        tuple(part.get("valueString", part.get("valueInteger")) for part in one["extension"])
        for one in note["extension"]
        if one["url"] == fhir.WITHHELD
    }
    assert told == {
        ("hypothetical entities", 1),
        ("problems of people who are not surely relatives", 1),
        ("label 'gene', which has no resource", 1),
        ("details of drugs without a drug in their sentence", 1),
    }
    assert sorted(fhir.withheld(NOTES)) == sorted(f"{reason}: {count}" for reason, count in told)


def told(text, *words, assertion="associated-with-someone-else"):
    """What the bundle says of problems: the relative's code, the status of the patient's own, or None."""
    said = {"assertion": assertion} if assertion else {}
    spans = [Span(text.rindex(one), text.rindex(one) + len(one)) for one in words]
    found = tuple(Entity(span, "problem", span.of(text), attributes=said) for span in spans)
    _, made = resources(Document("x", text, found))
    family = {name: one.get("relationship") or one["verificationStatus"] for name, one in made.items()}
    return [code(family[one]) if one in family else None for one in words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FAMILY HISTORY: Negative for breast cancer.", ["breast cancer"]),
        ("No family history of colon cancer.", ["colon cancer"]),
        ("Family history is negative for diabetes, stroke or gout.", ["diabetes", "stroke", "gout"]),
        ("FAMILY HISTORY: Mother denies diabetes. Sister without asthma.", ["diabetes", "asthma"]),
        ("Her brother has no diabetes.", ["diabetes"]),
        ("None of his siblings have diabetes.", ["diabetes"]),
        ("FAMILY HISTORY:\nStroke: none\nGout (-)\n", ["Stroke", "Gout"]),
        ("Possible colon cancer in maternal grandfather.", ["colon cancer"]),
        ("Mother may have had a stroke.", ["stroke"]),
        ("Father: ? gout", ["gout"]),
        ("His wife's father had gout.", ["gout"]),
        ("The father of his wife had gout.", ["gout"]),
        ("Son's teacher has flu.", ["flu"]),
        ("John's mother and her mother-in-law had gout.", ["gout"]),
        ("FAMILY HISTORY: Roommate has influenza.", ["influenza"]),
    ],
)
def test_no_relative_gets_a_problem_that_is_denied_doubted_or_not_surely_theirs(text, words):
    assert told(text, *words) == [None] * len(words)


@pytest.mark.parametrize(
    ("text", "relatives"),
    [
        (
            "FAMILY HISTORY: Significant for diabetes in mother, gout in father, and stroke in his sister.",
            {"diabetes": "MTH", "gout": "FTH", "stroke": "SIS"},
        ),
        ("FAMILY HISTORY: Denies stroke in mother, but gout in father.", {"stroke": None, "gout": "FTH"}),
        ("FAMILY HISTORY: Gout and stroke in both parents.", {"Gout": "PRN", "stroke": "PRN"}),
        ("FAMILY HISTORY:\nStroke - mother, gout - aunt\n", {"Stroke": "MTH", "gout": "AUNT"}),
        ("Mother had gout; father: stroke (at 50).", {"gout": "MTH", "stroke": "FTH"}),
        ("Father had gout, diabetes in mother.", {"gout": None, "diabetes": "MTH"}),
        ("FAMILY HISTORY: Gout. Mother well.", {"Gout": "FAMMEMB"}),
        ("He has an extensive family history of gout.", {"gout": "FAMMEMB"}),
        ("The patient's mother had gout, and Mr. Smith's uncle lupus.", {"gout": "MTH", "lupus": "UNCLE"}),
        ("Her mother's history of gout.", {"gout": "MTH"}),
    ],
)
def test_a_relative_is_the_one_that_the_clause_names(text, relatives):
    assert dict(zip(relatives, told(text, *relatives), strict=True)) == relatives


def test_a_denial_of_a_relative_refutes_nothing_of_the_patient():
    assert told("No family history of gout.", "gout", assertion="absent") == [None]
    assert told("Her sister does not have gout.", "gout", assertion="absent") == [None]
    assert told("Mother denies fever in the child.", "fever", assertion="absent") == ["refuted"]
    assert told("His wife died in May; no gout.", "gout", assertion="absent") == ["refuted"]
    assert told("His parents noticed it on Monday, and he has no gout.", "gout", assertion="absent") == ["refuted"]
    assert told("No family history of stroke, cancer or gout.", "gout", assertion="absent") == [None]
    assert told("Her sister has no stroke, asthma, gout.", "stroke", "asthma", "gout", assertion="absent") == [None] * 3
    assert told("He has no gout.", "gout", assertion="absent") == ["refuted"]


def test_a_drug_has_its_details_as_dosage():
    drug = resources(NOTES[0])[1]["aspirin"]
    assert drug["resourceType"] == "MedicationStatement"
    assert drug["dosage"] == [
        {
            "text": "81 mg by mouth daily for 10 days",
            "timing": {"code": {"text": "daily for 10 days"}},
            "route": {"text": "by mouth"},
        }
    ]
    (coding,) = drug["medicationCodeableConcept"]["coding"]
    assert coding == {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "1191", "display": "aspirin"}


def test_a_code_names_its_system_as_hl7_does_and_equivalents_are_further_codings():
    same = ("SNOMEDCT_US:73211009", "MESH:D003920", "HP:0000819", "ICD10CM:E14", "XY:1", "HP:0000819")
    concept = Concept("MONDO:0005015", "diabetes mellitus", "MONDO", equivalents=same)
    _, made = resources(Document("x", "DM", (Entity(Span(0, 2), "problem", "DM", concepts=(concept,)),)))
    assert [(one["system"], one["code"]) for one in made["DM"]["code"]["coding"]] == [
        ("http://purl.obolibrary.org/obo/mondo.owl", "MONDO:0005015"),
        ("http://snomed.info/sct", "73211009"),
        ("http://terminology.hl7.org/CodeSystem/MSH", "D003920"),
        ("http://human-phenotype-ontology.org", "HP:0000819"),
        ("http://hl7.org/fhir/sid/icd-10-cm", "E14"),
    ]


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("Stopped warfarin and aspirin, continued metformin.", "warfarin stopped, aspirin stopped, metformin unknown"),
        ("Warfarin was stopped; he takes apixaban.", "Warfarin stopped, apixaban unknown"),
        ("He is no longer on warfarin. Metformin on hold.", "warfarin stopped, Metformin on-hold"),
        ("He did not stop warfarin. Bleeding stopped with heparin.", "warfarin unknown, heparin unknown"),
        ("Allergic to penicillin. Takes aspirin.", "penicillin None, aspirin unknown"),
        ("ALLERGIES:\nPenicillin\n\nMEDICATIONS:\nCetirizine for allergies\n", "Penicillin None, Cetirizine unknown"),
        ("[ ] estrogen    [x] prednisolone on hand", "estrogen unknown, prednisolone unknown"),
        ("RETURN PRECAUTIONS:\nTake aspirin.\n", "aspirin unknown"),
        ("Discontinue lisinopril. Metformin held, restarted at discharge.", "lisinopril None, Metformin None"),
        ("Warfarin and aspirin were discontinued.", "Warfarin stopped, aspirin stopped"),
        ("He has no fever but his mother takes lisinopril.", "lisinopril None"),
        ("FAMILY HISTORY: Father on warfarin.", "warfarin None"),
        ("His wife is also on warfarin. She took her sister's aspirin.", "warfarin None, aspirin None"),
        ("Mother reports that the child takes amoxicillin.", "amoxicillin unknown"),
        ("His mother gave him aspirin. Per his wife, he took heparin.", "aspirin unknown, heparin unknown"),
    ],
)
def test_a_drug_is_the_patients_and_taken_only_where_the_text_does_not_say_otherwise(text, statuses):
    said = dict(one.split() for one in statuses.split(", "))
    spans = [Span(text.index(one), text.index(one) + len(one)) for one in said]
    document = Document("x", text, tuple(Entity(span, "drug", span.of(text)) for span in spans))
    _, made = resources(document)
    assert {one: str(made[one]["status"] if one in made else None) for one in said} == said
    assert sum(int(one.rpartition(" ")[2]) for one in fhir.withheld([document])) == len(said) - len(made)


def test_a_mammogram_of_a_relative_is_withheld():
    text = "His mother had a mammogram."
    found = Entity(Span(17, 26), "test", "mammogram")
    assert fhir.withheld([Document("x", text, (found,))]) == ["other people's drugs and tests: 1"]


def test_a_detail_that_names_its_drug_belongs_to_that_one():
    text = "Aspirin and heparin 5 units, 81 mg."
    found = (
        Entity(Span(0, 7), "drug", "Aspirin", id="a"),
        Entity(Span(12, 19), "drug", "heparin", id="h"),
        Entity(Span(20, 27), "dose", "5 units", attributes={"of": "h"}),
        Entity(Span(29, 34), "dose", "81 mg", attributes={"of": "a"}),
    )
    _, made = resources(Document("x", text, found))
    assert [made[name]["dosage"][0]["text"] for name in ("Aspirin", "heparin")] == ["81 mg", "5 units"]


@pytest.mark.parametrize(
    ("words", "kind", "status"),
    [
        ("CT chest", "DiagnosticReport", "unknown"),
        ("Troponin", "Observation", "cancelled"),
        ("Appendectomy", "Procedure", "completed"),
    ],
)
def test_tests_and_procedures(words, kind, status):
    made = resources(NOTES[0])[1][words]
    assert (made["resourceType"], made["status"]) == (kind, status)


def test_the_text_and_the_places_of_all_entities_are_there():
    note, made = resources(NOTES[0])
    text = base64.b64decode(note["content"][0]["attachment"]["data"]).decode()
    assert text == TEXT
    for words, resource in made.items():
        said = mention(resource)
        assert text[said["start"] : said["end"]] == words
        assert said["document"] == {"reference": f"urn:uuid:{note['id']}"}
    fever = mention(made["Fever"])
    assert (fever["score"], fever["section"], fever["label"], fever["match"]) == (0.5, "hpi", "problem", "exact")
    (unread,) = [one for one in note["extension"] if one["url"] == fhir.NOT_READ]
    assert [part.get("valueString") for part in unread["extension"]] == [None, None, "failed"]


def test_the_bundle_is_valid_r4(tmp_path):
    fhirkit = pytest.importorskip("fhirkit", reason="validates FHIR R4: pip install fhirkit-rs")
    path = tmp_path / "out.fhir.json"
    odd = "a\x00\x1b b"
    dirty = Document(odd, odd, (Entity(Span(0, 5), "disease", odd, concepts=(Concept("x", odd, "My list"),)),))
    catalogue.write([*NOTES, dirty], path, format="fhir")
    assert fhirkit.validate(json.loads(path.read_text(encoding="utf-8"))) == []
    assert fhirkit.validate(bundle()) == []
    # It does find what is wrong.
    assert fhirkit.validate({"resourceType": "Condition"}) != []


def test_white_space_alone_has_no_place():
    # A corpus may mark it, and FHIR allows no empty string.
    blank = Document("x", "aspirin \u2028", (Entity(Span(0, 7), "drug", "aspirin"),))
    spaces = (Entity(Span(7, 9), "disease", " \u2028"), Entity(Span(8, 9), "dose", "\u2028"))
    note, made = resources(replace(blank, entities=(*blank.entities, *spaces)))
    assert made.keys() == {"aspirin"}
    assert "dosage" not in made["aspirin"]
    assert "entities of white space alone" in json.dumps(note)


def test_ids_are_the_same_each_time_and_differ_between_notes():
    first = [entry["fullUrl"] for entry in bundle(NOTES[0], NOTES[0])["entry"]]
    assert len(set(first)) == len(first)
    assert first == [entry["fullUrl"] for entry in bundle(NOTES[0], NOTES[0])["entry"]]


def test_what_a_person_is_yet_to_look_at_is_withheld():
    seen = entity("gout", assertion="present")
    note, made = resources(Document("n", TEXT, (seen, entity("cough", attributes={"review": "yes"}))))
    assert made.keys() == {"gout"}
    assert fhir.withheld([Document("n", TEXT, (entity("cough", attributes={"review": "yes"}),))]) == [
        "entities that a person is yet to look at: 1"
    ]
    assert any(one["url"] == fhir.WITHHELD for one in note["extension"])
