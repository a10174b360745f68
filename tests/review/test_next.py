"""Which note comes next: the doubtful, the new, and no text twice."""

import pytest
from room import opened

from clinspan.document import Document, Entity, Span, WindowReport, WindowState
from clinspan.review import loop
from clinspan.review.loop import most_useful
from clinspan.review.note import State, measured, text_hash
from clinspan.review.store import Store


def scored(id: str, text: str, *scores: float | None, failed: bool = False) -> Document:
    entities = tuple(Entity(Span(n, n + 1), "problem", text[n], score=score) for n, score in enumerate(scores))
    windows = (WindowReport(Span(0, 1), WindowState.FAILED),) if failed else ()
    return Document(id, text, entities, windows)


@pytest.mark.parametrize(
    ("document", "doubt"),
    [
        (scored("a", "gout"), None),
        (scored("a", "gout", None), None),
        (scored("a", "gout", 1.0), 0.0),
        (scored("a", "gout", 0.5), 1.0),
        (scored("a", "gout", 0.2), 1.0),
        (scored("a", "gout", 0.9, 0.8, None), 0.3),
        (scored("a", "gout", 1.0, failed=True), 0.5),
    ],
)
def test_doubt(document, doubt) -> None:
    assert measured(document).doubt == (doubt if doubt is None else pytest.approx(doubt))


def chosen(store, count=10, **more) -> list[int]:
    return [one.key for one in most_useful(store.measured(), count, **more)]


def test_of_notes_alike_in_variety_the_doubtful_comes_first(tmp_path) -> None:
    notes = [scored("a", "one two", 0.9), scored("b", "three four", 0.6), scored("c", "five six", 0.7)]
    with opened(tmp_path, *notes) as store:
        assert chosen(store) == [2, 3, 1]
        assert chosen(store, 1, passed_over=[2]) == [3]


def test_of_notes_alike_in_doubt_the_one_that_says_something_new_comes_first(tmp_path) -> None:
    texts = ["the knee was swollen", "the knee was swollen and red", "patient denies fever"]
    with opened(tmp_path, *(scored(f"{n}", text, 0.7) for n, text in enumerate(texts))) as store:
        store.save(1, (), version=1, hash=text_hash(texts[0]), by="ann")
        found = most_useful(store.measured(), 2)
        assert [one.key for one in found] == [3, 2]
        assert found[0].unseen == 1.0
        assert 0 < found[1].unseen < 0.6


def test_an_answer_stands_until_a_note_changes(tmp_path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(loop, "most_useful", lambda *given, **more: asked.append(1) or most_useful(*given, **more))
    notes = [scored("a", "one two", 0.9), scored("b", "three four", 0.6)]
    with opened(tmp_path, *notes) as store, Store(store.path) as other:
        chooser = loop.Chooser(store)
        assert [chooser.next().key, chooser.next().key, chooser.next([2]).key] == [2, 2, 1]
        assert len(asked) == 2
        other.save(2, (), version=1, hash=text_hash("three four"), by="ann")
        assert chooser.next().key == 1
        store.add([scored("c", "five six", 0.5)])
        assert chooser.next().key == 3
        store.add([scored("c", "five six", 1.0)])
        assert chooser.next().key == 1
        assert len(asked) == 5


def test_the_words_of_a_note_are_read_once(tmp_path) -> None:
    with opened(tmp_path, scored("a", "one two", 0.9), scored("b", "three four", 0.6)) as store:
        before = store.measured()
        store.save(2, (), version=1, hash=text_hash("three four"), by="ann")
        after = store.measured()
        assert [one.state for one in after] == [State.NEW, State.CHANGED]
        assert all(one.measures is other.measures for one, other in zip(before, after, strict=True))


def test_no_text_comes_twice(tmp_path) -> None:
    texts = ["No acute distress.", "no  acute DISTRESS", "Acute distress: no.", "", " ", "..."]
    with opened(tmp_path, *(Document(f"{n}", text) for n, text in enumerate(texts))) as store:
        assert chosen(store)[:2] == [1, 3]
        assert 2 not in chosen(store)
        store.save(2, (), version=1, hash=text_hash(texts[1]), by="ann", state=State.ACCEPTED)
        assert 1 not in chosen(store)
        assert chosen(store, passed_over=range(1, 7)) == []
