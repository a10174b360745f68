"""What a drug is said to have caused is the drug-induced concept, where vocabularies have one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dictionary.conftest import Listed, entry

from clinspan.dictionary.build import build
from clinspan.dictionary.link import Linker
from clinspan.dictionary.normalise import drug_caused, normal_form, tokenise
from clinspan.dictionary.store import Dictionary
from clinspan.document import Document, Entity, Span
from clinspan.labels import Label, LabelSet

LABELS = LabelSet("l", (Label("disease", "An illness.", semantic_types=("Disease or Syndrome",)),))
NAMES = [
    entry("MONDO:1", "hepatitis", source="MONDO"),
    entry("MONDO:2", "drug-induced hepatitis", source="MONDO", same=("MESH:D2",)),
    entry("MONDO:3", "dyskinesia", source="MONDO"),
    entry("MONDO:4", "drug-induced dyskinesia", source="MONDO", same=("MESH:D4",)),
    entry("MONDO:5", "headache", source="MONDO"),
    entry("MONDO:6", "anemia", source="MONDO"),
    entry("MONDO:7", "drug-induced anemia", source="MONDO"),
    entry("D:1", "levodopa", types=("Pharmacologic Substance",), source="D"),
    entry("D:2", "clavulanic acid", types=("Pharmacologic Substance",), source="D"),
]
CLASSES = [entry("ICD10CM:G44.4", "Drug-induced headache", source="ICD10CM", same=("MESH:D5",))]
DRUGS = {"levodopa", "clavulanic acid"}


@pytest.fixture(scope="module")
def linker(tmp_path_factory):
    path = tmp_path_factory.mktemp("d")
    build([Listed(NAMES, "MONDO"), Listed(CLASSES, "ICD10CM")], path)
    return Linker(Dictionary.open(path), LABELS)


@pytest.mark.parametrize(
    ("text", "said", "concept"),
    [
        ("Levodopa-induced dyskinesias.", "dyskinesias", ("MONDO:4", "drug-induced")),
        (
            "Dyskinesia was mild. It was a levodopa-induced choreic dyskinesia.",
            "Dyskinesia",
            ("MONDO:4", "drug-induced"),
        ),
        ("Levodopa-induced dyskinesia (LID) is common, and LID is mild.", "dyskinesia", ("MONDO:4", "drug-induced")),
        ("Clavulanic acid-induced hepatitis.", "hepatitis", ("MONDO:2", "drug-induced")),
        ("Hepatitis due to the first levodopa tablet.", "Hepatitis", ("MONDO:2", "drug-induced")),
        ("Medication-induced hepatitis.", "hepatitis", ("MONDO:2", "drug-induced")),
        ("Stress-induced hepatitis, on levodopa.", "hepatitis", ("MONDO:1", "exact")),
        ("Hepatitis. Levodopa was stopped.", "Hepatitis", ("MONDO:1", "exact")),
        ("Levodopa-induced dyskinesia, and hepatitis.", "hepatitis", ("MONDO:1", "exact")),
        ("Levodopa-induced headache.", "headache", ("MONDO:5", "exact")),  # a class to count under
        ("Levodopa-induced anemia.", "anemia", ("MONDO:6", "exact")),  # one vocabulary alone has it
    ],
)
def test_the_text_says_whether_a_drug_did_it(linker, text, said, concept):
    at = text.index(said)
    document = Document("d", text, (Entity(Span(at, at + len(said)), "disease", said),))
    first, *others = linker.link(document).entities[0].concepts
    assert (first.id, first.reason) == concept
    assert ([other.reason for other in others] != []) == (concept[1] == "drug-induced")


@given(st.text(alphabet="ab -,.", max_size=30), st.sampled_from(["levodopa", "clavulanic acid", "stress"]))
def test_only_a_drug_before_the_name_makes_it_drug_caused(text, cause):
    forms = tokenise(f"{text}. {cause}-induced gout").forms
    assert drug_caused(forms, ["gout"], DRUGS.__contains__) == (cause in DRUGS)
    assert not drug_caused(forms, normal_form("no such name").split(), DRUGS.__contains__)
