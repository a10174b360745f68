"""The notes that come with clinspan as a pool: packaged, built on first use, shown by default, never to themselves."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from clinspan.document import Document
from clinspan.errors import ConfigError
from clinspan.examples import notes
from clinspan.labels import Label, LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion
from clinspan.runs.folder import TaggerRecipe
from clinspan.tagging.tagger import Tagger

ROOT = Path(__file__).parents[2]


class Listening:
    """Follows instructions and remembers what it was asked."""

    name, context, constrains = "listening", 100_000, False

    def __init__(self, profile="served"):
        self.traits = Traits("llm", profile)
        self.asked = []

    def count_tokens(self, text):
        return len(text.split())

    def complete(self, requests):
        for request in requests:
            self.asked.append(request)
            yield Completion("")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Pools are built once for all tests here."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(home, monkeypatch):
    monkeypatch.setenv("CLINSPAN_CACHE", str(home))


def shown(llm, text, **options):
    """The texts and answers of the examples that the LLM saw, and how the run describes itself."""
    options = {"labels": "medication", "dictionary": None, "k": 4, **options}
    with Tagger.open(llm, **options) as tagger:
        list(tagger.tag_many([Document("mine", text)]))
        said = tagger.describe(), [remark.name for remark in tagger.remarks()]
    return [message.content for message in llm.asked[0].messages[1:-1]], *said


def test_what_is_packaged_is_the_training_part():
    spec = importlib.util.spec_from_file_location("notes_tool", ROOT / "tools" / "notes.py")
    tool = importlib.util.module_from_spec(spec)
    sys.modules["notes_tool"] = tool
    spec.loader.exec_module(tool)
    packaged = (ROOT / "src/clinspan/examples/notes.jsonl").read_text(encoding="utf-8")
    assert packaged == tool.packed(tool.corpus(ROOT / "notes" / "text")), "run: python tools/notes.py pool"
    assert len(packaged) < 2_500_000
    rows = (line.split("\t") for line in (ROOT / "notes/split.tsv").read_text(encoding="utf-8").splitlines() if line)
    splits = {row[0]: row[-1] for row in rows}
    assert {splits[json.loads(line)["id"]] for line in packaged.splitlines()} == {"train"}


@pytest.mark.parametrize("labels", notes.SETS)
def test_every_label_set_of_the_notes_has_its_pool(labels):
    found = next(notes.documents(labels))
    assert found.entities
    assert {entity.label for entity in found.entities} <= set(LabelSet.builtin(labels).names)
    assert notes.set_for(LabelSet.builtin(labels).names) == labels


def test_an_llm_that_follows_instructions_is_shown_the_nearest_notes_by_default():
    examples, described, remarked = shown(Listening(), "Started metoprolol 25 mg by mouth twice daily.")
    assert len(examples) == 8
    assert any("metoprolol" in text.casefold() for text in examples[::2])
    assert any("| drug ]" in answer for answer in examples[1::2]), examples[1::2]
    assert described["examples of"] == "the notes that come with clinspan"
    assert "examples of" in remarked
    again, *_ = shown(Listening(), "Started metoprolol 25 mg by mouth twice daily.", examples="notes")
    assert again == examples


def test_examples_say_whether_a_problem_is_present():
    examples, *_ = shown(Listening(), "Denies chest pain or fever.", labels="problem-treatment-test")
    assert any("| problem | absent | current ]" in answer for answer in examples[1::2]), examples[1::2]


@pytest.mark.parametrize(
    "options",
    [
        {"select": "fixed"},
        {"taught": [Document("t", "He takes aspirin.")]},
        {"labels": LabelSet("own", (Label("drug", "Only what is drunk."),))},
        {"labels": "gene"},
    ],
)
def test_it_is_not_shown_them_where_other_examples_are_named_or_the_labels_mean_something_else(options):
    _, described, remarked = shown(Listening(), "Started metoprolol 25 mg.", **options)
    assert "examples of" not in described
    assert "examples of" not in remarked


@pytest.mark.parametrize("profile", ["small", "tuned", "told"])
def test_a_small_or_tuned_model_is_not_shown_them(profile):
    llm = Listening(profile)
    with Tagger.open(llm, labels="medication", dictionary=None) as tagger:
        assert tagger.examples is None


def test_a_note_of_the_corpus_is_never_shown_its_own_sentences():
    note = next(one for one in notes.documents("medication") if len(one.entities) > 5)
    llm = Listening()
    with Tagger.open(llm, labels="medication", dictionary=None, k=4) as tagger:
        list(tagger.tag_many([Document("another-name", note.text)]))
    lines = {line.strip() for line in note.text.splitlines() if len(line.split()) > 5}
    told = [message.content for request in llm.asked for message in request.messages[1:-1:2]]
    assert told
    assert not [line for line in lines for text in told if line in text]


def test_labels_that_the_notes_were_not_annotated_for_are_refused():
    with pytest.raises(ConfigError, match="not annotated for gene"):
        notes.pool(["gene"])


def test_a_recipe_names_the_notes_and_leaves_the_choice_to_the_tagger():
    recipe = TaggerRecipe(llm="none", labels=LabelSet.builtin("medication"), dictionary="none", examples=Path("notes"))
    assert recipe.anchored().examples == Path("notes")
    with recipe.make() as tagger:
        assert notes.is_own(tagger.examples)
        assert len(tagger.taught) > 100
