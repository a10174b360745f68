"""Examples in the whole path: out of a pool into the prompt, in both layouts, within the model's context."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError
from clinspan.examples.build import build
from clinspan.examples.pool import Pool
from clinspan.examples.selection import MentionSource, Order, SelectSettings, Strategy
from clinspan.labels import Example, LabelSet
from clinspan.messages import Completion
from clinspan.prompt import PromptSettings
from clinspan.tagging.settings import NO_FACTS, TagSettings
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import WindowSettings

GOLDEN = Path(__file__).parent.parent / "golden"
SETTINGS = TagSettings(windows=WindowSettings(max_tokens=40, max_sentences=1, overlap_sentences=0), facts=NO_FACTS)
TEXT = "She had aspirin for a headache."


def gold(id: str, text: str, **mentions: str) -> Document:
    found = [Entity(Span(text.index(m), text.index(m) + len(m)), label, m) for label, m in mentions.items()]
    return Document(id, text, tuple(sorted(found, key=lambda e: e.start)))


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Pool:
    folder = tmp_path_factory.mktemp("pool")
    documents = [
        gold("a", "He had aspirin for [his] chest pain.", drug="aspirin", problem="chest pain"),
        gold("b", "She had no fever.", problem="fever"),
        gold("c", "A headache for two days | no nausea.", problem="headache"),
        gold("d", "The family was seen."),
        gold("e", "Metformin was stopped.", drug="Metformin"),
    ]
    build(documents, folder, labels=("drug", "problem"))
    return Pool.open(folder)


def tagger(llm, labels: LabelSet, pool: Pool | None, prompt: PromptSettings | None = None, **choice) -> Tagger:
    settings = replace(SETTINGS, examples=SelectSettings(**choice), prompt=prompt or PromptSettings())
    return Tagger.open(llm, labels=labels, dictionary=None, settings=settings, examples=pool)


def texts(messages) -> list[str]:
    """The texts that are shown, without the last, which is asked about."""
    return [m.content.split("Text:\n", 1)[1] for m in messages if m.role == "user"][:-1]


@pytest.mark.parametrize("layout", ["turns", "message"])
def test_the_whole_prompt_with_chosen_examples_is_as_shown(scripted, labels, pool, layout) -> None:
    llm = scripted(lambda text: text)
    choice = {"strategy": Strategy.KNN, "k": 3}
    tagger(llm, labels, pool, PromptSettings(examples_as=layout), **choice).tag(TEXT)
    shown = "".join(f"--- {m.role}\n{m.content}\n" for m in llm.requests[0].messages)
    golden = GOLDEN / f"prompt-examples-{layout}.txt"
    if os.environ.get("CLINSPAN_WRITE_GOLDEN"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


def test_the_same_examples_are_shown_in_both_layouts_and_all_formats(scripted, labels, pool) -> None:
    asked = []
    for layout, form in (("turns", "tanl"), ("message", "tanl"), ("turns", "dice"), ("turns", "json")):
        llm = scripted(lambda text: text)
        settings = replace(SETTINGS, examples=SelectSettings(strategy=Strategy.RANDOM, k=2, seed=3))
        settings = replace(settings, prompt=PromptSettings(examples_as=layout))
        Tagger.open(llm, labels=labels, format=form, dictionary=None, settings=settings, examples=pool).tag(TEXT)
        prompt = "\n".join(m.content for m in llm.requests[0].messages)
        asked.append({e.text for e in pool if f"Text:\n{e.text}\n" in f"{prompt}\n"})
    assert asked[0] == asked[1] == asked[2] == asked[3]
    assert len(asked[0]) == 2


def test_per_type_shows_the_entities_of_its_own_label_only(scripted, labels, pool) -> None:
    llm = scripted(lambda text: text)
    settings = replace(SETTINGS, examples=SelectSettings(strategy=Strategy.KNN, k=1))
    Tagger.open(llm, labels=labels, format="per-type:tanl", dictionary=None, settings=settings, examples=pool).tag(
        "Aspirin."
    )
    drug, problem = ([m.content for m in r.messages if m.role == "assistant"] for r in llm.requests)
    assert drug == [r"He had [ aspirin | drug ] for \[his\] chest pain."]
    assert problem == [r"He had aspirin for \[his\] [ chest pain | problem ]."]


def test_the_pools_mentions_lead_to_examples_that_hold_them(scripted, labels, pool) -> None:
    llm = scripted(lambda text: text)
    choice = {"strategy": Strategy.ENTITY, "mentions": MentionSource.POOL, "k": 1}
    tagger(llm, labels, pool, **choice).tag("Seen for two days, then METFORMIN.")
    assert texts(llm.requests[0].messages) == ["Metformin was stopped."]


def test_a_note_of_the_pool_is_not_shown_itself(scripted, labels, pool) -> None:
    note = next(iter(pool)).text
    by_id, by_text = scripted(lambda text: text), scripted(lambda text: text)
    tagger(by_id, labels, pool, strategy=Strategy.KNN).tag(Document("a", note.replace("aspirin", "ibuprofen")))
    tagger(by_text, labels, pool, strategy=Strategy.KNN).tag(Document("other", note.upper()))
    for llm in (by_id, by_text):
        shown = texts(llm.requests[0].messages)
        assert shown == ["A headache for two days | no nausea.", "She had no fever."]  # the others share no word


def test_another_version_of_the_note_shows_it_nothing(scripted, labels, tmp_path) -> None:
    note = "Seen at nine with a cold. Her left knee hurt after a long walk in the hills above the lake last week. "
    note += "She was told to rest it, to drink more water, and to come back on the first day of the month. {} Home."
    old = Document("version 1", note.format("Pain is mild."))
    build([old, Document("b", "Pain was severe in his arm.")], tmp_path / "pool", labels=labels.names)
    llm = scripted(lambda text: text)
    asks = tagger(llm, labels, Pool.open(tmp_path / "pool"), strategy=Strategy.KNN)
    asks.tag(Document("version 2", note.format("Pain is severe.")))
    shown = {text for request in llm.requests for text in texts(request.messages)}
    assert shown == {"Pain was severe in his arm."}
    assert "from another version of the document" in dict(asks.demonstrations.tally.figures())["examples left out"]


def test_what_does_not_fit_into_the_context_is_left_out_and_counted(scripted, labels, pool) -> None:
    llm = scripted(lambda text: text)
    whole = tagger(llm, labels, pool, strategy=Strategy.KNN, k=3)
    whole.tag(TEXT)
    messages = llm.requests[0].messages
    needed = sum(len(m.content.split()) + 8 for m in messages) + 8 + llm.requests[0].max_tokens
    fits, small = scripted(lambda text: text), scripted(lambda text: text)
    fits.context, small.context = needed, needed - 1
    tagger(fits, labels, pool, strategy=Strategy.KNN, k=3).tag(TEXT)
    assert fits.requests[0].messages == messages
    less = tagger(small, labels, pool, strategy=Strategy.KNN, k=3)
    less.tag(TEXT)
    assert texts(small.requests[0].messages) == texts(messages)[1:]
    assert less.demonstrations.tally.no_room == 1


def test_the_label_sets_own_examples_give_way_too(scripted, labels) -> None:
    own = replace(labels, examples=(Example("Far.", ()), Example("Near by.", ())))
    llm = scripted(lambda text: text)
    tagging = tagger(llm, own, None, tokens=18)  # the second alone takes 2 * 3 words and 2 * 8 tokens of markup
    tagging.tag(TEXT)
    assert texts(llm.requests[0].messages) == []
    assert tagging.demonstrations.tally.over_budget == 2


def test_prefixes_are_shared_where_examples_stay(scripted, labels, pool) -> None:
    note = "She had aspirin. A headache for days. He had chest pain. Metformin again. No fever at all."
    shares = {}
    for strategy in (Strategy.NONE, Strategy.RANDOM_ONCE, Strategy.RANDOM):
        asking = tagger(scripted(lambda text: text), labels, pool, strategy=strategy, k=3)
        asking.tag(note)
        shares[strategy] = asking.sharing.shared / asking.sharing.tokens
    assert shares[Strategy.RANDOM_ONCE] > shares[Strategy.RANDOM] > 0.3


def test_the_share_is_that_of_the_common_start(scripted, labels) -> None:
    llm = scripted(lambda text: Completion(text, prompt_tokens=100, cached_tokens=60))
    asking = tagger(llm, labels, None, strategy=Strategy.NONE)
    asking.tag("Given aspirin. Given ibuprofen.")
    system, first = (len(m.content.split()) for m in llm.requests[0].messages)
    assert asking.sharing.tokens == 2 * (system + first)
    assert asking.sharing.shared == system + first - 1
    assert (asking.sharing.prompt_tokens, asking.sharing.cached_tokens) == (200, 120)


def test_a_strategy_without_a_pool_and_a_pool_without_a_label_are_refused(scripted, labels, pool) -> None:
    with pytest.raises(ConfigError, match="there is none"):
        tagger(scripted(str), labels, None, strategy=Strategy.KNN).tag(TEXT)
    with pytest.raises(ConfigError, match="not annotated for 'disease'"):
        tagger(scripted(str), LabelSet.builtin("disease"), pool, strategy=Strategy.KNN).tag(TEXT)


def test_the_order_of_documents_changes_no_prompt(scripted, labels, pool) -> None:
    notes = [Document(str(n), f"{word} had a headache and pain.") for n, word in enumerate(("She", "He", "Family"))]
    for order in Order:
        asked = []
        for documents in (notes, notes[::-1]):
            llm = scripted(lambda text: text)
            list(tagger(llm, labels, pool, strategy=Strategy.RANDOM, k=2, order=order).tag_many(documents))
            asked.append({request.messages for request in llm.requests})
        assert asked[0] == asked[1]


def test_a_tuned_model_is_shown_examples_when_asked_to_with_a_warning(scripted, labels, pool) -> None:
    llm = scripted(lambda text: text)
    asking = tagger(llm, labels, pool, PromptSettings(style="brief"), strategy=Strategy.KNN, k=1)
    asking.tag(TEXT)
    assert len(llm.requests[0].messages) == 4
    assert [remark.name for remark in asking.remarks() if remark.warns] == [
        "labels never shown",
        "examples in a brief prompt",
    ]
