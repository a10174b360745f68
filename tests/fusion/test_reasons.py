"""Why a candidate was believed or not, as values and in words, for reported and rejected ones."""

import numpy as np
import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.codec import dump, parse
from clinspan.dictionary.match import Match, Sense, TermMatch
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError
from clinspan.fusion.features import ELSEWHERE, NAMES, Prior
from clinspan.fusion.heard import Heard, gathered
from clinspan.fusion.model import FusedModel, Judge, Weights
from clinspan.fusion.reasons import DECIDED, in_words, reasons
from clinspan.labels import Label, LabelSet
from clinspan.tagging.evidence import Fused
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.tagger import Tagger
from clinspan.view import ReportWriter

LABELS = LabelSet("s", (Label("problem", "A problem.", semantic_types=("Disease or Syndrome",)),))
TEXT = "Tophaceous gout and CRP."


def weights(*names: str) -> Weights:
    row = [{"encoder": 1.0, "types fit": 2.0}.get(name, 0.0) for name in names]
    return Weights(np.array([row]), np.array([-0.5]), np.zeros(len(names)))


@pytest.fixture
def model() -> FusedModel:
    table = Judge(weights(*NAMES), weights(*NAMES, *ELSEWHERE), 0.4)
    prior = Prior({"gout": 4}, {"gout": {"problem": 3}})
    return FusedModel(
        LABELS.names, {"dictionary": "terms 1", "encoder": "encoder:small"}, {"without llm": table}, prior
    )


def heard(*, llm: bool = False) -> Heard:
    sense = Sense("C1", "gouty arthritis", "MESH", "gout", ("Disease or Syndrome",), "", 0.9, preferred=False)
    match = Match(Span(11, 15), "gout", TermMatch.EXACT, (sense,))
    places = {(0, 15): 0.45, (11, 15): 0.3, (20, 23): 0.2}
    told = [("encoder", Entity(Span(a, b), "problem", TEXT[a:b], p)) for (a, b), p in places.items()]
    told.append(("dictionary", told[1][1]))
    return Heard(TEXT, gathered(told, [Span(0, len(TEXT))] if llm else []), (match,))


def rows(model: FusedModel, found: Heard) -> dict[str, dict]:
    return {row["text"]: row for row in reasons(model, found, model.verdicts(found, LABELS, explain=True))}


def test_words_say_what_each_source_said_and_what_that_weighed(model):
    told = rows(model, heard())
    said = in_words(told["gout"])
    assert "'gout' is reported as problem: decided 0.66" in said
    assert "The dictionary has it as a synonym of 'gouty arthritis' (mesh)".casefold() in said.casefold()
    assert "the encoder gives 0.30" in said
    assert "annotated documents mark it 3 of 4 times" in said
    assert "For it: the dictionary (+2.0)" in said
    assert "Against it: the encoder (-0.8)" in said


def test_a_rejected_candidate_says_what_stands_in_its_place(model):
    told = rows(model, heard())
    longer, other = told["Tophaceous gout"], told["CRP"]
    assert (longer["reported"], longer["instead"]) == (False, "'gout' (problem)")
    assert "In its place stands 'gout' (problem)" in in_words(longer)
    assert (other["reported"], other["instead"]) == (False, None)
    assert "the dictionary does not have it" in in_words(other).casefold()


def test_one_whose_bounds_are_in_doubt_says_what_all_have_together(model):
    row = next(iter(rows(model, heard()).values()))
    assert "together" not in row
    assert "Its bounds are in doubt" not in in_words(row)
    assert "with others that overlap it, it has 0.92." in in_words({**row, "together": 0.92})


def test_provenance_names_what_proposed_and_what_decided(model):
    row = rows(model, heard())["gout"]
    assert row["proposed_by"] == ["encoder", "dictionary"]
    assert row["decided_by"] == "a fused model over terms 1, encoder:small"


def test_an_llm_that_was_asked_and_is_silent_is_told(model):
    assert "the LLM does not name it" in in_words(rows(model, heard(llm=True))["CRP"])
    assert "LLM" not in in_words(rows(model, heard())["CRP"])


def explained(model: FusedModel) -> Document:
    decided = Fused(model, LABELS, explain=True).decide(heard())
    return Document("n1", TEXT, decided.entities, metadata={DECIDED: decided.reasons})


def test_the_command_explains_a_result_by_document_and_entity(model, tmp_path):
    path = tmp_path / "out.jsonl"
    line = dump(explained(model))
    assert parse(line, where="x").metadata[DECIDED]
    path.write_text(line + "\n" + dump(Document("n2", "No")) + "\n", encoding="utf-8")

    def said(*arguments: str):
        return CliRunner().invoke(app, ["explain", str(path), *arguments])

    assert said("n1", "--entity", "gout").output.count("gout' is ") == 2
    assert said("n1", "--entity", "gout", "--no-rejected").output.count("gout' is ") == 1
    assert "nothing that was considered is 'rickets'" in said("n1", "--entity", "rickets").output
    assert "keeps no reasons" in str(said("n2").exception)
    assert "no document 'n3'" in str(said("n3").exception)


def test_the_report_shows_reasons_and_no_raw_metadata(model, tmp_path):
    path = tmp_path / "report.html"
    with ReportWriter(path, labels=LABELS, settings={}, versions={}) as report:
        report.add(explained(model))
    page = path.read_text(encoding="utf-8")
    assert "In its place stands" in page
    assert "decided_by" not in page


def test_reasons_are_kept_only_where_they_are_asked_for(model):
    assert Fused(model, LABELS).decide(heard()).reasons is None
    with pytest.raises(ConfigError, match="no weights to explain"):
        Tagger(labels=LABELS, settings=TagSettings(explain=True)).check()
