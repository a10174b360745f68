import json

import pytest
from tests.dictionary.conftest import Listed, entry

from clinspan.dictionary import build as module
from clinspan.dictionary import layout
from clinspan.dictionary.build import build
from clinspan.dictionary.layout import Entry, Term
from clinspan.dictionary.store import Dictionary
from clinspan.errors import DictionaryError
from clinspan.files import MANIFEST


def test_entries_of_one_id_are_one_concept_with_all_terms_types_and_definitions(tmp_path):
    one = Listed([entry("X", "flu", types=("A",), definition="One."), entry("Y", "gout")], "first")
    two = Listed([entry("X", "influenza", "flu", types=("B",), definition="Two.", source="second")], "second")
    build([one, two], tmp_path)
    found = Dictionary.open(tmp_path)
    assert (found.info.concepts, found.info.names, found.info.definitions) == (2, 4, 2)
    (sense,) = found.find("Influenza")
    assert (sense.concept, sense.name, sense.types, sense.definition) == ("X", "flu", ("A", "B"), "One.")
    assert sense.source == "second"  # each term keeps its source
    assert [source.name for source in found.info.sources] == ["first", "second"]


def test_equal_senses_of_earlier_sources_come_first(tmp_path):
    a, b = Listed([entry("A", "cold", source="a")], "a"), Listed([entry("B", "cold", source="b")], "b")
    build([b, a], tmp_path)
    assert [sense.concept for sense in Dictionary.open(tmp_path).find("cold")] == ["B", "A"]


class Streamed(Listed):
    grouped = True


def test_a_streamed_source_merges_with_the_others(tmp_path):
    build([Listed([entry("X", "own name")]), Streamed([entry("X", "flu"), entry("Z", "gout")])], tmp_path)
    found = Dictionary.open(tmp_path)
    assert {sense.concept for sense in (*found.find("own name"), *found.find("flu"))} == {"X"}
    assert found.info.concepts == 2


class Broken(Listed):
    def entries(self):
        yield from self.listed
        raise KeyboardInterrupt


def test_a_stopped_build_leaves_the_old_index_in_place(tmp_path):
    build([Listed([entry("X", "flu")])], tmp_path)
    with pytest.raises(KeyboardInterrupt):
        build([Broken([entry("Y", "gout")])], tmp_path)
    assert Dictionary.open(tmp_path).find("flu")
    assert not Dictionary.open(tmp_path).find("gout")
    assert len(list(tmp_path.glob("index-*"))) == 1


def test_a_killed_build_is_cleared_away_by_the_next(tmp_path):
    build([Listed([entry("X", "flu")])], tmp_path)
    (tmp_path / "index-half").mkdir()
    (tmp_path / "index-half" / layout.NAMES).write_text("flu")
    assert Dictionary.open(tmp_path).find("flu")
    build([Listed([entry("X", "gout")])], tmp_path)
    assert not (tmp_path / "index-half").exists()


def test_an_open_dictionary_outlives_its_replacement(tmp_path):
    build([Listed([entry("X", "flu")])], tmp_path)
    old = Dictionary.open(tmp_path)
    build([Listed([entry("Y", "gout")])], tmp_path)
    assert old.find("flu")
    assert Dictionary.open(tmp_path).find("gout")


def test_a_source_without_names_is_an_error(tmp_path):
    with pytest.raises(DictionaryError, match="no name"):
        build([Listed([])], tmp_path)


def test_an_existing_index_is_kept_when_asked(tmp_path):
    build([Listed([entry("X", "flu")])], tmp_path)
    build([Listed([entry("Y", "gout")])], tmp_path, keep=True)
    assert Dictionary.open(tmp_path).find("flu")


def _changed(path, **values):
    manifest = json.loads((path / MANIFEST).read_text())
    manifest.update(values)
    (path / MANIFEST).write_text(json.dumps(manifest))


def test_what_is_no_whole_index_is_refused(tmp_path):
    with pytest.raises(DictionaryError, match="there is no dictionary here"):
        Dictionary.open(tmp_path / "nothing")
    build([Listed([entry("X", "flu")])], tmp_path)
    file = next(tmp_path.glob(f"index-*/{layout.POSTINGS}"))
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    with pytest.raises(DictionaryError, match=r"postings\.u32: has 3 bytes; expected 4 bytes"):
        Dictionary.open(tmp_path)
    file.unlink()
    with pytest.raises(DictionaryError, match=r"postings\.u32: is missing"):
        Dictionary.open(tmp_path)
    file.write_bytes(data)
    assert Dictionary.open(tmp_path).find("flu")
    _changed(tmp_path, format=layout.FORMAT + 1)
    with pytest.raises(
        DictionaryError, match=rf"is of format {layout.FORMAT + 1}; expected format {layout.FORMAT}\. Build it again"
    ):
        Dictionary.open(tmp_path)
    _changed(tmp_path, format=layout.FORMAT, byteorder="middle")
    with pytest.raises(DictionaryError, match="byte order"):
        Dictionary.open(tmp_path)
    (tmp_path / MANIFEST).write_text(json.dumps({"format": layout.FORMAT}))
    with pytest.raises(DictionaryError, match="lacks built, byteorder"):
        Dictionary.open(tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(DictionaryError, match=r"manifest\.json: cannot be read"):
        Dictionary.open(tmp_path)


def test_more_vocabularies_than_can_be_numbered_are_refused(tmp_path):
    terms = tuple(Term(f"name {n}", f"source {n}") for n in range(257))
    with pytest.raises(DictionaryError, match="more than 256"):
        build([Listed([Entry("X", terms)])], tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DictionaryError, match="cannot be written"):
        module.build([Listed([entry("X", "flu")])], tmp_path / "file")


def test_progress_is_reported_by_step(tmp_path):
    steps = []
    build([Listed([entry("X", "flu")])], tmp_path, progress=lambda step, done: steps.append(step))
    assert {"keys", "postings", "misspellings"} <= set(steps)
