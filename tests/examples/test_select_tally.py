"""What a run says of its examples."""

from select_pool import Cosine, example

from clinspan.examples.selection import ChosenExample, Selection, Tally, usual_similarity


def test_the_usual_similarity_is_that_of_the_pools_own_neighbours_in_other_documents() -> None:
    alike = [example(f"{n}", f"She has gout in the left hand and number {n}") for n in range(30)]
    assert 0.8 < usual_similarity(alike, Cosine(alike)) < 1
    unlike = [example(f"{n}", f"word{n} of{n} its{n} own{n}") for n in range(30)]
    assert usual_similarity(unlike, Cosine(unlike)) == 0
    one_document = [example("a", f"She has gout in the left hand and number {n}") for n in range(30)]
    assert usual_similarity(one_document, Cosine(one_document)) == 0
    assert usual_similarity([], Cosine([])) == 0


def test_what_never_was_shown_and_what_resembles_nothing_is_said() -> None:
    tally = Tally(("disease", "drug"), resembles=0.5)
    tally.add(Selection((ChosenExample(0, 0.2, ""), ChosenExample(1, 0.6, "")), over_budget=2), [["disease"], []])
    tally.add(Selection((ChosenExample(0, 0.4, ""),), no_room=1, refused={"from the same document": 3}), [["disease"]])
    tally.add(Selection(), [])
    assert dict(tally.figures()) == {
        "examples shown": "3 in 3 prompts, mean similarity 0.40",
        "examples left out": "2 over the token budget, 1 no room in the model's context, 3 from the same document",
    }
    warnings = dict(tally.warnings())
    assert warnings["no example resembles"].startswith("the text in 2 of 3 prompts")
    assert warnings["labels never shown"].startswith("drug")
    assert tally.by_label == {"disease": 2, None: 1}


def test_a_run_without_prompts_says_nothing() -> None:
    tally = Tally(("disease",), resembles=0.5)
    assert [*tally.figures(), *tally.warnings()] == []
