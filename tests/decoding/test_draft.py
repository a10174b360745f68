"""Draft-by-copy decides as it says it does, checked against token-by-token decoding and against enumeration."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.decoding.fake import FakeModel
from tests.decoding.greedy import decode_greedily

from clinspan.decoding import answer_pieces, compile_plan, fork, words
from clinspan.decoding.draft import DraftSettings, decode, open_log_odds
from clinspan.document import Entity, Span
from clinspan.errors import ConfigError
from clinspan.messages import AskedAttribute, Candidate, CopyConstraint

PROMPT = [7, 8, 9]
TEXT = st.lists(
    st.sampled_from(["HTN", "renal", "failure", "[x]", "a|b", "\\", " ", " ", "\n", "\n\n", ",", "é😀", "漢字", "-"]),
    max_size=25,
).map("".join)
LABELS = st.sampled_from([("disease",), ("drug", "drug dose", "test"), ("a", "b"), ("a|b", "a")])
ASKED = st.lists(
    st.sampled_from(
        [
            AskedAttribute("assertion", (("absent", "absent"), ("a|b", "a|b"), ("ab", "ab"))),
            AskedAttribute("course", (("new", "course=new"), ("old", "old"))),
        ]
    ),
    max_size=2,
    unique=True,
).map(tuple)
MODEL = st.builds(FakeModel, st.integers(0, 10**6), st.floats(-4, 4), st.floats(-3, 3))
DRAFT = st.builds(DraftSettings, st.integers(1, 20), st.integers(20, 40), st.integers(1, 5))


@st.composite
def constraints(draw):
    text = draw(TEXT)
    labels = draw(LABELS)
    found, _ = words(text)
    candidates = []
    if found:
        for _ in range(draw(st.integers(0, 4))):
            first = draw(st.integers(0, len(found) - 1))
            last = draw(st.integers(first, min(first + 3, len(found) - 1)))
            some = draw(st.lists(st.sampled_from(labels), unique=True))
            candidates.append(Candidate(Span(found[first].start, found[last].end), tuple(some)))
    return CopyConstraint(
        text,
        labels,
        tuple(candidates),
        draw(st.sampled_from(["off", "prefer", "only"])),
        draw(st.floats(-3, 3)),
        {labels[0]: draw(st.floats(-2, 2))},
        draw(st.floats(0, 4)),
        {label: draw(ASKED) for label in labels},
    )


def entities_of(constraint, decoded):
    return [Entity(d.span, d.label, d.span.of(constraint.text), d.score, attributes=d.attributes) for d in decoded]


@given(constraints(), MODEL, DRAFT)
def test_greedy_ends_decide_as_decoding_token_by_token(constraint, model, draft):
    plan = compile_plan(constraint, model.tokenize)
    drafted = decode(model, PROMPT, plan, settings=DraftSettings(draft.draft_tokens, 40, draft.mention_words, "greedy"))
    stepwise = decode_greedily(model, PROMPT, plan)
    assert [(d.span, d.label, d.attributes) for d in drafted] == [(d.span, d.label, d.attributes) for d in stepwise]
    assert [dict(d.attribute_scores) for d in drafted] == [pytest.approx(dict(d.attribute_scores)) for d in stepwise]
    assert [d.score for d in drafted] == pytest.approx([d.score for d in stepwise])


@given(constraints(), MODEL, DRAFT, DRAFT)
# The next three once stopped looking for ends too early: as soon as no later end could be likelier than the likeliest
# so far by itself, though its label made it likelier.
@example(
    CopyConstraint("failurefailurefailure漢字  HTNHTNHTNfailure\n\n漢字", ("a|b", "a"), label_bias={"a|b": 0.0}),
    FakeModel(),
    DraftSettings(1, 20, 1),
    DraftSettings(1, 20, 2),
)
def test_the_length_of_drafts_changes_nothing(constraint, model, one, other):
    plan = compile_plan(constraint, model.tokenize)
    assert decode(model, PROMPT, plan, settings=one) == decode(model, PROMPT, plan, settings=other)


@given(constraints(), MODEL, DRAFT)
@example(
    CopyConstraint("-renal[x]a|bHTNHTN[x]", ("drug", "drug dose", "test"), label_bias={"drug": 0.0}),
    FakeModel(8638, open_bonus=1.0),
    DraftSettings(16, 64, 3),
)
@example(
    CopyConstraint(" -\n\n漢字[x][x]renal\nHTN", ("drug", "drug dose", "test")),
    FakeModel(32075),
    DraftSettings(16, 64, 3),
)
def test_the_end_and_label_are_the_likeliest_together(constraint, model, draft):
    plan = compile_plan(constraint, model.tokenize)
    starts = {slot.word.start: i for i, slot in enumerate(plan.slots)}
    ids = list(PROMPT)
    word = 0
    for mention in decode(model, PROMPT, plan, settings=draft):
        first = starts[mention.span.start]
        for slot in plan.slots[word:first]:
            ids += [*slot.before, *slot.copy]
        ids += plan.slots[first].before
        joint = joint_probabilities(model, plan, ids, first)
        assert joint[mention.span.end, mention.label] == pytest.approx(max(joint.values()))
        assert mention.score == pytest.approx(joint[mention.span.end, mention.label])
        word = next(end for end in plan.slots[first].ends if plan.span(first, end) == mention.span)
        ids += [*plan.slots[first].open, *plan.slots[first].first]
        for at in range(first + 1, word):
            ids += plan.path_after(at)
        check_values(model, plan, ids, mention)
        ids += plan.closed(mention.label, mention.attributes)


def check_values(model, plan, ids, mention):
    """Each attribute has its likeliest value given all before it, and that value's probability, by brute force."""
    ids = [*ids, *plan.bar, *plan.label_ids[mention.label]]
    declared = plan.values.get(mention.label, ())
    assert [name for name, _ in mention.attribute_scores] == [name for name, _ in declared]
    for number, (name, values) in enumerate(declared):
        ids += plan.bar
        chances = among(model, ids, plan.value_paths(mention.label, number))
        assert chances[mention.attributes[name]] == pytest.approx(max(chances.values()))
        assert dict(mention.attribute_scores)[name] == pytest.approx(max(chances.values()))
        ids += values[mention.attributes[name]]


def among(model, ids, paths):
    """The probability of each path, its tokens chosen among those of the paths that are alike so far."""
    chances = {}
    for name, path in paths.items():
        chances[name] = 1.0
        for i, token in enumerate(path):
            prefix = [*ids, *path[:i]]
            others = {other[i] for other in paths.values() if other[:i] == path[:i]}
            total = sum(math.exp(model.logit(prefix, other)) for other in others)
            chances[name] *= math.exp(model.logit(prefix, token)) / total
    return chances


def sigmoid(odds):
    return 1 / (1 + math.exp(-odds))


def choice(model, ids, one, other):
    shared = fork(one, other)
    prefix = [*ids, *one[:shared]]
    return sigmoid(model.logit(prefix, one[shared]) - model.logit(prefix, other[shared]))


def joint_probabilities(model, plan, ids, first):
    """Opening times end times label for every end and label, each from its own context, by brute force."""
    slot = plan.slots[first]
    opening = choice(model, ids, slot.open, slot.copy)
    opening = sigmoid(math.log(opening / (1 - opening)) + slot.bias)
    ids = [*ids, *slot.open, *slot.first]
    found, stay, at = {}, opening, first + 1
    for end, labels in zip(slot.ends, slot.labels, strict=True):
        while at < end:
            ids += plan.path_after(at)
            at += 1
        close = 1.0 if end == slot.ends[-1] else choice(model, ids, plan.bar, plan.path_after(end))
        weights = {}
        for label in labels:
            path = plan.label_path(label)
            weight = math.exp(plan.constraint.label_bias.get(label, 0.0)) if len(labels) > 1 else 1.0
            for i, token in enumerate(path):
                prefix = [*ids, *plan.bar, *path[:i]]
                others = {plan.label_path(o)[i] for o in labels if plan.label_path(o)[:i] == path[:i]}
                total = sum(math.exp(model.logit(prefix, other)) for other in others)
                weight *= math.exp(model.logit(prefix, token)) / total
            weights[label] = weight
        for label, weight in weights.items():
            found[plan.span(first, end).end, label] = stay * close * weight / sum(weights.values())
        stay *= 1 - close
    return found


@given(constraints(), MODEL)
def test_log_odds_along_the_decoded_answer_are_those_it_was_decoded_by(constraint, model):
    asked = constraint.attributes
    constraint = CopyConstraint(constraint.text, constraint.labels, open_bias=constraint.open_bias, attributes=asked)
    decoded = decode(model, PROMPT, compile_plan(constraint, model.tokenize))
    boundaries = open_log_odds(model, PROMPT, constraint, entities_of(constraint, decoded))
    assert {b.at for b in boundaries if b.log_odds + constraint.open_bias > 0} == {d.span.start for d in decoded}


@given(constraints(), MODEL)
def test_answers_are_read_in_the_pieces_that_tuning_trains_on(constraint, model):
    constraint = CopyConstraint(constraint.text, constraint.labels, attributes=constraint.attributes)
    decoded = entities_of(constraint, decode(model, PROMPT, compile_plan(constraint, model.tokenize)))
    open_log_odds(model, PROMPT, constraint, decoded)
    trained = [
        token
        for piece in answer_pieces(constraint.text, decoded, constraint.attributes)
        for token in model.tokenize(piece)
    ]
    if constraint.text.strip():
        read = list(model.read[-1])
        assert read == [*PROMPT, *trained][: len(read)]
        assert "".join(map(chr, trained[len(read) - len(PROMPT) :])).strip() == ""


def run(text, model=None, **constraint):
    constraint.setdefault("labels", ("disease",))
    model = model or FakeModel()
    return decode(model, PROMPT, compile_plan(CopyConstraint(text, **constraint), model.tokenize))


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
def test_a_text_without_words_has_no_mentions_and_costs_nothing(text):
    model = FakeModel()
    assert run(text, model) == ()
    assert model.read == []


def test_only_candidates_open_and_the_model_sees_nothing_past_the_last():
    model = FakeModel(open_bonus=50)
    places = (Candidate(Span(4, 7), ("disease",)), Candidate(Span(12, 14), ()))
    found = run("the HTN and DM of this patient", model, candidates=places, candidate_mode="only")
    assert [d.span for d in found] == [Span(4, 7), Span(12, 14)]
    assert "patient" not in "".join(map(chr, model.read[-1]))


def test_only_candidates_can_be_declined():
    found = run("the HTN", FakeModel(open_bonus=-50), candidates=(Candidate(Span(4, 7), ()),), candidate_mode="only")
    assert found == ()


def test_candidate_bias_opens_only_where_a_candidate_starts():
    settings = {"candidates": (Candidate(Span(4, 7), ()),), "candidate_mode": "prefer", "candidate_bias": 60.0}
    found = run("the HTN and DM", FakeModel(open_bonus=-30), **settings)
    assert [d.span.start for d in found] == [4]


def test_a_candidate_inside_a_token_cuts_it():
    found = run("nonHodgkin", FakeModel(open_bonus=50), candidates=(Candidate(Span(3, 10), ()),), candidate_mode="only")
    assert [d.span for d in found] == [Span(3, 10)]


def test_a_candidate_s_labels_are_the_only_ones_for_it():
    found = run(
        "the HTN",
        FakeModel(open_bonus=50),
        labels=("a", "b", "c"),
        label_bias={"a": 30.0},
        candidates=(Candidate(Span(4, 7), ("c",)),),
        candidate_mode="only",
    )
    assert [d.label for d in found] == ["c"]


def test_open_bias_is_the_recall_dial():
    text = "alpha beta gamma delta " * 5
    counts = [len(run(text, FakeModel(seed=3, close_bonus=9), open_bias=bias)) for bias in (-99.0, 0.0, 99.0)]
    assert counts[0] == 0 < counts[1] < counts[2]


def test_label_bias_moves_the_label():
    for label in ("a", "b"):
        found = run("one two three", FakeModel(open_bonus=50), labels=("a", "b"), label_bias={label: 40.0})
        assert {d.label for d in found} == {label}


def test_a_mention_crosses_a_line_end_but_no_blank_line():
    model = FakeModel(open_bonus=50, close_bonus=-50)
    assert [d.span for d in run("renal\nfailure", model)] == [Span(0, 13)]
    assert [d.span for d in run("renal\n \nfailure", model)] == [Span(0, 5), Span(8, 15)]


def test_no_mention_is_longer_than_allowed():
    found = run("w " * 50, FakeModel(open_bonus=50, close_bonus=-50))
    assert {len(words(d.span.of("w " * 50))[0]) for d in found} == {20, 10}


class LateLabelModel(FakeModel):
    """Would rather close after the first word, but can tell the label only after the second."""

    def logit(self, prefix, token):
        if token == ord("["):
            return 50.0
        if token == ord("|"):
            return 0.2
        return 50.0 if token == ord("b") and "failure" in "".join(map(chr, prefix)) else 0.0


@pytest.mark.parametrize("mention_words", [1, 2])
def test_a_less_likely_end_wins_by_its_label_though_it_lies_past_the_draft(mention_words):
    plan = compile_plan(CopyConstraint("renal failure", ("a", "b")), FakeModel().tokenize)
    (found,) = decode(LateLabelModel(), PROMPT, plan, settings=DraftSettings(mention_words=mention_words))
    # Closing at once has a probability of .55, which two equal labels halve; going on has .45.
    assert (found.span, found.label) == (Span(0, 13), "b")
    assert found.score == pytest.approx(sigmoid(-0.2))


def test_scores_are_probabilities_of_what_was_chosen():
    (sure,) = run("HTN", FakeModel(open_bonus=50))
    assert sure.score == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (CopyConstraint("x", ()), "at least one label"),
        (CopyConstraint("x", ("a",), (Candidate(Span(0, 1), ("b",)),), "only"), "the label 'b'"),
        (CopyConstraint("x y", ("a",), (Candidate(Span(0, 2), ()),), "only"), "ends in white space"),
    ],
)
def test_constraints_that_contradict_themselves_are_refused(constraint, message):
    with pytest.raises(ConfigError, match=message):
        compile_plan(constraint, FakeModel().tokenize)


def test_draft_settings_are_checked():
    with pytest.raises(ConfigError, match="drafts of 9 to 3 tokens"):
        DraftSettings(draft_tokens=9, max_draft_tokens=3)


@settings(max_examples=20)
@given(st.integers(1, 200))
def test_passes_grow_with_mentions_not_with_words(count):
    model = FakeModel(open_bonus=-50)
    run("word " * count, model)
    assert len(model.read) <= 2 + count * 5 / 64
