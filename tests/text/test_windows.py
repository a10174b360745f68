import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clinspan.document import Span
from clinspan.errors import ConfigError
from clinspan.text.sentences import sentences
from clinspan.text.windows import Window, WindowSettings, tokens, windows

PIECES = st.sampled_from(
    [
        "No acute distress. ",
        "BP 120.5/80 mmHg; T 37.2 °C. ",
        "\r\n",
        "\n",
        "\n\n",
        "PLAN:\n",
        "1. Aspirin 81 mg p.o. q.d.\n",
        "Na\t138\tmmol/L\r\n",
        "- warfarin, held ",
        "Dr. Müller ",
        "İstanbul 😀 ",
        "e\u0301tat ",
        "a" * 40 + " ",
        "x",
        " ",
        ", ",
        "患者は糖尿病です。",
        "with which and of ",
        "\u2028",
        "\u00a0",
        ". ",
        "? ",
        ":",
        "(",
        ")",
        "[",
        "|",
        "   ",
        "\x0c",
        "\x00",
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=60).map("".join), st.text(max_size=200))
SETTINGS = st.builds(
    WindowSettings,
    max_tokens=st.integers(4, 60),
    max_sentences=st.one_of(st.none(), st.integers(4, 6)),
    overlap_sentences=st.integers(0, 3),
    longest_mention=st.integers(1, 60),
)


@given(TEXTS)
def test_every_character_lies_in_exactly_one_sentence(text):
    assert covered(text, [s.span for s in sentences(text)]) == not_space(text)


@settings(max_examples=300)
@example(
    "with which and of No acute distress. ",
    WindowSettings(max_tokens=4, overlap_sentences=0, longest_mention=6),
)
@given(TEXTS, SETTINGS)
def test_every_character_lies_in_exactly_one_core_and_windows_keep_to_the_budget(text, limits):
    found = windows(text, limits)
    assert covered(text, [w.core for w in found]) == not_space(text)
    assert [w.index for w in found] == list(range(len(found)))
    inner = {i for token in tokens(text) for i in range(token.start + 1, token.end)}
    for window in found:
        assert not inner & {window.span.start, window.span.end, window.core.start, window.core.end}
        size = len(tokens(window.span.of(text)))
        assert size <= limits.max_tokens
        if limits.max_sentences is not None:
            full = [s for s in sentences(text) if window.span.overlaps(s.span) and not s.heading]
            assert len([s for s in full if window.span.contains(s.span)]) <= limits.max_sentences


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(["pain", "in, ", " of ", "the", " left ", "12.5", " ", " and "]), min_size=40, max_size=200
    ),
    st.integers(1, 60),
)
def test_a_mention_in_a_sentence_of_any_length_is_whole_in_the_window_that_owns_it(words, longest):
    text = "".join(words)
    limits = WindowSettings(max_tokens=80, longest_mention=longest)
    found = windows(text, limits)
    for start in range(len(text)):
        end = min(start + longest, len(text))
        if text[start].isspace():
            continue
        (owner,) = [w for w in found if w.core.start <= start < w.core.end]
        assert end <= owner.span.end or owner is found[-1] or not text[end - 1 :].strip()


def test_neighbours_share_a_sentence_unless_an_empty_line_parts_them():
    text = "One is here. Two is here. Three is here.\n\nFour is here. Five is here."
    shown = [w.span.of(text) for w in windows(text, WindowSettings(max_tokens=8))]
    assert shown == [
        "One is here. Two is here.",
        "Two is here. Three is here.",
        "Four is here. Five is here.",
    ]
    owned = [w.core.of(text) for w in windows(text, WindowSettings(max_tokens=8))]
    assert owned == ["One is here.", "Two is here. Three is here.", "Four is here. Five is here."]


def test_a_heading_goes_with_what_follows():
    text = "He denies pain.\nPHYSICAL EXAM:\nLungs are clear today."
    shown = [w.span.of(text) for w in windows(text, WindowSettings(max_tokens=9, overlap_sentences=0))]
    assert shown == ["He denies pain.", "PHYSICAL EXAM:\nLungs are clear today."]


def test_one_sentence_to_a_window():
    text = "ASSESSMENT:\nHe is well. She is ill.\n- aspirin\n- heparin"
    limits = WindowSettings(max_sentences=1, overlap_sentences=0)
    assert [w.span.of(text) for w in windows(text, limits)] == [
        "ASSESSMENT:\nHe is well.",
        "She is ill.",
        "- aspirin",
        "- heparin",
    ]


def test_a_table_row_is_never_cut():
    rows = [f"Potassium {i}\t4.{i}\tmmol/L\tnormal" for i in range(30)]
    text = "\r\n".join(rows)
    for window in windows(text, WindowSettings(max_tokens=25)):
        assert set(window.span.of(text).split("\r\n")) <= set(rows)


def test_a_long_sentence_is_cut_between_clauses():
    text = "He has fever of unknown cause, cough with sputum, chest pain on breathing, and shortness of breath at rest"
    found = windows(text, WindowSettings(max_tokens=14, longest_mention=10))
    assert len(found) > 1
    assert all(w.span.of(text).endswith((",", "rest")) or text[w.span.end :].startswith(" and") for w in found)


def test_a_word_longer_than_a_window_is_left_whole():
    text = "pre " + "a" * 500 + " post"
    found = windows(text, WindowSettings(max_tokens=20), count=len)
    assert any("a" * 500 in w.span.of(text) for w in found)


def test_the_counter_is_the_callers():
    text = "One is here. Two is here. Three is here."
    found = windows(text, WindowSettings(max_tokens=14, overlap_sentences=0), count=len)
    assert [w.span.of(text) for w in found] == ["One is here.", "Two is here.", "Three is here."]


def test_white_space_has_no_window():
    assert windows("") == windows(" \r\n\t") == ()


def test_the_work_grows_with_the_length_alone():
    """Counted, not timed: characters handed to the counter per character of text."""
    handed = []

    def count(text):
        handed.append(len(text))
        return len(text.split())

    sentence = "The patient, who has diabetes mellitus, was given 12.5 mg of carvedilol b.i.d. and did well. "
    for text in (sentence * 500, sentence.replace(".", ",") * 500):
        handed.clear()
        windows(text, WindowSettings(max_tokens=64), count=count)
        assert sum(handed) <= 4 * len(text)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"overlap_sentences": -1}, "overlap_sentences"),
        ({"longest_mention": 0}, "longest_mention"),
        ({"max_sentences": 1}, "max_sentences"),
    ],
)
def test_a_wrong_setting_is_named(changes, named):
    with pytest.raises(ConfigError, match=named):
        WindowSettings(**changes)


def test_a_core_lies_within_its_window():
    with pytest.raises(ValueError, match="core"):
        Window(0, Span(0, 5), Span(3, 6))


def covered(text, spans):
    """Offsets of the spans' visible characters, in order; a list, so that one covered twice shows."""
    return [i for span in spans for i in range(span.start, span.end) if not text[i].isspace()]


def not_space(text):
    return [i for i, c in enumerate(text) if not c.isspace()]
