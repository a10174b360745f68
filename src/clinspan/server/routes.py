"""The service's paths, and the files of the page on which people correct, as they lie in the package."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from clinspan.examples.selection import Order, Selection, SelectSettings, Strategy
from clinspan.examples.selector import Selector, Wish
from clinspan.server import bodies
from clinspan.server.guard import fault
from clinspan.server.jobs import Job, JobProgress
from clinspan.server.service import CONTENT_TYPE, Service

_EVENT = {
    "type": "object",
    "properties": {"event": {"enum": ["progress", "end"]}, "data": {"type": "string"}},
    "required": ["event", "data"],
}
_LOOK = 0.25
"""Seconds between two looks at a job's progress."""
_HEARTBEAT = 15.0
MOST_STREAMS = 100


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(_service)]
_Id = Annotated[str, Path(description="A job's id, as POST /jobs gave it.", max_length=100)]


def faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI says of the statuses of requests that are not done."""
    said = {
        400: "The body is not JSON.",
        401: "The token is missing or wrong.",
        403: "A page of another site asked.",
        404: "There is none. A job may have ended long ago.",
        408: "The body came too slowly.",
        409: "It cannot be done yet: a job has not ended, no note was accepted.",
        413: "The body or a text is too large.",
        415: "The body is not said to be JSON.",
        421: "The request is for another host.",
        422: "The body is not as it should be.",
        429: "The service is busy. Retry-After says when to try again.",
        503: "The service is ending.",
    }
    return {status: {"model": bodies.Fault, "description": said[status]} for status in statuses}


POSTED = faults(400, 408, 413, 415, 422, 429, 503)
STRANGERS = faults(401, 403, 421)
"""Answers of every path to those who may not ask."""
health = APIRouter()
router = APIRouter()
dictionary = APIRouter()
examples = APIRouter()


@health.head("/health", include_in_schema=False)
@health.get("/health", responses={200: {"model": bodies.SaidHealth}, 503: {"model": bodies.SaidHealth}})
async def get_health(service: ServiceOf) -> Response:
    """Says whether the service takes work. It needs no token."""
    if service.stopping:
        return JSONResponse({"status": "ending"}, 503)
    return JSONResponse({"status": "ok"})


@router.post("/tag", responses={200: {"model": bodies.SaidDocument}, **POSTED})
async def tag(given: bodies.GivenDocument, service: ServiceOf) -> Response:
    """Tags one text."""
    if refused := _too_long([given], service):
        return refused
    (said,) = await service.tag([given.document()])
    return Response(said, media_type="application/json")


@router.post("/tag/many", responses={200: {"model": bodies.SaidDocuments}, **POSTED})
async def tag_many(given: bodies.GivenDocuments, service: ServiceOf) -> Response:
    """Tags some texts and answers when all are done."""
    if refused := _too_long(given.documents, service):
        return refused
    said = await service.tag([one.document(number) for number, one in enumerate(given.documents)])
    return Response(f'{{"documents": [{", ".join(said)}]}}', media_type="application/json")


@router.post("/jobs", status_code=202, responses={202: {"model": JobProgress}, **POSTED})
async def make_job(given: bodies.GivenJob, service: ServiceOf) -> Response:
    """Begins to tag texts in the background. Results stay in memory for an hour after the end."""
    if refused := _too_long(given.documents, service):
        return refused
    job = service.jobs.submit([one.document(number) for number, one in enumerate(given.documents)])
    if job is None:
        return fault(429, "no more jobs can be held", fix="Fetch or delete those that ended.", wait=30)
    return JSONResponse(asdict(job.progress()), 202, {"Location": f"/jobs/{job.id}"})


@router.get("/jobs/{id}", responses={200: {"model": JobProgress}, **faults(404, 422)})
async def get_job(id: _Id, service: ServiceOf) -> Response:
    """Says how far a job has come."""
    job = service.jobs.get(id)
    return JSONResponse(asdict(job.progress())) if job is not None else _no_job()


@router.delete("/jobs/{id}", status_code=204, responses=faults(404, 422))
async def delete_job(id: _Id, service: ServiceOf) -> Response:
    """Cancels a job and drops its results."""
    return Response(status_code=204) if service.jobs.forget(id) else _no_job()


@router.get(
    "/jobs/{id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": _EVENT}}}, **faults(404, 422, 429)},
)
async def get_events(id: _Id, service: ServiceOf) -> Response:
    """Sends a job's progress as server-sent events: `progress` whenever it changes, and `end` at last."""
    job = service.jobs.get(id)
    if job is None:
        return _no_job()
    if service.streams >= MOST_STREAMS:
        return fault(429, "too many clients listen", fix="Ask GET /jobs/{id} now and then.", wait=5)
    return StreamingResponse(_events(job, service), media_type="text/event-stream")


@router.get(
    "/jobs/{id}/results",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}, **faults(404, 409, 422)},
)
async def get_results(id: _Id, service: ServiceOf) -> Response:
    """Gives the documents of a job that has ended, one a line, as `clinspan tag` writes them.

    A job that failed or was cancelled gives the documents that were done. The header Clinspan-Job-State says which.
    """
    job = service.jobs.get(id)
    if job is None:
        return _no_job()
    if not job.ended:
        return fault(409, "the job has not ended", fix="Wait for the event `end`, or ask GET /jobs/{id}.")
    headers = {"Clinspan-Job-State": job.state.value}
    return StreamingResponse(_lines(job), media_type="application/x-ndjson", headers=headers)


@router.get("/labels", responses={200: {"model": bodies.SaidLabels}})
async def get_labels(service: ServiceOf) -> Response:
    """Says which labels the service looks for, and what can find each."""
    return JSONResponse(bodies.said_labels(service.tagger))


@dictionary.post("/dictionary/find", responses={200: {"model": bodies.SaidSenses}, **POSTED})
async def find_term(given: bodies.Term, service: ServiceOf) -> Response:
    """Looks a term up in the dictionary. The term is in the body, since addresses end up in logs."""
    opened = service.tagger.dictionary
    assert opened is not None
    return JSONResponse(await service.work(lambda: bodies.said_senses(opened, given.term)))


@examples.post("/examples/find", responses={200: {"model": bodies.SaidExamples}, **POSTED})
async def find_examples(given: bodies.Wanted, service: ServiceOf) -> Response:
    """Looks for the examples of the pool that resemble a text most."""
    return JSONResponse(await service.work(lambda: _alike(given, service)))


@router.get("/metrics", responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})
async def get_metrics(service: ServiceOf) -> Response:
    """Counts for Prometheus."""
    return Response(service.counts.exposition(), headers={"Content-Type": CONTENT_TYPE})


def _no_job() -> Response:
    return fault(404, "there is no such job")


def _too_long(documents: Sequence[bodies.GivenDocument], service: Service) -> Response | None:
    most = service.settings.max_text
    for number, given in enumerate(documents):
        if len(given.text) > most:
            return fault(413, f"text {number} has more than {most} characters", fix="Cut it at a section.")
    return None


async def _events(job: Job, service: Service) -> AsyncIterator[str]:
    service.streams += 1
    try:
        said, quiet = None, 0.0
        while not job.ended:
            now = job.progress()
            if now != said:
                yield _event("progress", asdict(now))
            elif quiet >= _HEARTBEAT:
                yield ": still here\n\n"
            quiet = 0.0 if now != said or quiet >= _HEARTBEAT else quiet + _LOOK
            said = now
            await asyncio.sleep(_LOOK)
        yield _event("end", asdict(job.progress()))
    finally:
        service.streams -= 1


def _event(name: str, data: Mapping[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def _lines(job: Job) -> AsyncIterator[str]:
    for line in job.results:
        yield line + "\n"
    job.fetched = True


def _alike(given: bodies.Wanted, service: Service) -> dict[str, object]:
    pool = service.pool
    assert pool is not None
    settings = SelectSettings(strategy=Strategy.KNN, k=given.k, order=Order.SIMILAR_FIRST)
    selector = Selector(pool, pool.retriever(), settings, None, same_document=pool.same_document)
    (near,) = selector.near("", given.text, [given.text])
    selection: Selection = selector.choose(near, Wish(pool.labels, ()))
    found = [(chosen, pool[chosen.index]) for chosen in selection.chosen]
    return {
        "examples": [
            {
                "document": example.document,
                "start": example.start,
                "text": example.text,
                "entities": [entity.to_dict() for entity in example.entities],
                "similarity": chosen.similarity,
                "why": chosen.why,
            }
            for chosen, example in found
        ],
        "refused": dict(selection.refused),
    }


_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_START = "index.html"
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    # The browser asks each time whether it has changed: a newer clinspan shows its own page.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}
"""No script or style but the page's own files, no other site, and no text that becomes markup (Trusted Types)."""

page = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page.

    Attributes:
        content: its bytes.
        packed: the same, with gzip.
        type: its media type.
        tag: the ETag: another for other bytes.
    """

    content: bytes
    packed: bytes
    type: str
    tag: str


@cache
def assets() -> dict[str, Asset]:
    """The page's files by their names."""
    found = {}
    for file in (resources.files("clinspan.server") / "assets").iterdir():
        content = file.read_bytes()
        found[file.name] = Asset(
            content,
            gzip.compress(content, mtime=0),
            _TYPES[file.name.rpartition(".")[2]],
            f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        )
    return found


@page.head("/")
@page.get("/")
def get_start(accept_encoding: Annotated[str, Header()] = "", if_none_match: Annotated[str, Header()] = "") -> Response:
    """The page."""
    return _page_file(_START, accept_encoding, if_none_match)


@page.head("/page/{name}")
@page.get("/page/{name}")
def get_file(
    name: str, accept_encoding: Annotated[str, Header()] = "", if_none_match: Annotated[str, Header()] = ""
) -> Response:
    """A file of the page: its styles, scripts and picture."""
    return _page_file(name, accept_encoding, if_none_match)


def _page_file(name: str, encodings: str, known: str) -> Response:
    asset = assets().get(name)
    if asset is None:
        return fault(404, "there is nothing at this path")
    headers = PAGE_HEADERS | {"ETag": asset.tag}
    if asset.tag in known:
        return Response(status_code=304, headers=headers)
    if "gzip" in encodings:
        return Response(asset.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=asset.type)
    return Response(asset.content, headers=headers, media_type=asset.type)
