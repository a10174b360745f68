"""Words that a vocabulary takes for a disease and notes do not."""

import json

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.dictionary.store import Dictionary
from clinspan.dictionary.tag import Tagger, in_heading
from clinspan.document import Span
from clinspan.labels import Label, LabelSet

DISEASE = Label("disease", "A disease.", semantic_types=("Disease or Syndrome",))
NAMES = {
    "cholangiocarcinoma": ["CC"],
    "rheumatoid arthritis": ["RA"],
    "intermediate uveitis": ["IU"],
    "Netherton syndrome": ["NS"],
    "hypersensitivity": ["allergies"],
}


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory) -> Dictionary:
    folder = tmp_path_factory.mktemp("everyday")
    source = folder / "terms.jsonl"
    entries = [
        {"id": f"T:{n}", "name": name, "synonyms": short, "type": "Disease or Syndrome"}
        for n, (name, short) in enumerate(NAMES.items())
    ]
    source.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    built = CliRunner().invoke(app, ["dictionary", "build", str(source), "-o", str(folder / "built")])
    assert built.exit_code == 0, built.output
    return Dictionary.open(folder / "built")


def found(dictionary: Dictionary, text: str, *terms: str) -> list[str]:
    labels = LabelSet("mine", (Label("disease", "A disease.", semantic_types=DISEASE.semantic_types, terms=terms),))
    return [entity.text for entity in Tagger(dictionary, labels).tag(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CC: cough.", []),
        ("Bolus of NS given.", []),
        ("Vitamin D 1000 IU daily.", []),
        ("IU of the left eye.", ["IU"]),
        ("Sat 97% on RA.", []),
        ("Sat 97% RA.", []),
        ("History of RA.", ["RA"]),
        ("Netherton syndrome (NS) is rare; NS begins early.", ["Netherton syndrome", "NS", "NS"]),
        ("Allergies: penicillin", []),
        ("ALLERGIES\nNone known.", []),
        ("  3. Allergies:\r\nnone", []),
        ("He has allergies.", ["allergies"]),
        ("Seasonal allergies: worse.", ["allergies"]),
        ("Note\rAllergies:\rRA", ["RA"]),
    ],
)
def test_what_notes_mean_goes_before_what_a_vocabulary_has(dictionary, text: str, expected: list[str]) -> None:
    assert found(dictionary, text) == expected


def test_a_label_sets_own_terms_go_first(dictionary) -> None:
    assert found(dictionary, "Bolus of NS given.", "NS") == ["NS"]


def test_a_long_line_is_no_heading() -> None:
    text = "plan " * 100
    assert not in_heading(text, Span(0, 4))
    assert in_heading("PLAN", Span(0, 4))
    assert not in_heading("PLAN of care", Span(0, 4))
