import pytest

from clinspan import samples
from clinspan.text.windows import windows

NOTES = {document.id: document.text for document in samples.load()}


def test_there_are_six_notes_and_two_abstracts():
    assert len(NOTES) == 8
    assert sum(name.startswith("abstract") for name in NOTES) == 2
    assert min(len(text) for text in NOTES.values()) > 1000


def test_the_long_note_is_long():
    assert len(NOTES["progress_note"].split()) >= 1500


def test_windows_line_ends_and_other_scripts_have_come_through_version_control():
    text = NOTES["windows_note"]
    assert text.count("\r\n") == text.count("\n") > 40
    assert all(piece in text for piece in ("Öztürk", "°C", "±", "µg", "“", "≥"))
    assert all("\r" not in other for name, other in NOTES.items() if name != "windows_note")


@pytest.mark.parametrize("name", NOTES)
def test_no_window_of_a_sample_is_large(name):
    assert all(len(window.span) < 1500 for window in windows(NOTES[name]))
