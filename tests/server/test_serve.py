"""The service as a client meets it: a real process on loopback, with the dictionary alone."""

import json
import socket

import httpx2
import pytest
from service import LABELS, PATIENCE, TERMS, Service, asked_at_random
from typer.testing import CliRunner

from clinspan import codec
from clinspan.cli.main import app
from clinspan.document import Document
from clinspan.examples.pool import Pool
from clinspan.examples.store import documents_of
from clinspan.server.app import listening
from clinspan.server.bodies import SaidSenses
from clinspan.server.settings import ServerSettings
from clinspan.tagging.tagger import Tagger

NOTE = "Mrs Quimby has gout and asthma."
SECRETS = ("Quimby", "Zebedee")
TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("served")
    (made / "labels.toml").write_text(LABELS)
    (made / "terms.tsv").write_text(TERMS)
    start = NOTE.index("gout")
    entities = [{"start": start, "end": start + 4, "label": "disease"}]
    (made / "gold.jsonl").write_text(json.dumps({"id": "g", "text": NOTE, "entities": entities}) + "\n")
    for command in (
        ["dictionary", "build", made / "terms.tsv", "-o", made / "terms", "--type", "Disease or Syndrome"],
        ["examples", "build", made / "gold.jsonl", "-o", made / "pool", "--labels", made / "labels.toml"],
    ):
        done = CliRunner().invoke(app, [*map(str, command)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    return made


@pytest.fixture(scope="module")
def options(folder):
    given = {"--llm": "none", "--labels": folder / "labels.toml", "--dictionary": folder / "terms"}
    limits = {"--examples": folder / "pool", "--max-body": 1, "--max-text": 2000}
    return [part for pair in (given | limits).items() for part in pair]


@pytest.fixture(scope="module")
def service(folder, options, tmp_path_factory):
    running = Service(tmp_path_factory.mktemp("open"), *options)
    yield running
    assert running.end() == 0
    assert not [secret for secret in SECRETS if secret in running.said()]


@pytest.fixture(scope="module")
def guarded(options, tmp_path_factory):
    running = Service(tmp_path_factory.mktemp("guarded"), *options, token=TOKEN)
    yield running
    assert running.end() == 0
    assert TOKEN not in running.said()


def test_a_text_gives_what_the_command_line_gives(service, folder) -> None:
    answer = service.client.post("/tag", json={"id": "n1", "text": NOTE})
    assert answer.status_code == 200
    taught = documents_of(Pool.open(folder / "pool"))
    with Tagger.open("none", labels=folder / "labels.toml", dictionary=folder / "terms", taught=taught) as tagger:
        assert answer.json() == json.loads(codec.dump(tagger.tag(Document("n1", NOTE))))
    said = answer.json()
    assert [NOTE[one["start"] : one["end"]] for one in said["entities"]] == ["gout", "asthma"]
    assert said["windows"]["counts"] == {"ok": 1}
    assert said["windows"]["not_read"] == []


def test_several_texts_come_back_in_order(service) -> None:
    answer = service.client.post("/tag/many", json={"documents": [{"text": "gout"}, {"text": ""}, {"text": "asthma"}]})
    found = [(one["id"], [e["text"] for e in one["entities"]]) for one in answer.json()["documents"]]
    assert found == [("text-0", ["gout"]), ("text-1", []), ("text-2", ["asthma"])]


def test_a_job_tells_its_progress_and_gives_lines(service) -> None:
    id = service.begin("gout", "asthma", "nothing")
    with service.client.stream("GET", f"/jobs/{id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = [*stream.iter_lines()]
    assert "event: end" in lines
    last = json.loads([line for line in lines if line.startswith("data: ")][-1].removeprefix("data: "))
    assert last == service.client.get(f"/jobs/{id}").json()
    assert (last["state"], last["documents"], last["of"], last["entities"]) == ("done", 3, 3, 2)
    results = service.client.get(f"/jobs/{id}/results")
    assert results.headers["clinspan-job-state"] == "done"
    assert [json.loads(line)["text"] for line in results.text.splitlines()] == ["gout", "asthma", "nothing"]
    assert service.client.delete(f"/jobs/{id}").status_code == 204
    assert service.client.get(f"/jobs/{id}").status_code == 404


def test_labels_dictionary_and_examples(service) -> None:
    (label,) = service.client.get("/labels").json()["labels"]
    assert (label["name"], label["found_by"]) == ("disease", ["the dictionary"])
    found = service.client.post("/dictionary/find", json={"term": "gout"}).json()
    assert (found["kind"], found["senses"][0]["concept"]) == ("exact", "D1")
    SaidSenses.model_validate(found)
    assert service.client.post("/dictionary/find", json={"term": "chair"}).json() == {"kind": None, "senses": []}
    found = service.client.post("/examples/find", json={"text": "He has gout."}).json()
    assert [one["document"] for one in found["examples"]] == ["g"]


def test_metrics_count_what_was_done(service) -> None:
    before = service.count("clinspan_documents_total")
    service.client.post("/tag", json={"text": NOTE})
    assert service.count("clinspan_documents_total") == before + 1
    assert service.count('clinspan_requests_total{method="POST",route="/tag",status="200"}') >= 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"text": "Zebedee', 400),
        ("Zebedee", 400),
        ('{"text": 5, "Zebedee": 1}', 422),
        ('{"text": "a", "Zebedee": 1}', 422),
        ('{"text": ["Zebedee"]}', 422),
        ('{"text": "Zebedee \\ud800"}', 422),
        ('["Zebedee"]', 422),
        ('{"text": "Zebedee", "id": ""}', 422),
        ("[" * 100_000, 400),
        (b'{"text": "Zebedee \xff"}', 400),
        ('{"text": "Zebedee' + "x" * 2000 + '"}', 413),
    ],
)
def test_a_wrong_body_is_refused_and_never_repeated(service, body, status) -> None:
    answer = service.client.post("/tag", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"]["what"]
    assert "Zebedee" not in answer.text


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(service) -> None:
    large = b'{"text": "' + b"x" * (3 << 20) + b'"}'
    headers = {"Content-Type": "application/json"}
    assert service.client.post("/tag", content=large, headers=headers).status_code == 413
    pieces = (large[at : at + 65536] for at in range(0, len(large), 65536))
    assert service.client.post("/tag", content=pieces, headers=headers).status_code == 413
    assert service.client.get("/health").status_code == 200


def test_a_body_that_is_not_said_to_be_json_is_refused(service) -> None:
    # A page of another site may send such a one without asking.
    answer = service.client.post("/tag", content='{"text": "a"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "path", ["/jobs/..%2f..%2fetc%2fpasswd", "/jobs/%2e%2e/%2e%2e/etc/passwd", "/jobs/none/results"]
)
def test_paths_lead_nowhere(service, path) -> None:
    assert service.client.get(path).status_code == 404


def test_other_sites_are_kept_out(service) -> None:
    assert service.client.get("/labels", headers={"Host": "evil.example"}).status_code == 421
    answer = service.client.get("/labels", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/health", "/labels", "/nowhere", "/openapi.json"])
def test_every_answer_has_the_headers(service, path) -> None:
    headers = service.client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_a_method_that_a_path_does_not_take(service) -> None:
    answer = service.client.put("/jobs/x")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET"
    assert service.client.put("/").headers["allow"] == "GET, HEAD"
    assert service.client.put("/health").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/health", "/page/api.js"])
def test_head_is_answered_as_get_without_the_body(service, path) -> None:
    head, got = service.client.head(path), service.client.get(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}])
def test_without_the_token_only_health_is_told(guarded, given) -> None:
    with httpx2.Client(base_url=guarded.url, headers=given, timeout=PATIENCE, trust_env=False) as stranger:
        for answer in (
            stranger.post("/tag", json={"text": "gout"}),
            stranger.get("/metrics"),
            stranger.get("/openapi.json"),
            stranger.get("/nowhere"),
        ):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert stranger.get("/health").json() == {"status": "ok"}
    assert guarded.client.post("/tag", json={"text": "gout"}).status_code == 200


def test_what_nobody_would_ask_is_answered_as_the_openapi_says(guarded, tmp_path) -> None:
    asked_at_random(guarded, tmp_path, "--header", f"Authorization: Bearer {TOKEN}", "--max-examples", "3")


def test_another_address_needs_a_token() -> None:
    done = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0"], env={"CLINSPAN_TOKEN": ""})
    assert "CLINSPAN_TOKEN" in str(done.exception)


def test_answers_do_not_wait_for_one_another_to_be_acknowledged():
    with listening(ServerSettings(port=0)) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
