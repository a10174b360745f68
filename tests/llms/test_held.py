"""What the context is said to hold, against an account of every batch that was read."""

from hypothesis import given
from hypothesis import strategies as st

from clinspan.llms.llama import PREFIX_TOKENS, Held, batch_ends

TOKENS = st.lists(st.integers(0, 1), max_size=8)


def test_batches_end_at_cuts_and_within_long_stretches():
    assert batch_ends((10, 10 + PREFIX_TOKENS, 11 + 3 * PREFIX_TOKENS)) == (
        10,
        10 + PREFIX_TOKENS,
        10 + 2 * PREFIX_TOKENS,
        10 + 3 * PREFIX_TOKENS,
        11 + 3 * PREFIX_TOKENS,
    )
    assert batch_ends(()) == ()


@given(st.lists(st.tuples(TOKENS.filter(bool), st.integers(0, 24)), max_size=8), TOKENS, st.data())
def test_only_batches_that_were_read_whole_and_are_held_are_taken_over(steps, tokens, data):
    held = Held()
    # Of each place that is held: the batch that it was read in, as (start, end), and the token.
    account = []
    for batch, at in steps:
        held.cut(at)
        del account[at:]
        start = len(account)
        held.add(batch)
        account += [(start, start + len(batch), token) for token in batch]
    assert held.tokens == [token for *_, token in account]
    assert len(held) == len(account)
    ends = sorted(data.draw(st.sets(st.integers(1, 24), max_size=5))) if tokens else []
    wanted = [(start, end) for start, end in zip((0, *ends), ends, strict=False)]
    kept = 0
    for start, end in wanted:
        if [(start, end, token) for token in tokens[start:end]] != account[start:end] or end > len(tokens):
            break
        kept = end
    assert held.shared_batches(tokens, ends) == kept
    shared = held.shared(tokens)
    assert held.tokens[:shared] == tokens[:shared]
    assert shared == min(len(tokens), len(account)) or held.tokens[shared] != tokens[shared]
