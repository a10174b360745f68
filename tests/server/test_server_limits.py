"""What may be set, how many get in, and what is held."""

import time

import pytest

from clinspan import codec
from clinspan.document import Concept, Document, Entity, MatchKind, Span, WindowReport, WindowState
from clinspan.errors import ConfigError
from clinspan.labels import Label, LabelSet
from clinspan.server.bodies import SaidDocument
from clinspan.server.jobs import Jobs, JobState
from clinspan.server.service import Room
from clinspan.server.settings import ServerSettings, is_this_machine
from clinspan.tagging.tagger import Tagger

TAGGER = Tagger(labels=LabelSet("mine", (Label("disease", "A disease.", terms=("gout",)),)))
TOKEN = "x" * 16


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0"}, "CLINSPAN_TOKEN"),
        ({"host": "::"}, "CLINSPAN_TOKEN"),
        ({"host": "ward.example", "token": TOKEN}, "IP address"),
        ({"token": "short"}, "5 characters"),
        ({"token": TOKEN + "\n"}, "no header can carry"),
        ({"token": TOKEN + " "}, "no header can carry"),
        ({"token": TOKEN + "\N{LATIN SMALL LETTER E WITH ACUTE}"}, "no header can carry"),
        ({"port": 70000}, "port"),
        ({"at_once": 0}, "at_once"),
        ({"rate": 0.0}, "rate"),
        ({"linger": -1.0}, "linger"),
    ],
)
def test_settings_that_cannot_be(given, said) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        ServerSettings(**given)
    assert TOKEN not in str(caught.value)


def test_settings_that_can_be() -> None:
    assert not ServerSettings(host="0.0.0.0", token=TOKEN).local
    assert TOKEN not in repr(ServerSettings(token=TOKEN))
    assert [is_this_machine(host) for host in ("LOCALHOST", "127.8.0.1", "::1", "10.0.0.1", "localhost.evil")] == [
        *(True, True, True, False, False)
    ]


def test_a_room_is_full_and_has_room_again() -> None:
    room = Room(2)
    assert (room.enter(), room.enter()) == (0, 0)
    assert room.enter() > 0
    room.leave()
    assert room.enter() == 0


def test_a_rate_lets_a_seconds_worth_in_at_once() -> None:
    now = [0.0]
    room = Room(100, rate=2.0, clock=lambda: now[0])
    assert (room.enter(), room.enter()) == (0, 0)
    assert room.enter() == pytest.approx(0.5)
    now[0] = 0.5
    assert room.enter() == 0
    assert room.enter() > 0


def ended(jobs: Jobs, *texts: str):
    job = jobs.submit([Document(str(number), text) for number, text in enumerate(texts)])
    while job is not None and not job.ended:
        time.sleep(0.01)
    return job


def test_a_job_that_nobody_fetched_is_not_dropped_for_another() -> None:
    jobs = Jobs(TAGGER, ServerSettings(kept_jobs=2, kept_characters=10), lambda document: None)
    first, second = ended(jobs, "gout"), ended(jobs, "gout")
    assert first.state is JobState.DONE
    assert len(first.id) >= 20
    assert jobs.submit([Document("c", "gout")]) is None
    first.fetched = True
    assert jobs.submit([Document("c", "gout" * 3)]) is None
    third = ended(jobs, "gout")
    assert [jobs.get(job.id) is not None for job in (first, second, third)] == [False, True, True]
    jobs.close()


def test_results_are_dropped_after_their_time() -> None:
    jobs = Jobs(TAGGER, ServerSettings(kept_seconds=0.0), lambda document: None)
    job = ended(jobs, "gout")
    time.sleep(0.01)
    assert jobs.get(job.id) is None
    jobs.close()


def test_a_job_that_breaks_down_ends_as_failed_and_the_log_does_not_repeat_the_text(caplog) -> None:
    def broken(document: Document) -> None:
        raise RuntimeError(document.text)

    jobs = Jobs(TAGGER, ServerSettings(), broken)
    job = ended(jobs, "gout")
    assert job.state is JobState.FAILED
    assert "RuntimeError at test_server_limits.py" in job.progress().reason
    assert "gout" not in job.progress().reason
    jobs.close()
    assert "RuntimeError at test_server_limits.py" in caplog.text
    assert "gout" not in caplog.text


def test_the_openapi_describes_all_that_a_document_can_hold() -> None:
    entity = Entity(
        Span(0, 9),
        "disease",
        "gout, bad",
        score=0.5,
        match=MatchKind.FUZZY,
        concepts=(Concept("D1", "gout", "MSH", ("T1",), 0.5, "exact"),),
        fragments=(Span(0, 4), Span(6, 9)),
        rules=("widen",),
        attributes={"assertion": "present"},
        id="e1",
        attribute_scores=(("assertion", 0.5),),
    )
    window = WindowReport(Span(0, 9), WindowState.FAILED, detail="no", unread=("x",), repairs=("y",), unlisted="z")
    document = Document("a", "gout, bad", (entity,), (window,), {"ward": 3})
    said = SaidDocument.model_validate_json(codec.dump(document))
    assert said.entities[0].attribute_scores == {"assertion": 0.5}
