"""Notes under review over HTTP: the real application on a real file, asked as a page would, and as nobody should."""

import json
import shutil
import socket
import threading
from pathlib import Path

import pytest
from service import PATIENCE, Service, asked_at_random, until
from starlette.testclient import TestClient
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.document import Document, Entity, Span, WindowReport, WindowState
from clinspan.examples.build import build
from clinspan.examples.pool import Pool
from clinspan.labels import Attribute, Label, LabelSet
from clinspan.review.loop import Reviews
from clinspan.review.note import text_hash
from clinspan.review.store import Store
from clinspan.server.app import application
from clinspan.server.review import SaidWholeNote
from clinspan.server.service import Service as Served
from clinspan.server.settings import ServerSettings
from clinspan.tagging.tagger import Tagger

TEXT = "Mrs Quimby \N{PILL} denies gout."
GOUT = TEXT.index("gout")
VALUES = (("present", "Is there."), ("absent", "Is denied."))
LABELS = (
    Label("problem", "A problem.", terms=("gout",), attributes=(Attribute("assertion", VALUES, "present"),)),
    Label("drug", "A drug."),
)
NOTE = Document(
    "../../etc/passwd?<b>#%2F",
    TEXT,
    (Entity(Span(GOUT, GOUT + 4), "problem", "gout", score=0.7, attributes={"assertion": "present"}),),
    (
        WindowReport(Span(0, 5), WindowState.FAILED, detail="no answer"),
        WindowReport(Span(5, len(TEXT)), WindowState.OK),
    ),
)
OTHERS = tuple(Document(f"n{number}", f"Word{number} and fever{number}.") for number in range(4))
MARK = {"start": GOUT, "end": GOUT + 4, "label": "problem", "attributes": {"assertion": "absent"}}


def filled(folder: Path) -> Path:
    with Store(folder / "reviews.sqlite", create=True) as store:
        store.add((NOTE, *OTHERS), labels=LABELS)
    return folder / "reviews.sqlite"


class Room:
    """An application over a review file, and a client of it."""

    def __init__(self, folder: Path, pool: Pool | None = None):
        self.store = Store(filled(folder))
        self.output = folder / "out"
        self.tagger = Tagger(labels=LabelSet("mine", LABELS), taught=() if pool is None else [Document("x", "x")])
        reviews = Reviews(self.store, self.output)
        self.service = Served(self.tagger, ServerSettings(max_body=100_000), pool, reviews)
        self.client = TestClient(application(self.service), base_url="http://127.0.0.1")

    def body(self, *entities, version=1, by="ann", state="changed", **more) -> dict:
        said = {"version": version, "hash": text_hash(TEXT), "by": by, "state": state, "entities": [*entities]}
        return said | more

    def put(self, *entities, key=1, **said):
        return self.client.put(f"/review/notes/{key}", json=self.body(*entities, **said))

    def versions(self) -> list[dict]:
        return self.client.get("/review/notes/1/history").json()["versions"]


@pytest.fixture
def room(tmp_path):
    made = Room(tmp_path)
    yield made
    made.service.close()
    made.store.close()


def test_the_list_and_a_note(room) -> None:
    said = room.client.get("/review/notes", params={"limit": 2}).json()
    assert said["total"] == 5
    first = said["notes"][0]
    assert {first[name] for name in ("key", "id", "state", "version", "entities", "by", "title", "words")} == {
        *(1, NOTE.id, "new", "clinspan", TEXT, 5)
    }
    assert first["doubt"] == pytest.approx(0.8)
    assert [one["key"] for one in room.client.get("/review/notes", params={"q": "QUIMBY"}).json()["notes"]] == [1]
    assert room.client.get("/review/notes", params={"state": "accepted"}).json() == {"total": 0, "notes": []}
    note = room.client.get("/review/notes/1").json()
    SaidWholeNote.model_validate(note)
    assert (note["text"], note["hash"], note["id"]) == (TEXT, text_hash(TEXT), NOTE.id)
    assert note["entities"] == [one.to_dict() for one in NOTE.entities]
    assert note["windows_not_read"] == [NOTE.windows[0].to_dict()]
    assert [(one["name"], one["definition"]) for one in note["labels"]] == [
        ("problem", "A problem."),
        ("drug", "A drug."),
    ]
    assert note["labels"][0]["attributes"][0]["values"] == ["present", "absent"]


@pytest.mark.parametrize("path", ["/review/next", "/review/notes", "/review/summary"])
def test_what_looks_at_all_notes_needs_a_place(room, path) -> None:
    while not room.service.room.enter():
        pass
    busy = room.client.get(path)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
    assert room.client.get("/review/notes/1").status_code == 200
    room.service.room.leave()
    assert [room.client.get(path).status_code for _ in range(2)] == [200, 200]


def test_a_save_and_its_history(room) -> None:
    answer = room.put(MARK)
    assert (answer.status_code, answer.json()["version"], answer.json()["state"]) == (200, 2, "changed")
    entity = room.client.get("/review/notes/1").json()["entities"][0]
    assert (entity["attributes"], entity["score"]) == ({"assertion": "absent"}, 0.7)
    assert room.put(version=2, by="ben", state="accepted").json()["version"] == 3
    assert [(v["version"], v["by"], v["state"], v["entities"]) for v in room.versions()] == [
        (1, "clinspan", "new", 1),
        (2, "ann", "changed", 1),
        (3, "ben", "accepted", 0),
    ]
    old = room.client.get("/review/notes/1/history/2").json()
    assert (old["by"], old["entities"]) == ("ann", [entity])
    summary = room.client.get("/review/summary").json()
    assert (summary["total"], summary["states"]) == (5, {"new": 4, "changed": 0, "accepted": 1})
    assert summary["reviewers"] == [
        {"by": "ann", "notes": 1, "accepted": 0},
        {"by": "ben", "notes": 1, "accepted": 1},
    ]


def test_the_later_of_two_saves_is_told_and_kept(room) -> None:
    start, answers = threading.Barrier(2), {}

    def work(by: str, mark: dict) -> None:
        start.wait()
        answers[by] = room.put(mark, by=by)

    marks = {"ann": MARK, "ben": {"start": 4, "end": 10, "label": "drug"}}
    threads = [threading.Thread(target=work, args=pair) for pair in marks.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = [by for by, answer in answers.items() if answer.status_code == 200]
    (lost,) = [by for by, answer in answers.items() if answer.status_code == 409]
    newer = answers[lost].json()
    assert (newer["version"], newer["by"], newer["state"]) == (2, won, "changed")
    assert newer["entities"] == room.client.get("/review/notes/1").json()["entities"]
    kept = room.versions()[-1]
    assert (kept["by"], kept["aside"], kept["based_on"]) == (lost, True, 1)
    (entity,) = room.client.get(f"/review/notes/1/history/{kept['version']}").json()["entities"]
    assert (entity["start"], entity["label"]) == (marks[lost]["start"], marks[lost]["label"])
    assert room.put(marks[lost], by=lost, version=2).json()["version"] == 4


@pytest.mark.parametrize(
    ("changed", "status", "where"),
    [
        ({"hash": text_hash("Mrs Quimby, another version.")}, 422, "body.hash"),
        ({"version": 2}, 422, "body.version"),
        ({"version": "1"}, 422, "body.version"),
        ({"by": ""}, 422, "body.by"),
        ({"by": "clinspan"}, 422, "body.by"),
        ({"state": "new"}, 422, "body.state"),
        ({"entities": [{**MARK, "end": 9999}]}, 422, "body.entities[0]"),
        ({"entities": [{**MARK, "end": 2**70}]}, 422, "body.entities[0].end"),
        ({"entities": [MARK, {**MARK, "label": "Zebedee"}]}, 422, "body.entities[1]"),
        ({"entities": [{**MARK, "attributes": {"assertion": "Zebedee"}}]}, 422, "body.entities[0].attributes"),
        ({"entities": [{**MARK, "attributes": {"Zebedee": "x"}}]}, 422, "body.entities[0].attributes"),
        ({"entities": [{**MARK, "text": "Zebedee"}]}, 422, "body.entities[0]"),
        ({"entities": [{"start": 0, "end": 1}]}, 422, "body.entities[0].label"),
        ({"Zebedee": 1}, 422, "body"),
    ],
)
def test_what_cannot_be_saved_says_why_and_repeats_nothing(room, changed, status, where) -> None:
    answer = room.client.put("/review/notes/1", json=room.body(MARK) | changed)
    assert (answer.status_code, answer.json()["error"]["where"]) == (status, where)
    assert answer.json()["error"]["what"]
    assert "Zebedee" not in answer.text
    assert len(room.versions()) == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/review/notes/..%2f..%2fetc%2fpasswd", 404),
        ("/review/notes/../../etc/passwd", 404),
        ("/review/notes/%2e%2e", 422),
        ("/review/notes/../../../etc/passwd%3f%3cb%3e", 404),
        ("/review/notes/0", 422),
        ("/review/notes/99", 404),
        ("/review/notes/1/history/99", 404),
        ("/review/notes/99999999999999999999999", 422),
        ("/review/notes?state=Zebedee", 422),
        ("/review/notes?offset=-1", 422),
        ("/review/notes?limit=Zebedee", 422),
        ("/review/next?after=Zebedee", 422),
    ],
)
def test_paths_lead_nowhere(room, path, status) -> None:
    answer = room.client.get(path)
    assert answer.status_code == status
    assert "Zebedee" not in answer.text
    assert "root:" not in answer.text


def test_a_save_passes_the_guard_like_all_work(room) -> None:
    url, body = "/review/notes/1", json.dumps(room.body(MARK))
    assert room.client.put(url, content=body, headers={"Content-Type": "text/plain"}).status_code == 415
    assert room.client.put(url, json=room.body(MARK), headers={"Origin": "http://evil.example"}).status_code == 403
    assert room.client.put(url, json=room.body(MARK), headers={"Host": "evil.example"}).status_code == 421
    assert room.put(by="x" * 200_000).status_code == 413
    room.service.stop()
    assert room.put(MARK).status_code == 503
    assert len(room.versions()) == 1


def test_what_comes_next(room) -> None:
    seen = []
    for _ in range(5):
        asked = {"after": seen[-1]} if seen else {}
        seen.append(room.client.get("/review/next", params=asked).json()["key"])
        hash = room.client.get(f"/review/notes/{seen[-1]}").json()["hash"]
        room.store.save(seen[-1], (), version=1, hash=hash, by="ann")
    assert sorted(seen) == [1, 2, 3, 4, 5]
    assert room.client.get("/review/next", params={"after": 5}).json() == {"key": None}


def test_what_was_passed_over_does_not_come_again_though_nobody_saved_it(room) -> None:
    seen: list[int] = []
    while (key := room.client.get("/review/next", params={"after": seen}).json()["key"]) is not None:
        seen.append(key)
    assert sorted(seen) == [1, 2, 3, 4, 5]
    assert room.client.get("/review/next", params={"after": [1] * 1001}).status_code == 422


def test_accepted_notes_become_pool_and_gold(room) -> None:
    assert room.client.post("/review/loop", json={}).status_code == 409
    room.put(MARK, state="accepted")
    said = room.client.post("/review/loop", json={"pool": True, "gold": True}).json()
    assert said == {
        **{"accepted": 1, "pooled": 1, "examples": 1, "left_out": {}, "gold": 1},
        **{"pool_name": "pool", "gold_name": "gold.jsonl"},
    }
    assert [one.document for one in Pool.open(room.output / "pool")] == [NOTE.id]
    assert json.loads((room.output / "gold.jsonl").read_text())["id"] == NOTE.id
    shutil.rmtree(room.output)
    said = room.client.post("/review/loop", json={"pool": False}).json()
    assert (said["pooled"], said["pool_name"], said["gold"]) == (None, None, 1)


def test_a_service_that_shows_the_pool_shows_the_corrections(tmp_path) -> None:
    folder = tmp_path / "out" / "pool"
    build([Document("old", "He has asthma.")], folder, labels=("problem", "drug"))
    made = Room(tmp_path, Pool.open(folder))
    assert made.client.post("/tag", json={"text": "colic"}).json()["entities"] == []
    assert made.client.post("/examples/find", json={"text": "denies gout"}).json()["examples"] == []
    made.put(MARK, state="accepted")
    made.client.post("/review/loop", json={"gold": False})
    found = made.client.post("/examples/find", json={"text": "denies gout"}).json()["examples"]
    assert [(one["document"], one["entities"][0]["attributes"]) for one in found] == [
        (NOTE.id, {"assertion": "absent"})
    ]
    assert made.service.tagger is not made.tagger
    assert made.service.jobs.tagger is made.service.tagger
    made.service.close()
    made.store.close()


def test_without_notes_under_review_there_are_no_such_paths() -> None:
    service = Served(Tagger(labels=LabelSet("mine", LABELS)), ServerSettings())
    client = TestClient(application(service), base_url="http://127.0.0.1")
    assert client.get("/review/notes").status_code == 404
    assert not [path for path in client.get("/openapi.json").json()["paths"] if "review" in path]
    service.close()


def test_a_wrong_name_is_told_before_a_model_is_loaded(tmp_path) -> None:
    for options, said in (
        (["--reviews", tmp_path / "none.sqlite"], "no such review file"),
        (["--review-output", tmp_path], "--reviews"),
    ):
        done = CliRunner().invoke(app, ["serve", "--llm", "openai:none", *map(str, options)])
        assert said in str(done.exception)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviewed")
    (folder / "labels.toml").write_text(
        '[[labels]]\nname = "problem"\ndefinition = "A problem."\nterms = ["gout"]\n', encoding="utf-8"
    )
    options = ("--llm", "none", "--dictionary", "none", "--labels", folder / "labels.toml")
    made = Service(folder, *options, "--reviews", filled(folder))
    yield made
    assert made.end() == 0
    assert "Quimby" not in made.said()


def test_a_browser_that_is_closed_in_the_middle_of_a_save_changes_nothing(running) -> None:
    host, _, port = running.url.removeprefix("http://").partition(":")
    body = json.dumps({"version": 1, "hash": text_hash(TEXT), "by": "ann", "state": "changed", "entities": []}).encode()
    head = (
        f"PUT /review/notes/1 HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()

    def versions() -> int:
        return len(running.client.get("/review/notes/1/history").json()["versions"])

    def answered() -> float:
        text = running.client.get("/metrics").text
        lines = [line for line in text.splitlines() if line.startswith("clinspan_requests_total{") and "PUT" in line]
        return sum(float(line.split()[-1]) for line in lines)

    for cut, saved in ((len(body) // 2, 1), (len(body) - 1, 1), (len(body), 2)):
        before = answered()
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
            connection.sendall(head + body[:cut])
        until(lambda before=before: answered() > before, "the end of a request whose client went away")
        assert versions() == saved
    # Who never saw the answer asks again, and is told of the version that was saved.
    again = running.client.put("/review/notes/1", content=body, headers={"Content-Type": "application/json"})
    assert (again.status_code, again.json()["version"]) == (200, 2)


def test_what_nobody_would_ask_of_the_review_is_answered_as_the_openapi_says(running, tmp_path) -> None:
    # Whether a hash or a label is the note's own no schema can say.
    options = (
        "--include-path-regex",
        "^/review",
        "--max-examples",
        "5",
        "--exclude-checks",
        "positive_data_acceptance",
    )
    asked_at_random(running, tmp_path, *options)
