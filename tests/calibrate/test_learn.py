import random
from collections.abc import Iterable

import pytest

from clinspan.calibrate import learn, learn_from
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, InputError
from clinspan.grounding.boundaries import BoundaryRules
from clinspan.llms.base import Traits
from clinspan.messages import Completion, FoundSpan, Request
from clinspan.tagging.calibration import Calibration, Dial
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.tagger import Tagger

DISEASES = ("gout", "asthma", "measles", "rickets")
OTHERS = ("ward", "table", "window", "garden")


def found_word(text: str, word: str, score: float) -> FoundSpan:
    at = text.index(word)
    return FoundSpan(Span(at, at + len(word)), "disease", score)


class Overeager:
    """Marks every known word, also the wrong ones, those with lower scores."""

    name = "overeager"
    context = None
    constrains = True
    traits = Traits()

    def complete(self, requests: Iterable[Request]):
        for request in requests:
            text = request.constraint.text
            found = []
            for word in text.rstrip(".").split():
                if word in DISEASES or word in OTHERS:
                    found.append(found_word(text, word, 0.6 if word in DISEASES else 0.4))
            yield Completion(text, spans=tuple(found), constrained=True)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def gold(count: int) -> list[Document]:
    rng = random.Random(3)
    made = []
    for n in range(count):
        disease, other = rng.choice(DISEASES), rng.choice(OTHERS)
        text = f"The {other} near {disease}."
        start = text.index(disease)
        made.append(Document(str(n), text, (Entity(Span(start, start + len(disease)), "disease", disease),)))
    return made


@pytest.fixture
def tagger() -> Tagger:
    return Tagger.open(Overeager(), labels="disease", dictionary=None, settings=TagSettings())


def test_learning_drops_what_is_seldom_right_and_makes_scores_probabilities(tagger: Tagger) -> None:
    learned = learn(tagger, gold(60))
    assert 0.4 < learned.calibration.dials["disease"].min_score <= 0.6
    estimate = learned.estimate
    assert estimate.f1_before == pytest.approx(2 / 3)
    assert estimate.f1_after == 1.0
    assert estimate.error_before is not None
    assert estimate.error_after is not None
    assert estimate.error_after < estimate.error_before
    (entity,) = tagger.with_(calibration=learned.calibration).tag("The ward near gout.").entities
    assert entity.text == "gout"
    assert entity.score is not None
    assert entity.score > 0.9


def test_a_dial_is_kept_only_where_it_helps(tagger: Tagger) -> None:
    helps = learn(tagger, gold(60))
    assert helps.estimate.dial_gain == pytest.approx(1 / 3)
    useless = learn(Tagger.open(Stripped(), labels="disease", dictionary=None, settings=TagSettings()), gold(60))
    assert useless.estimate.dial_gain == 0.0
    assert useless.calibration.dials["disease"].min_score == 0.0
    assert useless.calibration.open_bias == 0.0


def test_scores_alone_drop_nothing(tagger: Tagger) -> None:
    seen = []
    learned = learn(tagger, gold(20), open_biases=(), done=lambda: seen.append(1))
    assert len(seen) == 20
    assert learned.estimate.dial_gain is None
    assert learned.estimate.f1_after == learned.estimate.f1_before
    assert learned.calibration.dials["disease"].min_score == 0.0
    assert learned.estimate.error_after < learned.estimate.error_before


def test_what_was_tagged_before_teaches_the_same(tagger: Tagger) -> None:
    right = gold(60)
    tagger = tagger.with_(settings=TagSettings(scores=True))
    found = [tagger.tag(Document(document.id, document.text)) for document in right]
    learned = learn_from(right, found[::-1])
    assert learned == learn(tagger, right, open_biases=(0.0,))
    with pytest.raises(InputError, match="'59' is not among"):
        learn_from(right, found[:-1])
    with pytest.raises(InputError, match="'0' has another text"):
        learn_from(right, [Document("0", "Well."), *found[1:]])


def test_too_little_gold_is_refused(tagger: Tagger) -> None:
    with pytest.raises(InputError, match="too few to learn from"):
        learn(tagger, gold(3))


def test_without_scores_only_boundaries_are_learned() -> None:
    learned = learn(Tagger.open(None, labels="disease", dictionary=None), gold(8))
    assert learned.estimate.error_after is None
    assert learned.calibration.dials == {}


class Stripped:
    """Marks every disease without the word before it, which gold has inside."""

    name = "stripped"
    context = None
    constrains = True
    traits = Traits()

    def complete(self, requests: Iterable[Request]):
        for request in requests:
            text = request.constraint.text
            found = [found_word(text, word, 0.9) for word in DISEASES if word in text]
            yield Completion(text, spans=tuple(found), constrained=True)

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def test_boundary_rules_are_kept_only_where_they_help() -> None:
    pool = [d for d in gold(60) if d.entities]
    with_word = []
    for document in pool:
        text = document.text.replace("near ", "near florid ")
        mention = f"florid {document.entities[0].text}"
        start = text.index(mention)
        with_word.append(Document(document.id, text, (Entity(Span(start, start + len(mention)), "disease", mention),)))
    tagger = Tagger.open(Stripped(), labels="disease", dictionary=None, settings=TagSettings())
    helps = learn(tagger, with_word)
    assert helps.estimate.rules_gain == 1.0
    assert [e.text for e in tagger.with_(calibration=helps.calibration).tag("The ward near florid gout.").entities] == [
        "florid gout"
    ]
    useless = learn(tagger, pool)
    assert useless.calibration.rules == BoundaryRules()


def test_a_calibration_survives_its_file(tmp_path) -> None:
    made = Calibration(1.5, {'odd "label"\n': Dial(0.25, 0.5, -1.0)}, BoundaryRules(), {"model": "x\\y"})
    path = tmp_path / "c.toml"
    path.write_text(made.to_toml(), encoding="utf-8")
    assert Calibration.from_toml(path) == made


@pytest.mark.parametrize(
    "text",
    ["", "open_bias = 'much'", "open_bias = 1\n[dials.disease]\nmin_score = 3", "open_bias = 1\n[dials.d]\nx = 1"],
)
def test_a_wrong_file_is_named(tmp_path, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        Calibration.from_toml(path)


def test_an_entity_below_the_dial_is_dropped() -> None:
    calibration = Calibration(dials={"disease": Dial(min_score=0.5)})
    entity = Entity(Span(0, 4), "disease", "gout", score=0.4)
    assert calibration.apply(entity, "gout") is None
