"""DiRAG in the whole path: facts in the prompt, from the text or from candidates that the LLM lists."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.dictionary import written
from clinspan.dictionary.build import build
from clinspan.dictionary.facts import FactsMode, labelled
from clinspan.dictionary.sources.rrf import Rrf
from clinspan.dictionary.store import Dictionary
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, LLMError
from clinspan.messages import Completion
from clinspan.tagging.read import Summary
from clinspan.tagging.settings import TOLD, FactSettings, TagSettings
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import windows
from clinspan.tuning.epochs import Facts

GOLDEN = Path(__file__).parent.parent / "golden" / "prompt-facts.txt"
TEXT = "Both sisters had Huntington's disease, and one a heart attack."
ENTRIES = [
    {
        "id": "T:1",
        "name": "myocardial infarction",
        "synonyms": ["heart attack"],
        "type": "Disease or Syndrome",
        "definition": "Necrosis of heart muscle.",
    },
    {"id": "T:2", "name": "Huntington disease", "type": "Disease or Syndrome", "definition": "A hereditary chorea."},
    {"id": "T:3", "name": "sister", "type": "Family Group", "definition": "A female sibling."},
]


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory) -> Dictionary:
    folder = tmp_path_factory.mktemp("facts")
    source = folder / "terms.jsonl"
    source.write_text("".join(json.dumps(entry) + "\n" for entry in ENTRIES))
    built = CliRunner().invoke(app, ["dictionary", "build", str(source), "-o", str(folder / "built")])
    assert built.exit_code == 0, built.output
    return Dictionary.open(folder / "built")


def ask(llm, dictionary: Dictionary, **facts: object) -> Tagger:
    settings = TagSettings(facts=FactSettings(**facts))
    return Tagger.open(llm, labels="disease", dictionary=dictionary, settings=settings)


def test_the_whole_prompt_with_facts_is_as_shown(scripted, dictionary) -> None:
    llm = scripted(lambda text: text)
    ask(llm, dictionary).tag(TEXT)
    shown = "\n\n".join(f"## {m.role}\n{m.content}" for m in llm.requests[0].messages) + "\n"
    if os.environ.get("CLINSPAN_WRITE_GOLDEN"):
        GOLDEN.write_text(shown, encoding="utf-8")
    assert shown == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("mode", "has", "lacks"),
    [
        (FactsMode.TYPES, "Disease or Syndrome", "Necrosis"),
        (FactsMode.DEFINITIONS, "Necrosis", "Disease or Syndrome"),
        (FactsMode.NONE, TEXT, "dictionary knows"),
    ],
)
def test_types_and_definitions_can_be_left_out(scripted, dictionary, mode, has, lacks) -> None:
    llm = scripted(lambda text: text)
    ask(llm, dictionary, mode=mode).tag(TEXT)
    question = llm.requests[0].messages[-1].content
    assert has in question
    assert lacks not in question


SHORT_FORM = "Huntington's disease (HD) is rare. We saw HD in two sisters, and no heart attack. Well, HD."


def test_a_tuned_model_is_told_the_labels_that_the_dictionary_gives(scripted, dictionary) -> None:
    llm = scripted(lambda text: text)
    Tagger.open(llm, labels="disease", dictionary=dictionary, settings=TOLD).tag(SHORT_FORM)
    asked = [request.messages[-1].content for request in llm.requests]
    assert asked[0].startswith("Known: Huntington's disease: disease; HD: disease\n")
    # The short form is known by its definition in another sentence.
    assert asked[1].startswith("Known: HD: disease; heart attack: disease\n")
    assert asked[2].startswith("Known: HD: disease\n")


def test_what_is_told_in_training_is_what_the_tagger_tells(scripted, dictionary) -> None:
    llm = scripted(lambda text: text)
    tagger = Tagger.open(llm, labels="disease", dictionary=dictionary, settings=TOLD)
    tagger.tag(SHORT_FORM)
    told = Facts(dictionary, llm.count_tokens)
    document = Document("1", SHORT_FORM)
    cut = windows(SHORT_FORM, TOLD.windows, count=llm.count_tokens)
    for window, request in zip(cut, llm.requests, strict=True):
        lines = told(document, window.span, tagger.labels)
        assert request.messages[-1].content.split("\n")[0] == "Known: " + "; ".join(lines)


def test_labels_as_facts_keep_to_their_budget_and_are_told_once() -> None:
    found = [Entity(Span(at, at + 4), "disease", "gout") for at in (0, 10)]
    found.append(Entity(Span(20, 27), "disease", "measles"))
    assert labelled(found, 100, len) == ("gout: disease", "measles: disease")
    assert labelled(found, 14, len) == ("gout: disease",)
    assert labelled(found, 13, len) == ()


def test_labels_as_facts_are_the_dictionarys_own() -> None:
    with pytest.raises(ConfigError, match="come from the dictionary's scan"):
        FactSettings(mode=FactsMode.LABELS, source="propose")


def test_a_type_is_defined_where_the_concept_has_no_definition_of_its_own(scripted, tmp_path) -> None:
    meta = tmp_path / "META"
    meta.mkdir()
    for cui, name in (("C1", "Gout"), ("C2", "Measles")):
        with (meta / "MRCONSO.RRF").open("a") as names, (meta / "MRSTY.RRF").open("a") as types:
            names.write(f"{cui}|ENG|P|L1|PF|S1|Y|A{cui}||||MSH|MH|D1|{name}|0|N||\n")
            types.write(f"{cui}|T047|B2|Disease or Syndrome|AT1||\n")
    (meta / "MRDEF.RRF").write_text("C2|AC2|AT8||MSH|A rash with fever.|N||\n")
    (meta / "SRDEF").write_text("STY|T047|Disease or Syndrome|B2|A condition that alters health.||||dsyn||\n")
    build([Rrf(meta)], tmp_path / "built")
    own, of_type = "Measles: A rash with fever.", "gout: Disease or Syndrome: A condition that alters health."
    for budget, told in ((200, [own, of_type]), (8, [own])):
        llm = scripted(lambda text: text)
        ask(llm, Dictionary.open(tmp_path / "built"), mode=FactsMode.DEFINITIONS, budget=budget).tag("Measles, gout.")
        question = llm.requests[0].messages[-1].content
        assert [line for line in (own, of_type) if line in question] == told


def test_a_document_is_scanned_once_for_proposals_facts_and_links(scripted, dictionary, monkeypatch) -> None:
    scans: Counter[str] = Counter()
    for owner, name in ((Dictionary, "_as_it_stands"), (Dictionary, "_misspelt"), (written, "abbreviations")):
        called = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a, called=called, name=name: scans.update([name]) or called(*a))
    llm = scripted(lambda text: "Both [sisters | disease] had" + text.removeprefix("Both sisters had"))
    done = ask(llm, dictionary).tag(TEXT)
    assert [entity.concepts[0].id for entity in done.entities] == ["T:3"]
    assert scans == {"_as_it_stands": 1, "_misspelt": 1, "abbreviations": 1}


def test_facts_stay_within_their_budget(scripted, dictionary) -> None:
    llm = scripted(lambda text: text)
    ask(llm, dictionary, budget=0).tag(TEXT)
    assert "dictionary knows" not in llm.requests[0].messages[-1].content


def test_candidates_that_the_llm_lists_are_looked_up(scripted, dictionary) -> None:
    asked = []

    def answer(text: str) -> str:
        asked.append(text)
        return "- heart attack\n- unknown thing" if len(asked) == 1 else text

    llm = scripted(answer)
    done = ask(llm, dictionary, source="propose").tag(TEXT)
    assert len(llm.requests) == 2
    question = llm.requests[1].messages[-1].content
    assert "Necrosis of heart muscle" in question
    assert "chorea" not in question
    assert done.windows[0].repairs == ()


@pytest.mark.parametrize(
    "listed",
    [
        LLMError("the server answered 500"),
        Completion("I think that this text talks about several things, which I shall now explain at length to you."),
    ],
    ids=["failed", "no list"],
)
def test_a_list_that_cannot_be_read_is_counted_and_the_window_is_still_asked(scripted, dictionary, listed) -> None:
    asked = []

    def answer(text: str):
        asked.append(text)
        return listed if len(asked) == 1 else text

    done = ask(scripted(answer), dictionary, source="propose").tag(TEXT)
    assert "the list of candidates was not read" in (done.windows[0].unlisted or "")
    assert done.windows[0].repairs == ()
    assert done.complete
    summary = Summary()
    summary.add(done)
    assert summary.unread_lists == 1


@pytest.mark.parametrize("ahead", [1, 3, 2048])
def test_each_window_is_asked_with_the_facts_of_its_own_list(scripted, dictionary, ahead) -> None:
    llm = scripted(lambda text: "- Huntington disease" if "chorea" in text else "- heart attack")
    settings = TagSettings(facts=FactSettings(source="propose"), ahead=ahead)
    notes = [Document(str(n), "It was chorea." if n % 3 else "It was the heart.") for n in range(30)]
    tagger = Tagger.open(llm, labels="disease", dictionary=dictionary, settings=settings)
    assert [document.id for document in tagger.tag_many(notes)] == [document.id for document in notes]
    questions = [r.messages[-1].content for r in llm.requests if "dictionary knows" in r.messages[-1].content]
    assert len(questions) == 30
    for number, question in enumerate(questions):
        assert ("hereditary chorea" in question) == bool(number % 3)
        assert ("Necrosis" in question) != bool(number % 3)
