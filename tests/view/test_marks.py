from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.document import Document, Entity, Span, WindowReport, WindowState
from clinspan.view.marks import Lines, mark_up


class Read(HTMLParser):
    """Reads marked text back: the text, and for each element the offsets its pieces cover."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.open: list[tuple[str, str, int]] = []
        self.pieces: dict[str, list[tuple[int, int]]] = {}
        self.stops: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs) -> None:
        found = dict(attrs)
        self.open.append((tag, found.get("data-e") or found.get("id") or "", len(self.text)))
        if found.get("tabindex") == "0":
            self.stops.append(found["id"])

    def handle_endtag(self, tag: str) -> None:
        opened, owner, start = self.open.pop()
        assert opened == tag, "elements cross"
        self.pieces.setdefault(owner, []).append((start, len(self.text)))


def read(doc: Document) -> Read:
    classes = {entity.label: "l0" for entity in doc.entities}
    reader = Read()
    reader.feed(str(mark_up(doc, anchor="d0", classes=classes)))
    reader.close()
    assert reader.open == []
    return reader


def covered(pieces: list[tuple[int, int]]) -> set[int]:
    return {offset for start, end in pieces for offset in range(start, end)}


TEXT = st.text(alphabet=st.sampled_from("ab <>&'\"\n\r\té😀"), min_size=1, max_size=40)


@st.composite
def documents(draw) -> Document:
    text = draw(TEXT)
    cut = st.integers(0, len(text) - 1).flatmap(lambda s: st.tuples(st.just(s), st.integers(s + 1, len(text))))
    spans = [Span(*pair) for pair in draw(st.lists(cut, max_size=8))]
    entities = [Entity(span, "x", span.of(text)) for span in spans]
    if len(text) > 4:
        parts = (Span(0, 1), Span(2, 3), Span(4, 5))
        entities.append(Entity(Span(0, 5), "y", text[:5], fragments=parts))
    windows = [WindowReport(Span(*pair), WindowState.FAILED) for pair in draw(st.lists(cut, max_size=3))]
    return Document("d", text, tuple(entities), tuple(windows))


@given(documents())
def test_the_text_and_every_span_survive_any_nesting_and_crossing(doc: Document) -> None:
    reader = read(doc)
    assert reader.text == doc.text
    for number, entity in enumerate(doc.entities):
        expected = covered([(s.start, s.end) for s in entity.fragments or (entity.span,)])
        assert covered(reader.pieces[f"d0e{number}"]) == expected
    assert sorted(reader.stops) == sorted(f"d0e{number}" for number in range(len(doc.entities)))


def test_the_gap_of_a_discontinuous_entity_is_not_marked() -> None:
    text = "pain in knee and hip"
    parts = (Span(0, 7), Span(17, 20))
    html = mark_up(
        Document("d", text, (Entity(Span(0, 20), "p", text, fragments=parts),)), anchor="d0", classes={"p": "l0"}
    )
    assert html == (
        '<mark class="l0 h0" data-e="d0e0" id="d0e0" tabindex="0">pain in</mark> knee and '
        '<mark class="l0 h0 apart" data-e="d0e0" data-label="p">hip</mark>'
    )


def test_ten_thousand_levels_do_not_exhaust_the_stack() -> None:
    text = "x" * 10_001
    entities = tuple(Entity(Span(n, 10_001), "p", text[n:]) for n in range(10_000))
    assert mark_up(Document("d", text, entities), anchor="d0", classes={"p": "l0"}).count("</mark>") == 10_000


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_place_counts_lines_whatever_ends_them(end: str) -> None:
    text = end.join(["one", "two", "three"])
    start = text.index("two")
    assert Lines(text).place(Span(start, start + 3)) == f"line 2, characters {start}–{start + 3}"
    assert Lines(text).place(Span(0, len(text))).startswith("lines 1–3,")
