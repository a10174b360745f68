from hypothesis import given
from hypothesis import strategies as st

from clinspan.messages import Message
from clinspan.tuning.gold import Choice, Decision, TrainingPair, batches, sequence
from tuning.sample import Characters


def test_an_answers_tokens_follow_the_chats():
    pair = TrainingPair((Message("user", "q"),), ("ab", " |"), (Choice(0, ("[",)), Choice(1, ("c",))))
    made = sequence(pair, Characters())
    assert made.ids == tuple(map(ord, "<q>ab |"))
    assert made.prompt == 3
    assert made.decisions == (Decision(2, ord("a"), (ord("["),)), Decision(4, ord(" "), (ord("c"),)))


def test_labels_that_begin_alike_are_told_apart_where_they_part():
    pair = TrainingPair((), ("x", "test"), (Choice(1, ("team", "tool", "drug")),))
    assert [(d.at, chr(d.right), {chr(o) for o in d.others}) for d in sequence(pair, Characters()).decisions] == [
        (0, "t", {"d"}),
        (1, "e", {"o"}),
        (2, "s", {"a"}),
    ]


def test_whole_answers_end_with_the_end_token():
    made = sequence(TrainingPair((), ("[]",)), Characters())
    assert made.ids == (ord("["), ord("]"), 0)


@given(st.lists(st.integers(1, 300), max_size=100), st.integers(1, 16))
def test_batches_hold_everything_once(lengths, size):
    made = batches(lengths, size, seed=3)
    assert sorted(i for batch in made for i in batch) == list(range(len(lengths)))
    assert max(map(len, made), default=0) <= size
    assert made == batches(lengths, size, seed=3)


def test_a_batch_is_of_nearly_one_length():
    lengths = [10, 200] * 32
    assert all(len({lengths[i] for i in batch}) == 1 for batch in batches(lengths, 16, seed=1))
    assert batches(lengths, 16, seed=1) != batches(lengths, 16, seed=2)
