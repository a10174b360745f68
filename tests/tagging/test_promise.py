"""A promise: made on gold, kept in the calibration file, kept by the tagger, and refused where it does not belong."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.calibrate import candidates, keep
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, InputError
from clinspan.evaluation.match import Rule
from clinspan.evaluation.thresholds import Asked, Threshold
from clinspan.labels import Label, LabelSet
from clinspan.llms.base import Traits
from clinspan.messages import Completion, FoundSpan, Request
from clinspan.tagging.calibration import (
    BY_ID,
    PROMISE,
    REVIEW,
    Calibration,
    Dial,
    Kept,
    Promise,
    kind_of,
    make,
    sort_out,
)
from clinspan.tagging.read import Summary
from clinspan.tagging.tagger import Tagger
from clinspan.view import render

LABELS = LabelSet("s", (Label("disease", "A disease."), Label("drug", "A medicine.")))
WORDS = {"gout": 0.95, "asthma": 0.6, "rickets": 0.3, "ward": 0.5, "table": 0.2, "window": 0.4, "aspirin": 0.9}
DISEASES = ("gout", "asthma", "rickets")
OTHERS = ("ward", "table", "window")


class Reader:
    """An encoder with a score for each word that it knows; those below .5 only where it is to consider them."""

    name, context, constrains = "reader", None, True
    traits = Traits("encoder", "tuned")

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            text, least = request.constraint.text, request.constraint.consider
            found = []
            for word, score in WORDS.items():
                if word in text and (score >= 0.5 or (least is not None and score >= least)):
                    at = text.index(word)
                    label = "drug" if word == "aspirin" else "disease"
                    found.append(FoundSpan(Span(at, at + len(word)), label, score))
            yield Completion("", spans=tuple(sorted(found, key=lambda one: one.span.start)))

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def gold(count: int = 120, labels: tuple[str, ...] = ("disease",), kinds: tuple[str, ...] = ("n",)) -> list[Document]:
    rng = random.Random(3)
    made = []
    for number in range(count):
        others = " ".join(word for word in OTHERS if rng.random() < 0.3)
        text = f"{' '.join(DISEASES)} {others} aspirin"
        right = [
            word for word in (*DISEASES, "aspirin") if (word == "aspirin") == ("drug" in labels) or len(labels) > 1
        ]
        entities = tuple(
            Entity(Span(text.index(w), text.index(w) + len(w)), "drug" if w == "aspirin" else "disease", w)
            for w in right
        )
        kind = kinds[number % len(kinds)]
        made.append(Document(f"{kind}{number}", text, entities, metadata={"kind": kind.upper()}))
    return made


DISEASE = LABELS.only("disease")


def tagger() -> Tagger:
    return Tagger(encoder=Reader(), labels=DISEASE)


def promised(asked: Asked, documents: list[Document] | None = None, **more: object) -> Promise:
    documents = documents or gold()
    found = candidates(tagger(), documents, consider=0.1)
    about = {"labels": DISEASE.names, "model": "reader", "data": "gold.jsonl", "consider": 0.1}
    return make(documents, found, asked, **(about | more))


def test_the_tagger_goes_by_it_and_says_so():
    documents = gold()
    promise = promised(Asked(0.9, 0.95))
    (one,) = promise.kept
    # All three diseases must be found; a word that is none stands at .5 and below.
    assert (one.threshold.review, one.threshold.report) == (0.3, 0.6)
    calibration = keep(promise, documents, candidates(tagger(), documents, consider=0.1))
    kept = tagger().with_(calibration=calibration)
    kept.check()
    done = kept.tag("gout rickets ward table")
    assert [(e.text, e.attribute(REVIEW)) for e in done.entities] == [
        ("gout", None),
        ("rickets", "yes"),
        ("ward", "yes"),
    ]
    # Without it neither is the least likely one found, nor is anything for a person.
    assert [e.text for e in tagger().tag("gout rickets ward table").entities] == ["gout", "ward"]
    assert done.metadata[PROMISE] == {"said": promise.said, "sha256": promise.sha256, REVIEW: 2}
    for part in ("recall of at least 0.9 and precision of at least 0.95", "disease", "gold.jsonl", "120", "360"):
        assert part in promise.said
    assert kept.describe()["promise"] == promise.said
    summary = Summary()
    summary.add(done)
    assert (summary.reviewed, summary.entities) == (2, 3)
    page = render([done], labels=DISEASE, settings=kept.describe(), versions={})
    assert "Entities for a person to look at" in page
    assert '<td><a href="#d0e1">rickets</a></td><td>disease</td>' in page
    assert '<a href="#d0e0">gout</a></td><td>disease</td><td>' not in page.split("How this was made")[0]


def test_what_the_tagger_does_is_what_was_promised_of():
    """Each gold document, tagged by the promise, has what the thresholds let through of what was looked at."""
    documents = gold(40)
    promise = promised(Asked(0.8, None), documents)
    found = candidates(tagger(), documents, consider=0.1)
    kept = tagger().with_(calibration=keep(promise, documents, found))
    least = promise.kept[0].threshold.review
    for all_of_it, done in zip(found, kept.tag_many(documents), strict=True):
        expected = [e.span for e in all_of_it.entities if e.score >= least]
        assert [e.span for e in done.entities] == expected


@given(
    st.sampled_from(["disease", "drug"]),
    st.one_of(st.none(), st.floats(0, 1)),
    st.lists(st.floats(0, 1), min_size=2, max_size=2),
)
def test_sorting_out(label, score, ends):
    review, report = sorted(ends)
    entity = Entity(Span(0, 4), label, "gout", score, attributes={"assertion": "absent"})
    done = sort_out(entity, score, {"disease": Threshold(report, review, 1, 1, 0.0)})
    if label == "drug" or (score is not None and score >= report):
        assert done == entity
    elif score is not None and score < review:
        assert done is None
    else:
        assert done == replace(entity, attributes={"assertion": "absent", REVIEW: "yes"})


NAMES = st.text(min_size=1, max_size=8).filter(lambda text: text.isprintable())


@given(NAMES, NAMES, st.floats(0.01, 0.99), st.sampled_from([None, 0.9]), st.sampled_from([None, 0.01]))
def test_the_file_gives_it_back(label, kind, recall, precision, consider):
    rows = (Kept(label, "", Threshold(0.9, 0.25, 9, 3, 0.1)), Kept(label, kind, Threshold(recall, 0.0, 9, 3, 0.0)))
    asked = Asked(recall, precision, 0.8)
    made = Promise(asked, Rule.RELAXED, kind, "ab12", 9, 3, label, "kind", consider, rows)
    calibration = Calibration(dials={label: Dial(0.0, 0.5, -1.0)}, promise=made)
    assert Calibration.parse(calibration.to_toml(), where="here") == calibration


def test_kinds_of_documents_have_thresholds_of_their_own_where_there_are_enough():
    documents = gold(200, kinds=("n", "w")) + gold(6, kinds=("rare",))
    for by, name in ((BY_ID, "w"), ("kind", "W")):
        promise = promised(Asked(0.9, None), documents, by=by)
        assert {one.kind for one in promise.kept} == {"", name, "n" if by == BY_ID else "N"}
        own = next(one for one in promise.kept if one.kind == name)
        assert own.threshold.documents == 100
        assert promise.thresholds(documents[1]) == {"disease": own.threshold}
        general = next(one for one in promise.kept if not one.kind)
        assert promise.thresholds(documents[-1]) == {"disease": general.threshold}
        assert f"disease in {name}" in promise.said
    assert kind_of(documents[0], "") == kind_of(documents[0], "nothing") == kind_of(Document("7", "t"), BY_ID) == ""


def test_what_cannot_be_promised_is_refused():
    with pytest.raises(InputError, match="9 gold documents have it; expected at least"):
        promised(Asked(0.9, None), gold(9))
    documents = gold()
    found = candidates(tagger(), documents)
    with pytest.raises(InputError, match=r"all candidates together reach to 0\.67"):
        make(documents, found, Asked(0.95, None), labels=("disease",), model="m", data="d")
    with pytest.raises(InputError, match="have no 'drug'"):
        promised(Asked(0.5, None), labels=LABELS.names)
    with pytest.raises(InputError, match="has no score"):
        make(documents, documents, Asked(0.5, None), labels=("disease",), model="m", data="d")
    with pytest.raises(InputError, match="'n0' is not among"):
        make(gold(), [], Asked(0.5, None), labels=("disease",), model="m", data="d")


def test_it_is_kept_only_by_what_it_was_made_of():
    promise = promised(Asked(0.9, None))
    kept = tagger().with_(calibration=Calibration(promise=promise))
    kept.check()
    with pytest.raises(ConfigError, match="nothing was promised for the label 'drug'"):
        kept.with_(labels=LABELS).check()
    with pytest.raises(ConfigError, match="this run tags with 'dictionary'"):
        kept.with_(encoder=None).check()
    with pytest.raises(ConfigError, match="dials or boundary rules"):
        Calibration(dials={"disease": Dial(0.5)}, promise=promise)


def test_a_calibration_of_another_model_is_refused():
    named = tagger()
    of_it = Calibration(learned_from={"model": named.model.name})
    named.with_(calibration=of_it).check()
    named.with_(calibration=Calibration()).check()
    with pytest.raises(ConfigError, match="learned with 'encoder:other', and this run tags with"):
        named.with_(calibration=Calibration(learned_from={"model": "encoder:other"})).check()
    with pytest.raises(ConfigError, match="this run tags with 'none'"):
        named.with_(calibration=of_it, encoder=None).check()
