"""Overload, signals, jobs side by side and clients that go away, with an LLM that answers when it is told to."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from service import PATIENCE, HeldLLM, Service, until

SECRET = "Quimby"


@pytest.fixture
def llm():
    held = HeldLLM()
    yield held
    held.close()


@pytest.fixture
def start(llm, tmp_path):
    begun = []

    def one(*options: object) -> Service:
        begun.append(Service(tmp_path, *llm.options(), *options))
        return begun[-1]

    yield one
    for service in begun:
        service.kill()
        assert SECRET not in service.said()


def tag(service: Service):
    return httpx2.post(f"{service.url}/tag", json={"text": f"{SECRET} has gout."}, timeout=PATIENCE, trust_env=False)


def test_overload_is_told_and_what_is_under_way_goes_on(start, llm) -> None:
    service = start("--at-once", 2)
    with ThreadPoolExecutor(2) as threads:
        under_way = [threads.submit(tag, service) for _ in range(2)]
        until(lambda: llm.asked == 2, "two requests to the LLM")
        assert service.count("clinspan_requests_under_way") == 2
        refused = tag(service)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        llm.go.set()
        answers = [one.result() for one in under_way]
    assert [[e["text"] for e in answer.json()["entities"]] for answer in answers] == [["gout"], ["gout"]]
    assert tag(service).status_code == 200
    assert service.end() == 0


def test_a_signal_in_the_middle_of_a_job(start, llm) -> None:
    service = start("--jobs-at-once", 1, "--linger", PATIENCE)
    running = service.begin(f"{SECRET} has gout.", "No gout.", "gout")
    waiting = service.begin("gout")
    until(lambda: llm.asked, "a request to the LLM")
    service.process.send_signal(signal.SIGTERM)
    until(lambda: service.client.get("/health").status_code == 503, "the end to be told")
    assert tag(service).status_code == 503
    assert service.client.get(f"/jobs/{running}/results").status_code == 409
    llm.go.set()
    until(lambda: service.state(running) == "done", "the end of the job")
    until(lambda: service.state(waiting) == "cancelled", "the end of the job that waited")
    lines = service.client.get(f"/jobs/{running}/results").text.splitlines()
    assert [[e["text"] for e in json.loads(line)["entities"]] for line in lines] == [["gout"]] * 3
    assert service.process.wait(PATIENCE) == 0


def test_a_second_signal_ends_at_once(start, llm) -> None:
    service = start()
    service.begin("gout")
    until(lambda: llm.asked, "a request to the LLM")
    service.process.send_signal(signal.SIGTERM)
    until(lambda: service.client.get("/health").status_code == 503, "the end to be told")
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(PATIENCE) == 130


def test_two_jobs_run_side_by_side_and_one_that_is_deleted_ends(start, llm) -> None:
    service = start("--jobs-at-once", 2)
    jobs = [service.begin("gout one"), service.begin("gout two")]
    until(lambda: llm.asked == 2, "a request of each job")
    assert [service.state(job) for job in jobs] == ["running", "running"]
    third = service.begin("gout three")
    assert service.state(third) == "waiting"
    assert service.client.delete(f"/jobs/{third}").status_code == 204
    llm.go.set()
    for job, text in zip(jobs, ("gout one", "gout two"), strict=True):
        until(lambda job=job: service.state(job) == "done", "the end of a job")
        (line,) = service.client.get(f"/jobs/{job}/results").text.splitlines()
        assert json.loads(line)["text"] == text
    assert llm.asked == 2


def test_a_client_that_stops_listening_leaves_nothing_behind(start, llm) -> None:
    service = start()
    job = service.begin("gout")
    with service.client.stream("GET", f"/jobs/{job}/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: progress"
        assert service.count("clinspan_event_streams") == 1
    until(lambda: service.count("clinspan_event_streams") == 0, "the stream's end")
    llm.go.set()
    until(lambda: service.state(job) == "done", "the end of the job")
