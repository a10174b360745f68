"""Windows that do not fit into the model's context, and are asked about in parts."""

from dataclasses import replace

from clinspan.document import WindowState
from clinspan.errors import ContextOverflow
from clinspan.labels import Label, LabelSet
from clinspan.tagging.settings import TagSettings
from clinspan.tagging.tagger import Tagger
from clinspan.text.windows import WindowSettings

LABELS = LabelSet("s", (Label("disease", "A disease.", terms=("gout",)),))
# Of two parts, the first alone has what the dictionary proposes; the sore back stands where both are shown.
TEXT = "Gout hurts him now. We saw a sore back. He went home then. All was well again."
SETTINGS = TagSettings(windows=WindowSettings(max_tokens=100), ask="candidates")


def narrow(most: int):
    def answer(text: str):
        if len(text) > most:
            return ContextOverflow("too long")
        return text.replace("sore back", "[ sore back | disease ]").replace("Gout", "[ Gout | disease ]")

    return answer


def test_a_part_that_is_not_asked_about_takes_nothing_from_its_neighbour(scripted):
    llm = scripted(narrow(45))
    done = Tagger(llm, labels=LABELS, settings=SETTINGS).tag(TEXT)
    assert len(llm.requests) == 2  # the whole, and the part with a candidate
    assert [e.text for e in done.entities] == ["Gout", "sore back"]
    always = Tagger(scripted(narrow(45)), labels=LABELS, settings=replace(SETTINGS, ask="always"))
    assert [e.text for e in always.tag(TEXT).entities] == ["Gout", "sore back"]


def test_what_fits_in_no_part_is_said(scripted):
    done = Tagger(scripted(narrow(3)), labels=LABELS, settings=SETTINGS).tag(TEXT)
    assert [w.state for w in done.windows] == [WindowState.OVER_BUDGET]
    assert "not even in parts" in (done.windows[0].detail or "")
