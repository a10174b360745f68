"""The bias on opening: the best by hand, and what the embedded model makes of real sentences."""

import pytest

from clinspan.calibrate import _best, choose_opening
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError
from clinspan.llms.embedded import EmbeddedLLM, EmbeddedSettings
from clinspan.tagging.settings import NO_FACTS, TagSettings
from clinspan.tagging.tagger import Tagger


def test_the_bias_opens_where_f1_is_best():
    # In order of their odds: open, open, not, open, not, not.
    judged = [(-1.0, True), (-2.0, True), (-3.0, False), (-4.0, True), (-5.0, False), (-6.0, False)]
    found = _best(judged)
    # With four opened three of three are found: 2 * 3 / (4 + 3).
    assert (found.bias, found.places, found.right) == (4.01, 6, 3)
    assert found.f1 == pytest.approx(6 / 7)


def test_places_with_the_same_odds_open_together():
    found = _best([(-1.0, True), (-1.0, False), (-1.0, False), (-1.0, False), (-0.5, True)])
    assert found.bias == 0.51
    assert found.f1 == pytest.approx(2 / 3)


def test_sentences_without_a_mention_teach_nothing():
    with pytest.raises(ConfigError, match="no sentence has a mention"):
        _best([(-1.0, False)])


def test_a_tagger_keeps_its_llm_when_the_choice_fails():
    tagger = Tagger.open(None, labels="disease", dictionary=None)
    with pytest.raises(AttributeError):
        choose_opening(object(), [tagger], [])
    assert tagger.llm is None


@pytest.mark.model
def test_with_the_bias_the_model_opens_what_it_did_not(smollm2):
    text = "She has diabetes and severe asthma since 2010."
    mentions = ("diabetes", "severe asthma")
    entities = tuple(Entity(Span(text.find(m), text.find(m) + len(m)), "disease", m) for m in mentions)
    sentence = Document("s", text, entities)
    settings = TagSettings(facts=NO_FACTS)
    with EmbeddedLLM(smollm2, EmbeddedSettings(threads=1)) as llm:
        tagger = Tagger.open(llm, labels="disease", dictionary=None, settings=settings)
        found = choose_opening(llm, [tagger], [sentence])
        assert found.right == 2
        assert found.places > 5
        before = tagger.tag(text).entities
        after = tagger.with_(settings=TagSettings(facts=NO_FACTS, open_bias=found.bias)).tag(text).entities
    assert before == ()
    assert found.bias > 0
    assert {entity.start for entity in after} & {entity.start for entity in entities}
