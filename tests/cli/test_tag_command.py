"""`clinspan tag` as a user meets it: real files, real exit statuses, the real model where it is there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app, main

NOTE = "Two brothers with ataxia-telangiectasia (A-T) had breast cancer. A-T is rare.\n"


def run(*arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, so that messages and exit status are what a shell sees."""
    return subprocess.run(
        [sys.executable, "-m", "clinspan", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def tag(inputs: list[object], out: Path, *more: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return run("tag", *inputs, "-o", out, "--llm", "none", *more, stdin=stdin)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text(NOTE)
    return path


def test_a_note_gives_verified_entities_and_a_report(tmp_path: Path, note: Path) -> None:
    out, report = tmp_path / "out.jsonl", tmp_path / "report.html"
    done = tag([note], out, "--report", report, "--labels", "disease")
    assert done.returncode == 0, done.stderr
    (line,) = lines(out)
    found = [(e["text"], NOTE[e["start"] : e["end"]]) for e in line["entities"]]
    assert [said for said, _ in found] == ["ataxia-telangiectasia", "A-T", "breast cancer", "A-T"]
    assert all(said == stands for said, stands in found)
    assert all(e["concepts"] for e in line["entities"])
    assert "ataxia-telangiectasia" in report.read_text(encoding="utf-8")
    assert "4 disease" in done.stderr


def test_a_corpus_is_recognised_and_its_texts_are_tagged(tmp_path: Path) -> None:
    (tmp_path / "abstracts.txt").write_text("7|t|Gout\n7|a|She had breast cancer.\n7\t0\t4\tGout\tDisease\tD1\n")
    done = tag([tmp_path / "abstracts.txt"], tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert "abstracts.txt: read as pubtator (its first line is a title)" in done.stderr
    (line,) = lines(tmp_path / "out.jsonl")
    assert (line["id"], line["text"]) == ("7", "Gout\nShe had breast cancer.")
    assert "breast cancer" in [e["text"] for e in line["entities"]]


def test_the_embedded_model_reads_a_note(tmp_path: Path, note: Path, smollm2: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = run("tag", note, "-o", out, "--labels", "disease", "--llm", "embedded")
    assert done.returncode == 0, done.stderr
    assert "smollm2" in done.stderr.lower()
    (line,) = lines(out)
    assert "breast cancer" in [e["text"] for e in line["entities"]]
    assert all(e["score"] is None or 0 <= e["score"] <= 1 for e in line["entities"])


def test_a_note_of_drugs_and_allergies_needs_no_option(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("Patient takes lisinopril, aspirin and atorvastatin. Allergies: penicillin (hives).\n")
    done = run("tag", note)
    assert done.returncode == 0, done.stderr
    found = [line.split()[:2] for line in done.stdout.splitlines()[1:]]
    drugs = ["lisinopril", "aspirin", "atorvastatin", "penicillin"]
    assert found == [*(["treatment", drug] for drug in drugs), ["problem", "hives"]]


def test_jsonl_keeps_its_metadata_and_a_bad_line_is_named(tmp_path: Path) -> None:
    source = tmp_path / "notes.jsonl"
    source.write_text('{"id": "a", "text": "Gout.", "ward": 3}\n{"id": "b", "text": \n{"id": "c", "text": "Asthma."}\n')
    out = tmp_path / "out.jsonl"
    done = tag([source], out)
    assert done.returncode == 3
    assert "notes.jsonl, line 2" in done.stderr
    assert [line["id"] for line in lines(out)] == ["a", "c"]
    assert "3" in json.dumps(lines(out)[0]["metadata"])


def test_csv_and_standard_input(tmp_path: Path) -> None:
    source = tmp_path / "notes.csv"
    source.write_text('row,note\n7,"Gout, and\nasthma."\n')
    out = tmp_path / "out.jsonl"
    assert tag([source], out, "--text-column", "note", "--id-column", "row").returncode == 0
    (line,) = lines(out)
    assert line["id"] == "7"
    assert [e["text"] for e in line["entities"]] == ["Gout", "asthma"]
    done = tag(["-"], Path("-"), "--quiet", stdin="Gout.\n")
    assert [e["text"] for e in json.loads(done.stdout)["entities"]] == ["Gout"]
    assert done.stderr == ""


def test_a_missing_column_offers_the_nearest(tmp_path: Path) -> None:
    source = tmp_path / "notes.csv"
    source.write_text("id,texts\n1,Gout\n")
    done = tag([source], tmp_path / "out.jsonl", "--text-column", "text")
    assert done.returncode == 3
    assert "texts" in done.stderr


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.txt", b"", "is empty"),
        ("binary.txt", b"\x00\x01\x02\xff" * 50, "binary"),
        ("latin.txt", "Sjögren syndrome, café".encode("latin-1"), "UTF-8"),
    ],
)
def test_an_input_that_is_no_text_is_named_and_the_rest_goes_on(
    tmp_path: Path, note: Path, name: str, data: bytes, says: str
) -> None:
    bad = tmp_path / name
    bad.write_bytes(data)
    out = tmp_path / "out.jsonl"
    done = tag([bad, note], out)
    assert done.returncode == 3
    assert says.lower() in done.stderr.lower()
    assert name in done.stderr
    assert [line["id"] for line in lines(out)] == ["note"]


def test_a_named_encoding_is_used(tmp_path: Path) -> None:
    path = tmp_path / "n.txt"
    path.write_bytes("Sjögren syndrome".encode("latin-1"))
    out = tmp_path / "out.jsonl"
    assert tag([path], out, "--encoding", "latin-1").returncode == 0
    assert lines(out)[0]["text"] == "Sjögren syndrome"


def test_a_duplicate_id_is_named(tmp_path: Path) -> None:
    source = tmp_path / "notes.jsonl"
    source.write_text('{"id": "a", "text": "Gout."}\n{"id": "a", "text": "Asthma."}\n')
    done = tag([source], tmp_path / "out.jsonl")
    assert done.returncode == 3
    assert "'a' is taken by" in done.stderr


def test_an_output_that_exists_is_kept_without_force(tmp_path: Path, note: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine\n")
    done = tag([note], out)
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert out.read_text() == "mine\n"
    assert tag([note], out, "--force").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--labels", "diseases"], "Did you mean 'disease'"),
        (["--llm", "embeded"], "Did you mean 'embedded'"),
        (["--llm", "llamacpp:/nowhere.gguf"], "/nowhere.gguf"),
        (["--llm", "openai:x", "--base-url", "https://example.com/v1"], "--allow-remote"),
        (["--format", "tannl"], "Did you mean 'tanl'"),
        (["--dictionary", "/nowhere"], "/nowhere"),
        (["--calibration", "/nowhere.toml"], "/nowhere.toml"),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else "",
)
def test_a_wrong_option_is_explained(tmp_path: Path, note: Path, arguments: list[str], says: str) -> None:
    done = run("tag", note, "-o", tmp_path / "out.jsonl", *arguments)
    assert done.returncode == 2
    assert says in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("words", [["note.txt", "--from", "no-such"], ["typo.txt"], ["note.txt", "--from", "jsonl"]])
def test_an_input_that_cannot_be_read_leaves_no_output_and_the_corrected_command_works(
    tmp_path: Path, note: Path, words: list[str]
) -> None:
    out, page = tmp_path / "out.jsonl", tmp_path / "out.html"
    made = note.rename(tmp_path / "note.txt")
    more = ("--llm", "none", "--report", page)
    assert run("tag", tmp_path / words[0], *words[1:], "-o", out, *more).returncode != 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note.txt"]
    done = run("tag", made, "-o", out, *more)
    assert (done.returncode, out.exists(), page.exists()) == (0, True, True), done.stderr


def test_rows_without_text_come_out_as_notes_without_entities(tmp_path: Path) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text("id,text\n1,She has gout.\n2,\n3, \n4,Asthma.\n")
    done = tag([notes], tmp_path / "out.jsonl", "--llm", "none")
    assert done.returncode == 0, done.stderr
    assert [(row["id"], len(row["entities"])) for row in lines(tmp_path / "out.jsonl")] == [
        ("1", 1),
        ("2", 0),
        ("3", 0),
        ("4", 1),
    ]


def test_a_labels_file_with_an_unknown_key_offers_the_nearest(tmp_path: Path, note: Path) -> None:
    labels = tmp_path / "mine.toml"
    labels.write_text('[[labels]]\nname = "x"\ndefinition = "y"\nsemantic_type = ["Finding"]\n')
    done = tag([note], tmp_path / "out.jsonl", "--labels", labels)
    assert done.returncode == 2
    assert "Did you mean 'semantic_types'" in done.stderr.replace("\n", " ")


def test_a_model_that_was_not_pulled_names_the_command(tmp_path: Path, note: Path) -> None:
    environment = {**os.environ, "CLINSPAN_CACHE": str(tmp_path / "empty")}
    options = ["-o", str(tmp_path / "o"), "--dictionary", "none", "--labels", "disease", "--llm", "embedded"]
    done = subprocess.run(
        [sys.executable, "-m", "clinspan", "tag", str(note), *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "clinspan models pull" in done.stderr.replace("\n", " ")


def test_an_output_folder_that_is_missing_is_said_before_any_work(tmp_path: Path, note: Path) -> None:
    done = tag([note], tmp_path / "no" / "out.jsonl")
    assert done.returncode == 2
    assert "mkdir" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said(tmp_path: Path, note: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "clinspan", "tag", str(note), "-o", "-", "--llm", "none", "--quiet"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_keep_what_was_done(tmp_path: Path, stop: signal.Signals) -> None:
    out = tmp_path / "out.jsonl"
    with subprocess.Popen(
        [sys.executable, "-m", "clinspan", "tag", "-", "-o", str(out), "--llm", "none", "--verbose"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Started from a script in the background, a process ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        for number in range(2):
            process.stdin.write(json.dumps({"id": str(number), "text": "Gout and asthma."}) + "\n")
        process.stdin.flush()
        # The first line is tagged while the program waits for more.
        assert "0: 2 entities" in process.stderr.readline()
        time.sleep(0.2)
        process.send_signal(stop)
        said = process.communicate(timeout=600)[1]
    assert process.returncode == 130
    assert "stopped" in said
    assert {line["id"] for line in lines(out)} <= {"0", "1"}
    assert lines(out)[0]["id"] == "0"


def test_examples_teach_which_terms_are_meant(tmp_path: Path) -> None:
    text = "Trial of asthma and gout."
    entity = {"start": 20, "end": 24, "text": "gout", "label": "disease"}
    asthma = {"start": 9, "end": 15, "text": "asthma", "label": "disease"}
    gold = tmp_path / "gold.jsonl"
    gold.write_text("".join(json.dumps({"id": str(n), "text": text, "entities": [entity]}) + "\n" for n in range(20)))
    source = tmp_path / "n.txt"
    source.write_text(text)
    plain, taught = tmp_path / "plain.jsonl", tmp_path / "taught.jsonl"
    assert tag([source], plain).returncode == 0
    assert tag([source], taught, "--examples", gold).returncode == 0
    assert [e["text"] for e in lines(plain)[0]["entities"]] == [asthma["text"], entity["text"]]
    assert [e["text"] for e in lines(taught)[0]["entities"]] == [entity["text"]]


def test_demo_tags_every_sample(tmp_path: Path) -> None:
    done = run("demo", "-o", tmp_path / "demo", "--llm", "none")
    assert done.returncode == 0, done.stderr
    assert len(lines(tmp_path / "demo" / "entities.jsonl")) == 8
    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000


def test_version_and_help() -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["--version"]).stdout.startswith("clinspan 0.")
    assert "Example" in runner.invoke(app, ["tag", "--help"]).stdout


def test_errors_leave_no_trace_and_status_two(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["clinspan", "labels", "show", "diseas"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "Did you mean 'disease'" in capsys.readouterr().err
