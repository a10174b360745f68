import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinspan.corpora import catalogue, inputs
from clinspan.corpora.catalogue import recognise
from clinspan.document import Document, Entity, Span
from clinspan.errors import ConfigError, InputError

JSON = '{"id": "1", "text": "MI"}'
BIOC = '{"documents": [{"id": "1", "passages": [{"offset": 0, "text": "MI"}]}]}'
XML = '<?xml version="1.0"?>\n<!-- made by hand -->\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n<collection></collection>'
STANDOFF, CONCEPT = "T1\tdisease 0 2\tMI\n", 'c="mi" 1:0 1:0||t="problem"\n'
TRACK = "T1\tDrug 0 7\tlithium\nT2\tForm 8 11;12 16\ttab lets\nR1\tForm-Drug Arg1:T2 Arg2:T1\n"


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        # content tells whatever the ending is, as long as one format alone looks so
        ("a.txt", "\n1|t|x", "pubtator"),
        ("a.jsonl", "1|t|x\n1|a|y\n", "pubtator"),
        ("a.tsv", "\nBRCA1\tB-GENE\n", "bio"),
        ("a.txt", "No\tO\npain\tO\n", "bio"),
        ("a.txt", "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n", "bio"),
        ("a.txt", "-DOCSTART- -X- O O\n", "bio"),
        ("a.txt", JSON + "\n", "jsonl"),
        ("a.json", '{"text": "' + "x" * 70_000, "jsonl"),
        ("a.json", BIOC, "bioc-json"),
        ("a.json", json.dumps(json.loads(BIOC), indent=1), "bioc-json"),
        ("a.txt", '[{"id": "1", "passages": []}]', "bioc-json"),
        ("a.json", '[{"id": 1, "data": {"text": "MI"}}]', "label-studio"),
        ("a.txt", XML, "bioc-xml"),
        ("a.txt", "\ufeff<collection>", "bioc-xml"),
        ("a.any", "id;text\n1;MI\n", "csv"),
        ("a.txt", "id;text\n1;MI\n", None),
        ("a.json", '["MI", "gout"]', "jsonl"),
        ("a.json", '["' + "x" * 70_000, "jsonl"),
        ("a.txt", '["MI", "gout"]', None),
        ("a.any", '[\n{"text": "MI"}]', "jsonl"),
        ("a.json", '{\n "text": "MI"\n}', "jsonl"),
        ("a.any", "<!-- -->" * 5_000 + "<collection>", "bioc-xml"),
        ("a.any", "<!-- -->" * 5_000 + "<other>", None),
        ("a.any", "<!-- " * 9_000, None),
        ("a.any", STANDOFF, "brat"),
        ("a.any", TRACK, "n2c2"),
        ("a.any", "T1\tADE 0 2\tMI\nT2\tDrug 3 4\tx\n", "n2c2"),
        # its labels with anything that the track has not, or `Drug` alone
        ("a.any", "T1\tDrug 0 2\tMI\n", "brat"),
        ("a.any", TRACK + "T3\tDisease 0 2\tMI\n", "brat"),
        ("a.any", TRACK + "A1\tNegated T1\n", "brat"),
        ("a.any", TRACK + "#1\tAnnotatorNotes T1\tsure?\n", "brat"),
        ("a.any", TRACK + "R2\tCauses-Drug Arg1:T2 Arg2:T1\n", "brat"),
        ("a.any", TRACK + "R2\tDrug-Drug Arg1:T2 Arg2:T1\n", "brat"),
        ("a.any", CONCEPT, "i2b2"),
        ("a.any", b"PAR1\x15", "parquet"),
        # where it does not, the ending
        ("a.jsonl", "", "jsonl"),
        ("a.jsonl", "{ not json", "jsonl"),
        ("a.ann", "", "brat"),
        ("a.conll", "No O\n", "bio"),
        ("a.csv", "text\nMI\n", "csv"),
        ("a.xml", "<other/>", "bioc-xml"),
        # what is nested in an object does not mislead
        ("a.json", '{"id": "1", "text": "MI", "metadata": {"passages": [], "data": {}}}', "jsonl"),
        # and prose is prose
        ("a.txt", "A note.", None),
        ("a.txt", "Blood type\tO\n", None),
        ("a.txt", "Vitamin O\nis no vitamin O\n", None),
        ("a.txt", "pain\tO\n", None),
        ("a.txt", "history, text, etc.\n", None),
        ("a.txt", "<b>bold</b>", None),
        ("a.txt", "[data] {", None),
        ("a.txt", "xylophone".encode("utf-16"), None),
        ("a.json", '{"note": 1}', None),
    ],
)
def test_a_file_is_recognised_by_what_it_holds(tmp_path, name, content, format):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    sign = recognise(path)
    assert (sign and sign.format) == format


DOCUMENTS = [
    Document("1", "MI and gout", (Entity(Span(0, 2), "GENE", "MI"), Entity(Span(7, 11), "GENE", "gout"))),
    Document("2", "no ill", (Entity(Span(3, 6), "GENE", "ill"),)),
]

DRUGS = [
    replace(doc, entities=tuple(replace(e, label="Drug" if e.start == 0 else "Reason") for e in doc.entities))
    for doc in DOCUMENTS
]


@pytest.mark.parametrize("format", sorted({*catalogue.WRITABLE} & {*catalogue.FORMATS}))
def test_every_format_is_recognised_without_its_ending_and_serves_tagging_and_scoring_alike(tmp_path, format):
    if format in ("docbin", "parquet"):
        pytest.importorskip({"docbin": "spacy", "parquet": "pyarrow"}[format])
    path = tmp_path / "corpus"
    catalogue.write(DRUGS if format == "n2c2" else DOCUMENTS, path, format=format)
    said = []
    scored = list(catalogue.read(path, told=lambda path, sign: said.append((path, sign.format))))
    tagged = list(inputs.read([path], told=lambda path, sign: said.append((path, sign.format))))
    assert said == [(path, format)] * 2
    assert [[(e.start, e.end) for e in d.entities] for d in scored] == [[(0, 2), (7, 11)], [(3, 6)]]
    assert [(d.id, d.text.strip()) for d in tagged] == [(d.id, d.text.strip()) for d in scored]
    assert all(str(path) in d.place for d in scored)


def test_what_may_be_several_formats_is_an_error_that_names_them_and_the_option_settles_it(tmp_path):
    (tmp_path / "a.txt").write_text("MI")
    (tmp_path / "a.ann").write_text(STANDOFF)
    (tmp_path / "a.con").write_text(CONCEPT)
    both = tmp_path / "both.json"
    both.write_text('{"id": "1", "text": "MI", "passages": []}')
    says = r"several formats: brat \(a.ann lies beside it\), i2b2 \(a.con .*\. .*--from brat"
    with pytest.raises(InputError, match=says):
        list(catalogue.read(tmp_path / "a.txt"))
    with pytest.raises(InputError, match=r"brat \(it holds a.ann\), i2b2"):
        list(catalogue.read(tmp_path))
    with pytest.raises(InputError, match=r"both.json: may be .*jsonl .*bioc-json"):
        list(catalogue.read(both))
    (problem,) = inputs.read([tmp_path])
    assert "several formats" in problem.what
    assert [e.label for d in catalogue.read(tmp_path, format="i2b2") for e in d.entities] == ["problem"]
    assert [d.text for d in inputs.read([both], format="jsonl")] == ["MI"]
    # a text that is named itself is the note it is
    assert [(d.id, d.entities) for d in inputs.read([tmp_path / "a.txt"])] == [("a", ())]


def test_n2c2_is_told_from_brat_by_all_that_lies_there(tmp_path):
    (tmp_path / "train").mkdir()
    for name, lines in (("a", "T1\tReason 0 7\tlithium\n"), ("b", TRACK)):
        (tmp_path / "train" / f"{name}.txt").write_text("lithium tab\nlets")
        (tmp_path / "train" / f"{name}.ann").write_text(lines)
    said = []
    read = list(catalogue.read(tmp_path, told=lambda _, sign: said.append(str(sign))))
    # The parts that a line end alone parts are one, as the track means them.
    assert [(d.id, e.label, e.fragments) for d in read for e in d.entities][1:] == [
        ("train/b", "Drug", ()),
        ("train/b", "Form", ()),
    ]
    assert read[1].entities[1].text == "tab\nlets"
    assert [d.id for d in inputs.read([tmp_path], told=lambda _, sign: said.append(str(sign)))] == [
        "train/a",
        "train/b",
    ]
    assert said == ["n2c2 (it holds a.ann)"] * 2
    files = [tmp_path / "train/b.txt", tmp_path / "train/b.ann"]
    assert [recognise(file).format for file in files] == ["n2c2", "n2c2"]
    # Where brat is set up, brat's rules hold.
    for folder in (tmp_path, tmp_path / "train"):
        (folder / "annotation.conf").write_text("[entities]\nDrug\nForm\nReason\n")
        assert recognise(tmp_path).format == "brat"
        assert [recognise(file).format for file in files] == ["brat" if folder.name == "train" else "n2c2"] * 2
    read = list(catalogue.read(tmp_path))
    assert read[1].entities[1].fragments == (Span(8, 11), Span(12, 16))


def test_of_a_corpus_that_is_tagged_the_texts_count(tmp_path):
    (tmp_path / "a.txt").write_text("MI")
    (tmp_path / "a.ann").write_text("T1\tdisease 0 9\tMI\n")
    (tmp_path / "b.txt").write_text("no annotations")
    (tmp_path / "c.jsonl").write_text('{"id": "c", "text": "gout"}')
    (tmp_path / "annotation.conf").write_text("[entities]")
    fault, *documents = inputs.read([tmp_path])
    assert "a.ann, line 1: 0-9 is not within" in str(fault)
    assert [(d.id, d.text) for d in documents] == [("a", "MI"), ("b", "no annotations"), ("c", "gout")]


def test_what_was_recognised_is_said_once_for_a_folder(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("MI\tB-x\n")
    said = []

    def told(path, sign):
        said.append((path.name, str(sign)))

    assert len(list(catalogue.read(tmp_path, told=told))) == len(list(inputs.read([tmp_path], told=told))) == 3
    assert said == [("a.txt", "bio (its lines are tokens with tags)")] * 2


def test_an_encoding_is_not_ignored_and_a_wrong_format_is_said(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1|t|x")
    (problem,) = inputs.read([path], encoding="cp1252")
    assert "is read as pubtator, which is UTF-8. Convert it: iconv -f cp1252" in str(problem)
    with pytest.raises(ConfigError, match="Did you mean 'pubtator'"):
        list(inputs.read([path], format="pubtater"))


@given(st.binary(max_size=300))
def test_no_bytes_break_it(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "a.txt"
    path.write_bytes(content)
    sign = recognise(path)
    assert sign is None or sign.format in catalogue.FORMATS
