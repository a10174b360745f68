"""Each document's times, by stage."""

import pytest

from clinspan.document import Document
from clinspan.llms.base import Traits
from clinspan.messages import Completion
from clinspan.tagging.read import Stopwatch
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import WindowSettings

TEXT = "He had gout. She has asthma. Nothing else was found."
SENTENCE = TagSettings(windows=WindowSettings(max_sentences=1, overlap_sentences=0))


class Echo:
    """Says the text as it is, and that each answer took a quarter of a second."""

    name, context, constrains, traits = "echo", None, False, Traits()

    def complete(self, requests):
        for request in requests:
            yield Completion(request.messages[-1].content.partition("Text:\n")[2], seconds=0.25)

    def count_tokens(self, text):
        return len(text.split())


def timed(tagger, *texts):
    told = []
    documents = [Document(f"d{n}", text) for n, text in enumerate(texts)]
    for document in tagger.tag_many(documents, timed=lambda id, times: told.append((id, times))):
        # Told just before the document is given.
        assert told[-1][0] == document.id
    return told


def test_each_document_is_told_of_once_with_the_sum_of_its_requests():
    told = timed(Tagger.open(Echo(), labels="disease", dictionary="none", settings=SENTENCE), TEXT, "", "One sentence.")
    assert [id for id, _ in told] == ["d0", "d1", "d2"]
    assert [times.llm for _, times in told] == pytest.approx([0.75, 0.0, 0.25])
    whole = told[0][1]
    assert min(whole.windows, whole.prompt, whole.reading, whole.dictionary) > 0


def test_without_an_llm_only_cutting_looking_up_and_merging_take_time():
    ((_, times),) = timed(Tagger.open(None, labels="disease", dictionary="none"), TEXT)
    assert (times.retrieval, times.prompt, times.llm) == (0.0, 0.0, 0.0)
    assert times.dictionary > 0


def test_a_stopwatch_gives_laps_that_add_up():
    watch = Stopwatch()
    laps = [watch() for _ in range(5)]
    assert min(laps) >= 0
