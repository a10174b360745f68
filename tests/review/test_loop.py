"""The loop from end to end: a correction is accepted, stands in the pool, is found, and is in the next prompt."""

import stat

import pytest
from room import GOUT, LABELS, NOTE, TEXT, mark, opened
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.corpora import catalogue
from clinspan.document import Document
from clinspan.errors import InputError
from clinspan.examples.pool import Pool
from clinspan.examples.selection import SelectSettings, Strategy
from clinspan.labels import LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion
from clinspan.review import loop
from clinspan.review.note import Mark, State, text_hash
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.tagger import Tagger


class Listener:
    """An LLM that answers with the text, and keeps what it was asked."""

    name = "listener"
    context = None
    constrains = False
    traits = Traits()

    def __init__(self):
        self.asked = []

    def complete(self, requests):
        for request in requests:
            self.asked.append("\n".join(message.content for message in request.messages))
            yield Completion(request.messages[-1].content.split("Text:\n", 1)[-1])

    def count_tokens(self, text):
        return len(text.split())


def accepted(store, *marks, state=State.ACCEPTED):
    version = store.note(1).version.number
    store.save(1, marks, version=version, hash=text_hash(TEXT), by="ann", state=state)


def test_a_correction_is_in_the_next_prompt(tmp_path) -> None:
    start = TEXT.index("colchicine")
    with opened(tmp_path) as store:
        accepted(store, mark(GOUT, attributes={"assertion": "absent"}), Mark(start, start + 10, "problem"))
        written = loop.write(store, tmp_path / "out")
    assert (written.accepted, written.pooled, written.examples, written.gold) == (1, 1, 1, 1)
    pool = Pool.open(tmp_path / "out" / loop.POOL)
    assert pool.labels == ("problem", "drug", "dose")
    done = CliRunner().invoke(app, ["examples", "find", "He has gout.", "--examples", str(tmp_path / "out" / "pool")])
    assert "gout (problem)" in done.output
    assert "colchicine (problem)" in done.output
    (gold,) = catalogue.read(tmp_path / "out" / loop.GOLD)
    assert [(e.text, e.label) for e in gold.entities] == [("gout", "problem"), ("colchicine", "problem")]
    assert gold.metadata["reviewed_by"] == "ann"
    llm = Listener()
    settings = TagSettings(examples=SelectSettings(strategy=Strategy.KNN, k=1))
    with Tagger(llm, labels=LabelSet("mine", LABELS), settings=settings, examples=pool) as tagger:
        tagger.tag("He has gout.")
    assert "She denies [ gout | problem ] \N{PILL} and takes [ colchicine | problem ] 0.6 mg." in llm.asked[0]


def test_what_was_taken_back_leaves_nothing_behind(tmp_path) -> None:
    other = "Has asthma."
    with opened(tmp_path, NOTE, Document("b", other)) as store:
        accepted(store, mark(GOUT))
        store.save(2, (), version=1, hash=text_hash(other), by="ann", state=State.ACCEPTED)
        assert loop.write(store, tmp_path / "out").gold == 2
        assert stat.S_IMODE((tmp_path / "out" / loop.GOLD).stat().st_mode) == 0o600
        accepted(store, state=State.CHANGED)
        assert loop.write(store, tmp_path / "out").gold == 1
        assert [one.document for one in Pool.open(tmp_path / "out" / loop.POOL)] == ["b"]
        assert loop.write(store, tmp_path / "gold alone", pool=False).pooled is None
        assert [file.name for file in (tmp_path / "gold alone").iterdir()] == [loop.GOLD]


def test_nothing_accepted_is_said(tmp_path) -> None:
    with opened(tmp_path) as store, pytest.raises(InputError, match="accepted"):
        loop.write(store, tmp_path / "out")
    assert not (tmp_path / "out").exists()
