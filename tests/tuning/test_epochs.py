from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.errors import ConfigError, InputError, LabelError
from clinspan.formats.tanl import Tanl
from clinspan.tuning.epochs import Epochs, EpochSettings, as_note, label_sets
from clinspan.tuning.gold import drawn, read, without
from tuning.sample import BOTH, DISEASE, Characters, document, gold

PUBTATOR = "1|t|On gout.\n1|a|Gout and lithium.\n1\t3\t7\tgout\tDisease\tD1\n1\t18\t25\tlithium\tChemical\tC1\n\n"


def epochs(*corpora, **settings):
    return Epochs(corpora, form=Tanl(), tokenizer=Characters(), settings=EpochSettings(**settings))


def texts(epoch):
    return ["".join(map(chr, tokens.ids)) for tokens in epoch.pairs]


def test_a_pass_can_be_made_again(corpus):
    first = epochs(corpus)(3)
    assert first == epochs(corpus)(3)
    assert first != epochs(corpus)(4)


def test_windows_are_of_the_sizes_asked_for(corpus):
    one = texts(epochs(corpus, sizes=(1,), notes=0, keep_empty=1)(0))
    assert len(one) == 12
    assert "<Mark: disease><No gout was seen.>No [ gout | disease ] was seen." in one
    whole = texts(epochs(corpus, sizes=(0, 0, 1), notes=0)(0))
    assert len(whole) == 4
    assert all(text.count("[") == 2 for text in whole)


def test_windows_without_mentions_can_be_left_out(corpus):
    assert len(epochs(corpus, sizes=(1,), keep_empty=0)(0).pairs) == 8


def test_a_label_asked_for_alone_is_the_only_one_marked():
    both = gold(document("1", "{chemical:lithium} for {mania}."), labels=BOTH)
    alone = {text for n in range(20) for text in texts(epochs(both, alone=1, notes=0)(n))}
    assert alone == {
        "<Mark: chemical><lithium for mania.>[ lithium | chemical ] for mania.",
        "<Mark: disease><lithium for mania.>lithium for [ mania | disease ].",
    }
    assert texts(epochs(both, alone=0, notes=0)(0)) == [
        "<Mark: chemical, disease><lithium for mania.>[ lithium | chemical ] for [ mania | disease ]."
    ]


def test_a_label_that_two_corpora_have_is_not_asked_for_alone():
    both = gold(document("1", "{chemical:lithium} for {mania}."), labels=BOTH)
    other = gold(document("2", "{gout}."))
    made = {text.split(">")[0] for n in range(20) for text in texts(epochs(both, other, alone=1)(n))}
    assert made == {"<Mark: chemical", "<Mark: disease"}
    assert label_sets([both, other]) == [["chemical", "disease"], ["disease"], ["chemical"]]
    assert label_sets([both, other], alone=False) == [["chemical", "disease"], ["disease"]]


def test_long_windows_are_counted_and_left_out(corpus):
    made = epochs(corpus, sizes=(1,), notes=0, keep_empty=1, max_tokens=80)(0)
    assert made.too_long + len(made.pairs) == 12
    assert made.pairs
    assert max(len(tokens.ids) for tokens in made.pairs) <= 80


def test_nothing_left_to_train_on(corpus):
    with pytest.raises(InputError, match="no window"):
        epochs(corpus, max_tokens=10)(0)


@pytest.mark.parametrize("wrong", [{"sizes": ()}, {"sizes": (0,)}, {"keep_empty": 1.5}, {"notes": -0.1}])
def test_settings_that_cannot_be(wrong):
    with pytest.raises(ConfigError):
        EpochSettings(**wrong)


@given(st.integers(0, 10**6))
def test_notes_keep_every_mention(seed):
    doc = document("1", "He had {gout}. It was {T cell\nleukaemia} {late}. No more.")
    text, entities = as_note(doc.text, doc.entities, Random(seed))
    assert [e.text for e in entities] == [e.text for e in doc.entities]
    assert all(e.span.of(text) == e.text for e in entities)
    assert "\n" in text


def test_gold_is_read_under_the_sets_names(tmp_path):
    (tmp_path / "g.pubtator").write_text(PUBTATOR)
    found = read(tmp_path / "g.pubtator", BOTH)
    assert [(e.text, e.label) for e in found.documents[0].entities] == [("gout", "disease"), ("lithium", "chemical")]
    assert found.mentions == 2


def test_a_label_outside_the_set_is_named(tmp_path):
    (tmp_path / "g.pubtator").write_text(PUBTATOR)
    with pytest.raises(LabelError, match=r"document '1' has the label 'Chemical'.*--map Chemical=NAME"):
        read(tmp_path / "g.pubtator", DISEASE)
    assert read(tmp_path / "g.pubtator", DISEASE, strict=False).mentions == 1


def test_a_file_without_gold(tmp_path):
    (tmp_path / "g.pubtator").write_text("1|t|On gout.\n1|a|Gout.\n")
    with pytest.raises(InputError, match="no annotated document"):
        read(tmp_path / "g.pubtator", DISEASE)


def test_held_out_documents_are_left_out_by_id_and_by_text():
    ours = gold(document("1", "A {gout}."), document("2", "B {gout}!"), document("3", "C."), document("4", "c"))
    (left,) = without([ours], [document("1", "Another."), document("9", "b GOUT.")])
    assert [doc.id for doc in left.documents] == ["3"]
    assert left.left_out == 3


def test_a_text_may_teach_each_set_of_labels_once():
    one, again = gold(document("1", "A {gout}.")), gold(document("2", "A {gout}."))
    other = gold(document("3", "A {disease:gout}."), labels=BOTH)
    assert [len(found.documents) for found in without([one, again, other], [])] == [1, 0, 1]


@pytest.mark.parametrize(("wanted", "count"), [("1", 1), ("3", 3), ("50%", 2), ("100%", 4), ("1%", 1)])
def test_some_documents_are_drawn(corpus, wanted, count):
    some = drawn(corpus, wanted, seed=3)
    assert len(some.documents) == count
    assert [doc for doc in corpus.documents if doc in some.documents] == list(some.documents)
    assert drawn(corpus, "1", seed=3).documents[0] in some.documents


@pytest.mark.parametrize("wanted", ["0", "5", "-1", "0%x", "half", "200%"])
def test_documents_that_cannot_be_drawn(corpus, wanted):
    with pytest.raises(ConfigError, match="1 to 4"):
        drawn(corpus, wanted, seed=3)
