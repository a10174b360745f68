"""What is told of windows as they are read."""

import pytest

from clinspan.document import Document, WindowState
from clinspan.errors import LLMError
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import WindowSettings

SENTENCE = WindowSettings(max_tokens=40, max_sentences=1, overlap_sentences=0)
TEXT = "Given aspirin twice. All is well. Aspirin was stopped."


def make(llm, labels, **options) -> Tagger:
    return Tagger.open(llm, labels=labels, dictionary=None, settings=TagSettings(windows=SENTENCE, **options))


def mark(text: str) -> str:
    return text.replace("aspirin", "[ aspirin | drug ]").replace("Aspirin", "[ Aspirin | drug ]")


def test_each_window_is_told_when_it_is_answered_and_before_its_document(scripted, labels) -> None:
    llm = scripted(mark)
    seen: list[object] = []
    answered: list[int] = []

    def look(read) -> None:
        seen.append(read)
        answered.append(len(llm.requests))

    tagger = make(llm, labels)
    for document in tagger.tag_many((Document(name, TEXT) for name in "ab"), progress=look):
        seen.append(document)
    assert answered == [1, 2, 3, 4, 5, 6]
    assert [getattr(one, "id", None) for one in seen] == [None, None, None, "a", None, None, None, "b"]
    first = seen[:3]
    assert [(read.document, read.index, read.of) for read in first] == [("a", 0, 3), ("a", 1, 3), ("a", 2, 3)]
    assert [[(e.start, e.text) for e in read.entities] for read in first] == [[(6, "aspirin")], [], [(34, "Aspirin")]]
    assert [read.state for read in first] == [WindowState.OK, WindowState.EMPTY, WindowState.OK]
    assert sum(read.words for read in first) == len(TEXT.split())
    assert all(e.span.of(TEXT) == e.text for read in first for e in read.entities)


def test_windows_that_fail_or_are_not_asked_are_told_too(scripted, labels) -> None:
    drug = type(labels.labels[0])("drug", "A medicine.", terms=("aspirin",))
    told = []
    tagger = make(scripted(lambda _: LLMError("lost")), type(labels)("drugs", (drug,)), ask="candidates")
    list(tagger.tag_many([Document("a", TEXT)], progress=told.append))
    assert [read.state for read in told] == [WindowState.FAILED, WindowState.EMPTY, WindowState.FAILED]


def test_without_an_llm_windows_are_told_with_what_the_dictionary_finds(labels) -> None:
    drug = type(labels.labels[0])("drug", "A medicine.", terms=("aspirin",))
    told = []
    list(make(None, type(labels)("drugs", (drug,))).tag_many([Document("a", TEXT)], progress=told.append))
    assert [len(read.entities) for read in told] == [1, 0, 1]


def test_what_the_callback_raises_ends_the_run(scripted, labels) -> None:
    def look(read) -> None:
        raise KeyboardInterrupt

    llm = scripted(mark)
    with pytest.raises(KeyboardInterrupt):
        list(make(llm, labels).tag_many([Document("a", TEXT)], progress=look))
    assert len(llm.requests) == 1
