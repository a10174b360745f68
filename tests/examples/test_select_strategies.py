"""Which examples are chosen: each strategy against a computation of its own, and what holds for all of them."""

import itertools

import pytest
from hypothesis import example as hypothesis_example
from hypothesis import given
from hypothesis import strategies as st
from select_pool import Cosine, cosine, example, mentions

from clinspan.errors import ConfigError
from clinspan.examples.pool import MentionIndex
from clinspan.examples.selection import Order, SelectSettings, Strategy
from clinspan.examples.selector import Selector, Wish
from clinspan.examples.store import PoolExample

POOL = [
    example("a", "She has <disease:breast cancer> of the left breast ."),
    example("b", "He has <disease:ovarian cancer> and takes <drug:cisplatin> ."),
    example("c", "Given <drug:aspirin> for <disease:gout> in the left foot ."),
    example("d", "The left kidney was normal ."),
    example("e", "No family history was given ."),
    example("f", "<drug:Cisplatin> was stopped ."),
    example("g", "She has <disease:gout> of the left foot ."),
    example("h", "Her sister had <disease:breast cancer> ."),
]
TEXT = "She has gout of the left hand ."
FROM_POOL = [strategy for strategy in Strategy if strategy.draws_on_pool]


BOTH = Wish(labels=("disease", "drug"))


def choose(text: str = TEXT, *, pool=POOL, document="new", whole=None, wish=BOTH, **options):
    selector = Selector(pool, Cosine(pool), SelectSettings(**options), MentionIndex(mentions(pool)))
    (near,) = selector.near(document, text if whole is None else whole, [text])
    return selector.choose(near, wish)


def indices(selection) -> list[int]:
    return [chosen.index for chosen in selection.chosen]


def test_knn_is_the_nearest_by_an_exact_computation() -> None:
    exact = sorted(range(len(POOL)), key=lambda i: (-cosine(TEXT, POOL[i].text), i))[:4]
    assert indices(choose(strategy=Strategy.KNN, k=4, order=Order.SIMILAR_FIRST)) == exact
    assert indices(choose(strategy=Strategy.KNN, k=4)) == sorted(exact, key=lambda i: (cosine(TEXT, POOL[i].text), i))


def test_diverse_maximises_marginal_relevance_at_each_step() -> None:
    chosen: list[int] = []
    while len(chosen) < 4:

        def worth(i: int) -> float:
            again = max((cosine(POOL[i].text, POOL[j].text) for j in chosen), default=0.0)
            return 0.5 * cosine(TEXT, POOL[i].text) - 0.5 * again

        chosen.append(max((i for i in range(len(POOL)) if i not in chosen), key=worth))
    assert set(indices(choose(strategy=Strategy.DIVERSE, k=4, relevance=0.5))) == set(chosen)
    assert set(chosen) != set(indices(choose(strategy=Strategy.KNN, k=4)))
    assert indices(choose(strategy=Strategy.DIVERSE, k=4, relevance=1.0)) == indices(choose(strategy=Strategy.KNN, k=4))


def test_entity_takes_for_each_mention_the_examples_that_hold_one_like_it() -> None:
    asked = Wish(mentions=("cisplatin", "breast carcinoma"))
    best = choose("Tumour shrank on therapy .", strategy=Strategy.ENTITY, k=2, wish=asked)
    # Both examples with cisplatin hold it alike; of them, and of those with breast, the one with the nearer text.
    assert {POOL[i].document for i in indices(best)} == {"f", "h"}
    assert {chosen.why for chosen in best.chosen} == {
        "'cisplatin' is like its 'cisplatin'",
        "'breast carcinoma' is like its 'breast cancer'",
    }
    filled = choose(strategy=Strategy.ENTITY, k=3, wish=Wish(mentions=("breast carcinoma",)))
    assert {POOL[i].document for i in indices(filled)} == {"a", "h", "g"}


def test_without_mentions_entity_is_knn() -> None:
    assert indices(choose(strategy=Strategy.ENTITY, k=5, wish=Wish())) == indices(choose(strategy=Strategy.KNN, k=5))


def test_balanced_shows_every_label_and_none() -> None:
    shown = [{e.label for e in POOL[i].entities} for i in indices(choose(strategy=Strategy.BALANCED, k=3))]
    assert set() in shown
    assert set().union(*shown) == {"disease", "drug"}
    by_similarity = {i: cosine(TEXT, POOL[i].text) for i in range(len(POOL))}
    without = max((i for i in by_similarity if not POOL[i].entities), key=lambda i: by_similarity[i])
    assert without in indices(choose(strategy=Strategy.BALANCED, k=3))


def test_balanced_finds_a_label_far_away_in_a_large_pool() -> None:
    pool = [example(f"{n}", f"She has <disease:gout> of the left hand again {n} .") for n in range(600)]
    pool.append(example("rare", "<drug:Cisplatin> was stopped ."))
    assert 600 in indices(choose(pool=pool, strategy=Strategy.BALANCED, k=4))


def test_random_depends_on_seed_and_text_alone() -> None:
    texts = [f"Note {n} ." for n in range(12)]
    selector = Selector(POOL, Cosine(POOL), SelectSettings(strategy=Strategy.RANDOM, k=3))

    def run(order):
        return {t: indices(selector.choose(selector.near(t, t, [t])[0])) for t in order}

    assert run(texts) == run(reversed(texts))
    assert len({tuple(found) for found in run(texts).values()}) > 6
    other = Selector(POOL, Cosine(POOL), SelectSettings(strategy=Strategy.RANDOM, k=3, seed=1))
    assert run(texts) != {t: indices(other.choose(other.near(t, t, [t])[0])) for t in texts}


def test_random_draws_every_example_alike() -> None:
    selector = Selector(POOL, Cosine(POOL), SelectSettings(strategy=Strategy.RANDOM, k=2))
    drawn = [i for n in range(2000) for i in indices(selector.choose(selector.near("x", "", [f"{n}"])[0]))]
    counts = [drawn.count(i) for i in range(len(POOL))]
    assert all(400 < count < 600 for count in counts), counts  # 500 expected, standard deviation 19


def test_random_once_is_the_same_for_all_texts_and_in_one_order() -> None:
    first, second = (choose(text, strategy=Strategy.RANDOM_ONCE, k=4) for text in ("Gout .", "A cold ."))
    assert indices(first) == indices(second)


@pytest.mark.parametrize("strategy", FROM_POOL)
def test_nothing_of_the_same_document_is_chosen(strategy) -> None:
    everything = {POOL[i].document for i in indices(choose(strategy=strategy, k=8))}
    assert everything == set("abcdefgh")
    by_id = choose(strategy=strategy, k=8, document="g")
    assert "g" not in {POOL[i].document for i in indices(by_id)}
    whole = "HISTORY: She has  Gout\nof the left foot. Her  sister, had breast cancer"
    by_text = choose(strategy=strategy, k=8, whole=whole)
    assert {POOL[i].document for i in indices(by_text)} == set("abcdef")
    assert by_text.refused == {"its words stand in the document": 2}


def test_a_near_copy_and_one_that_holds_the_text_are_refused() -> None:
    long = "After two weeks of treatment the pain in her left hip had gone and she could walk again"
    pool = [*POOL, example("copy", f"{long} outdoors"), example("edit", long.replace("two", "three"))]
    selection = choose(long, pool=pool, strategy=Strategy.KNN, k=10)
    assert not {8, 9} & set(indices(selection))
    assert selection.refused == {"it holds the whole text": 1, "nearly all of it stands in the document": 1}


def test_no_text_is_shown_twice() -> None:
    pool = [*POOL, example("i", "She has  <disease:gout> of the left foot .")]
    assert len(choose(pool=pool, strategy=Strategy.KNN, k=9).chosen) == 8


def test_over_the_budget_the_least_similar_go_first_and_are_counted() -> None:
    full = choose(strategy=Strategy.KNN, k=6)
    cost = lambda index: 10 + index  # noqa: E731
    budget = sum(cost(i) for i in indices(full)[3:])
    less = choose(strategy=Strategy.KNN, k=6, tokens=budget, wish=Wish(cost=cost))
    assert less.chosen == full.chosen[3:]
    assert (less.over_budget, less.no_room) == (3, 0)
    least = choose(strategy=Strategy.KNN, k=6, tokens=budget, wish=Wish(cost=cost, room=budget - 1))
    assert least.chosen == full.chosen[4:]
    assert (least.over_budget, least.no_room) == (3, 1)


def test_one_example_too_long_for_the_budget_does_not_cost_the_others() -> None:
    nearest = indices(choose(strategy=Strategy.KNN, k=3))[-1]
    cost = lambda index: 100 if index == nearest else 10  # noqa: E731
    assert len(choose(strategy=Strategy.KNN, k=3, tokens=20, wish=Wish(cost=cost)).chosen) == 2


def test_what_the_format_cannot_write_is_passed_over_and_counted() -> None:
    nearest = indices(choose(strategy=Strategy.KNN, k=3))[-1]
    selection = choose(strategy=Strategy.KNN, k=3, wish=Wish(cost=lambda index: None if index == nearest else 1))
    assert nearest not in indices(selection)
    assert (len(selection.chosen), selection.unshowable) == (3, 1)


def test_orders() -> None:
    chosen = {order: indices(choose(strategy=Strategy.KNN, k=6, order=order)) for order in Order}
    assert len({tuple(sorted(found)) for found in chosen.values()}) == 1
    assert chosen[Order.SIMILAR_FIRST] == sorted(chosen[Order.POOL], key=lambda i: (-cosine(TEXT, POOL[i].text), i))
    assert chosen[Order.POOL] == sorted(chosen[Order.POOL])
    assert chosen[Order.SHUFFLED] not in (chosen[Order.POOL], chosen[Order.SIMILAR_LAST])
    assert chosen[Order.SHUFFLED] == indices(choose(strategy=Strategy.KNN, k=6, order=Order.SHUFFLED))


def test_windows_of_a_document_are_looked_up_together() -> None:
    retriever = Cosine(POOL)
    selector = Selector(POOL, retriever, SelectSettings(strategy=Strategy.KNN, k=2))
    windows = ["She has gout .", "He has cancer .", "The kidney ."]
    for near in selector.near("new", " ".join(windows), windows):
        selector.choose(near)
    assert retriever.asked == 1


@pytest.mark.parametrize("options", [{"k": -1}, {"tokens": -1}, {"relevance": 1.5}])
def test_settings_out_of_range_are_named(options) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        SelectSettings(**options)


WORDS = st.sampled_from(["gout", "pain", "left", "right", "hip", "the", "cancer", "no"])
SENTENCES = st.lists(WORDS, min_size=1, max_size=6).map(" ".join)


@st.composite
def pools(draw) -> list[PoolExample]:
    texts = draw(st.lists(SENTENCES, min_size=0, max_size=12))
    marked = [text.replace("gout", "<disease:gout>").replace("pain", "<symptom:pain>") for text in texts]
    return [example(f"d{draw(st.integers(0, 4))}", text) for text in marked]


@given(
    pool=pools(),
    windows=st.lists(SENTENCES, min_size=1, max_size=3),
    strategy=st.sampled_from(FROM_POOL),
    order=st.sampled_from(list(Order)),
    k=st.integers(0, 6),
    tokens=st.none() | st.integers(0, 20),
    seed=st.integers(),
)
@hypothesis_example(
    pool=[example("d1", "<disease:gout> <disease:gout>")],
    windows=["gout", "gout"],
    strategy=Strategy.KNN,
    order=Order.SIMILAR_LAST,
    k=1,
    tokens=None,
    seed=0,
)
def test_whatever_the_pool(pool, windows, strategy, order, k, tokens, seed) -> None:
    settings = SelectSettings(strategy=strategy, order=order, k=k, tokens=tokens, seed=seed)
    index = MentionIndex(mentions(pool))
    cost = {i: len(e.text.split()) for i, e in enumerate(pool)}
    whole = " . ".join(windows)
    chosen = []
    for _ in range(2):
        selector = Selector(pool, Cosine(pool), settings, index)
        wishes = [Wish(("disease", "symptom"), index.standing_in(w), cost.get) for w in windows]
        nears = selector.near("d0", whole, windows)
        chosen.append([selector.choose(near, wish) for near, wish in zip(nears, wishes, strict=True)])
    assert chosen[0] == chosen[1]
    for selection in chosen[0]:
        found = indices(selection)
        assert len(found) == len(set(found)) <= k
        assert not any(pool[i].document == "d0" or pool[i].text in whole for i in found)
        assert tokens is None or sum(cost[i] for i in found) <= tokens
        if tokens is None:
            # Words are compared without punctuation, so an example may stand on both sides of a full stop.
            words = f" {' '.join(windows)} "
            inside = [e for e in pool if e.document != "d0" and f" {e.text} " in words]
            free = {e.text for e in pool if e.document != "d0"} - {e.text for e in inside}
            assert len(found) <= len(free)
            assert len(found) == min(k, len(free)) or any("holds" in why for why in selection.refused)
            if len(found) < k:
                assert selection.refused.get("its words stand in the document", 0) == len(inside)


@given(st.data())
def test_similarities_are_those_of_the_text(data) -> None:
    pool = data.draw(pools())
    strategy = data.draw(st.sampled_from(FROM_POOL))
    selection = choose(pool=pool, strategy=strategy, k=5, wish=Wish(labels=("disease",), mentions=("gout",)))
    for chosen in selection.chosen:
        assert chosen.similarity == pytest.approx(cosine(TEXT, pool[chosen.index].text))
    if strategy is not Strategy.RANDOM_ONCE:
        pairs = itertools.pairwise(chosen.similarity for chosen in selection.chosen)
        assert all(first <= second for first, second in pairs)
