"""The review file: saves and their history, conflicts, what is refused, and what survives."""

import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from room import DOSE, DRUG, GOUT, LABELS, NOTE, TEXT, entity, mark, opened

from clinspan.document import Document
from clinspan.errors import InputError, OutputError
from clinspan.review.note import Added, Conflict, State, text_hash
from clinspan.review.store import TAGGER, Store

HASH = text_hash(TEXT)


@pytest.mark.parametrize("by", ["ann\n", "a\x1b[31m", "ann\u202egnp", "a\u2028b", " ", "clinspan"])
def test_a_name_that_a_page_or_terminal_would_show_otherwise_is_refused(tmp_path, by) -> None:
    with opened(tmp_path) as store:
        with pytest.raises(InputError, match="not a person's name"):
            save(store, version=1, by=by)
        with pytest.raises(InputError, match="not a person's name"):
            store.add((), by=by)
        assert save(store, version=1, by="Zoe \N{CJK UNIFIED IDEOGRAPH-738B}").number == 2


def save(store, *marks, version, by="ann", state=State.CHANGED, hash=HASH):
    return store.save(1, marks, version=version, hash=hash, by=by, state=state)


def test_a_note_comes_out_as_it_went_in(tmp_path) -> None:
    with opened(tmp_path) as store:
        note = store.note(1)
        assert note.document == NOTE
        assert (note.hash, note.version.number, note.version.by) == (HASH, 1, TAGGER)
        assert store.labels() == LABELS
        total, (listed,) = store.listed()
        assert (total, listed.id, listed.words, listed.title) == (1, NOTE.id, 9, TEXT)
        # Two of its three entities have no score; one window of two was not read.
        assert listed.doubt == pytest.approx((0.4 + 1.0) / 2)
    assert stat.S_IMODE((tmp_path / "reviews.sqlite").stat().st_mode) == 0o600


def test_every_save_is_a_version_and_the_file_keeps_them(tmp_path) -> None:
    with opened(tmp_path) as store:
        made = save(store, mark(GOUT), version=1)
        assert (made.number, made.based_on, made.count) == (2, 1, 1)
        save(store, version=2, by="ben", state=State.ACCEPTED)
    with Store(tmp_path / "reviews.sqlite") as store:
        told = [(one.number, one.by, one.state, one.count) for one in store.history(1)]
        assert told == [(1, TAGGER, "new", 3), (2, "ann", "changed", 1), (3, "ben", "accepted", 0)]
        assert store.version(1, 2)[1] == (GOUT,)
        assert store.version(1, 9) is None
        assert store.note(1).document == replace(NOTE, entities=())
        assert store.states() == {State.NEW: 0, State.CHANGED: 0, State.ACCEPTED: 1}
        assert [(one.by, one.notes, one.accepted) for one in store.reviewers()] == [("ann", 1, 0), ("ben", 1, 1)]


def test_the_later_save_is_told_and_nothing_is_lost(tmp_path) -> None:
    with opened(tmp_path) as store:
        save(store, mark(GOUT), version=1, by="ann")
        with pytest.raises(Conflict) as caught:
            save(store, mark(DRUG), version=1, by="ben")
        newer = caught.value.newer
        assert (newer.version.number, newer.version.by, newer.document.entities) == (2, "ann", (GOUT,))
        assert store.note(1).version.number == 2
        aside = store.history(1)[-1]
        assert (aside.number, aside.by, aside.aside, aside.based_on) == (3, "ben", True, 1)
        assert store.version(1, 3)[1] == (DRUG,)
        # The same, sent again, is kept once; on the newer version it is saved.
        with pytest.raises(Conflict):
            save(store, mark(DRUG), version=1, by="ben")
        assert len(store.history(1)) == 3
        assert save(store, mark(DRUG), version=2, by="ben").number == 4


def test_a_save_whose_answer_was_lost_may_be_sent_again(tmp_path) -> None:
    with opened(tmp_path) as store:
        first = save(store, mark(GOUT), version=1)
        assert save(store, mark(GOUT), version=1) == first
        assert save(store, mark(GOUT), version=2) == first
        assert len(store.history(1)) == 2


def test_a_deletion_that_is_taken_back_brings_all_back(tmp_path) -> None:
    with opened(tmp_path) as store:
        save(store, version=1)
        save(store, *(mark(one, id=None) for one in NOTE.entities), version=2)
        assert store.note(1).document == NOTE


def test_of_many_saves_at_once_one_wins_and_all_are_kept(tmp_path) -> None:
    with opened(tmp_path) as store, Store(tmp_path / "reviews.sqlite") as other:
        start, told = threading.Barrier(8), []

        def work(number: int) -> None:
            start.wait()
            one = mark(entity(TEXT, TEXT[number : number + 3], "problem"))
            try:
                told.append(save((store, other)[number % 2], one, version=1, by=f"person {number}"))
            except Conflict as conflict:
                told.append(conflict)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(not isinstance(one, Conflict) for one in told) == 1
        history = store.history(1)
        assert [one.number for one in history] == [*range(1, 10)]
        assert {one.by for one in history} == {TAGGER, *(f"person {number}" for number in range(8))}
        (won,) = [one for one in history if not one.aside and one.by != TAGGER]
        assert store.note(1).version == won


def test_a_save_survives_the_end_of_the_process(tmp_path) -> None:
    opened(tmp_path).close()
    script = (
        "import os, sys; from clinspan.review.store import Store\n"
        "store = Store(sys.argv[1]); store.save(1, (), version=1, hash=sys.argv[2], by='ann')\n"
        "store._db.execute('begin immediate'); store._db.execute('delete from versions'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "reviews.sqlite", HASH], check=False)
    assert done.returncode == -9
    with Store(tmp_path / "reviews.sqlite") as store:
        assert [one.number for one in store.history(1)] == [1, 2]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hash": text_hash("another text")}, "another text"),
        ({"version": 7}, "no such version"),
        ({"version": 0}, "no such version"),
        ({"by": " "}, "not a person"),
        ({"by": TAGGER}, "not a person"),
    ],
)
def test_what_cannot_be_saved(tmp_path, given, said) -> None:
    with opened(tmp_path) as store:
        with pytest.raises(InputError, match=said):
            save(store, mark(GOUT), **{"version": 1, **given})
        with pytest.raises(InputError, match="no such note"):
            store.save(2, (), version=1, hash=HASH, by="ann")
        assert len(store.history(1)) == 1


def test_notes_are_found_by_state_and_by_what_they_say(tmp_path) -> None:
    texts = ["Has gout.", "100% sat", "1000 sat", "under_score"]
    with opened(tmp_path, *(Document(f"n{number}", text) for number, text in enumerate(texts))) as store:
        store.save(1, (), version=1, hash=text_hash(texts[0]), by="ann", state=State.ACCEPTED)

        def found(**asked) -> list[str]:
            return [one.title for one in store.listed(**asked)[1]]

        assert found(containing="GOUT") == ["Has gout."]
        assert found(containing="0% s") == ["100% sat"]
        assert found(containing="r_s") == ["under_score"]
        assert found(containing="n2") == ["1000 sat"]
        assert found(state=State.ACCEPTED) == ["Has gout."]
        assert store.listed(state=State.NEW, offset=1, limit=1) == (3, (store.listed()[1][2],))


def test_an_import_that_breaks_leaves_nothing(tmp_path) -> None:
    def broken():
        yield Document("a", "gout")
        raise InputError("is no document")

    with opened(tmp_path) as store:
        with pytest.raises(InputError, match="is no document"):
            store.add(broken())
        with pytest.raises(InputError, match="another text"):
            store.add([Document("b", "gout"), Document(NOTE.id, "another")])
        assert store.listed()[0] == 1
        assert store.add([Document("b", "gout")]).new == 1
    with Store(tmp_path / "none.sqlite", create=True) as store, pytest.raises(InputError, match="--labels"):
        store.add([Document("b", "gout")])


def test_a_second_import_keeps_what_people_did(tmp_path) -> None:
    with opened(tmp_path) as store:
        save(store, mark(GOUT), version=1)
        assert store.add([NOTE]).left == 1
        assert store.note(1).document.entities == (GOUT,)
        marked = replace(NOTE, entities=(DRUG, DOSE))
        assert store.add([marked], by="ben").saved == 1
        assert store.add([marked], by="ben").left == 1
        (of_ben,) = store.documents(by="ben")
        assert of_ben.entities == (DRUG, DOSE)
        assert of_ben.metadata["reviewed_by"] == "ben"
        assert next(iter(store.documents([State.CHANGED], by="ann"))).entities == (GOUT,)
        assert [*store.documents(by="ann")] == []


def test_a_better_tagger_is_heard_of_notes_that_nobody_looked_at(tmp_path) -> None:
    other = Document("b", "Has gout.", (entity("Has gout.", "gout", "problem", score=0.6),))
    with opened(tmp_path, NOTE, other) as store:
        save(store, mark(GOUT), version=1)
        better = replace(other, entities=(replace(other.entities[0], score=0.9),))
        assert store.add([replace(NOTE, entities=()), better]) == Added(new=0, saved=1, left=1)
        assert store.add([better]) == Added(new=0, saved=0, left=1)
        assert store.note(1).document.entities == (GOUT,)
        assert store.note(2).document == better
        assert [(one.number, one.by, one.state) for one in store.history(2)] == [
            (1, TAGGER, "new"),
            (2, TAGGER, "new"),
        ]
        assert [one.doubt for one in store.listed()[1]][1] == pytest.approx(0.2)


def test_another_file_is_refused_and_left_as_it_was(tmp_path) -> None:
    with pytest.raises(InputError, match="no such review file"):
        Store(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("a text that is long enough to be no database " * 20)
    with sqlite3.connect(tmp_path / "other.sqlite") as other:
        other.execute("create table mine (one integer)")
    for name, said in (("text.sqlite", "cannot be used"), ("other.sqlite", "another kind")):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(OutputError, match=said):
            Store(tmp_path / name, create=True)
        assert (tmp_path / name).read_bytes() == before
