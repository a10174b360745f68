"""The routes of review over a store in memory, for tests that look at the page as a person does."""

import contextlib
import hashlib
import threading
import time
from dataclasses import dataclass, field
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, Query, Request
from fastapi.responses import JSONResponse

from clinspan.server import routes
from clinspan.server.guard import is_page

ASSERTION = {"name": "assertion", "values": ["present", "absent", "possible"], "default": "present"}
LABELS = [
    {"name": "problem", "definition": "A disease or complaint.", "attributes": [ASSERTION]},
    {"name": "treatment", "definition": "What is done about it.", "attributes": []},
    {"name": "test", "definition": "What was measured.", "attributes": []},
]


@dataclass
class Kept:
    """A note and its versions: (by, at, state, entities), the first as tagged."""

    id: str
    text: str
    versions: list[dict[str, Any]]
    unread: list[dict[str, Any]] = field(default_factory=list)

    @property
    def now(self) -> dict[str, Any]:
        return self.versions[-1]


def entity(text: str, words: str, label: str, nth: int = 0, **more: Any) -> dict[str, Any]:
    """The n-th place of some words as an entity."""
    start = -1
    for _ in range(nth + 1):
        start = text.index(words, start + 1)
    known = {"score": None, "attributes": {}, "concepts": [], "source": "encoder", "match": "exact"}
    return {"start": start, "end": start + len(words), "label": label, "text": words} | known | more


class Fake:
    """An application and what it holds. `refuse` is the status that saves are answered with, if any."""

    def __init__(self, labels: list[dict[str, Any]] = LABELS, token: str | None = None):
        self.notes: dict[str, Kept] = {}
        self.labels = labels
        self.token = token
        self.refuse: int | None = None
        self.saves: list[dict[str, Any]] = []
        self.looped: list[Any] = []
        self.app = FastAPI()
        self.app.include_router(routes.page)
        self._routes()

    def add(self, key: str, text: str, entities: list[dict[str, Any]], unread=()) -> None:
        first = {"version": 1, "by": None, "at": None, "state": "new", "entities": entities}
        self.notes[key] = Kept(key, text, [first], list(unread))

    def entities(self, key: str) -> list[tuple[Any, ...]]:
        """What is saved: (text, label, attributes)."""
        note = self.notes[key]
        return [(note.text[e["start"] : e["end"]], e["label"], e["attributes"]) for e in note.now["entities"]]

    def save(self, key: str, by: str, entities: list[dict[str, Any]], state: str = "changed") -> None:
        versions = self.notes[key].versions
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        versions.append({"version": len(versions) + 1, "by": by, "at": at, "state": state, "entities": entities})

    def _routes(self) -> None:
        app = self.app

        @app.middleware("http")
        async def guard(request: Request, go):
            given = request.headers.get("authorization")
            if self.token and not is_page(request.url.path) and given != f"Bearer {self.token}":
                return JSONResponse({"error": {"what": "the token is missing or wrong"}}, 401)
            return await go(request)

        @app.get("/review/notes")
        def notes(state: str = "", q: str = "", offset: int = 0, limit: int = 100):
            found = [
                {
                    "key": key,
                    "id": note.id,
                    "title": note.id,
                    "state": note.now["state"],
                    "version": note.now["version"],
                    "entities": len(note.now["entities"]),
                    "words": len(note.text.split()),
                    "doubt": _doubt(note),
                    "by": note.now["by"],
                    "at": note.now["at"],
                }
                for key, note in self.notes.items()
                if (not state or note.now["state"] == state) and q.lower() in (note.id + note.text).lower()
            ]
            found.sort(key=lambda one: -(one["doubt"] or 0))
            return {"total": len(found), "notes": found[offset : offset + limit]}

        @app.get("/review/notes/{key}")
        def note(key: str):
            if key not in self.notes:
                return JSONResponse({"error": {"what": "there is no such note"}}, 404)
            kept = self.notes[key]
            digest = hashlib.sha256(kept.text.encode()).hexdigest()
            about = {"key": key, "id": kept.id, "text": kept.text, "hash": digest, "labels": self.labels}
            return about | kept.now | {"windows_not_read": kept.unread}

        @app.put("/review/notes/{key}")
        def put(key: str, given: Annotated[dict[str, Any], Body()]):
            if self.refuse is not None:
                return JSONResponse({"error": {"what": "refused by the test"}}, self.refuse)
            self.saves.append(given)
            kept = self.notes[key]
            if given["hash"] != hashlib.sha256(kept.text.encode()).hexdigest():
                return JSONResponse({"error": {"what": "of another text"}}, 422)
            if given["version"] != kept.now["version"]:
                return JSONResponse(kept.now, 409)
            old = {(e["start"], e["end"], e["label"]): e for e in kept.now["entities"]}
            known = {"score": None, "concepts": [], "source": "person", "match": None}
            entities = [known | old.get((e["start"], e["end"], e["label"]), {}) | e for e in given["entities"]]
            self.save(key, given["by"], entities, given["state"])
            return {name: kept.now[name] for name in ("version", "state", "at")}

        @app.get("/review/notes/{key}/history")
        def history(key: str):
            return [one | {"entities": len(one["entities"])} for one in self.notes[key].versions]

        @app.get("/review/notes/{key}/history/{version}")
        def version(key: str, version: int):
            return self.notes[key].versions[version - 1]

        @app.get("/review/next")
        def following(after: Annotated[list[str], Query()] = []):  # noqa: B006
            left = [key for key, one in self.notes.items() if one.now["state"] != "accepted" and key not in after]
            return {"key": max(left, key=lambda key: _doubt(self.notes[key]) or 0, default=None)}

        @app.get("/review/summary")
        def summary():
            states = [one.now["state"] for one in self.notes.values()]
            return {"states": {name: states.count(name) for name in ("new", "changed", "accepted")}}

        @app.post("/review/loop")
        def loop(given: Annotated[dict[str, Any], Body()]):
            self.looped.append(given)
            return {
                "accepted": 0,
                "gold": 0,
                "pooled": sum(one.now["state"] == "accepted" for one in self.notes.values()),
            }


def _doubt(note: Kept) -> float | None:
    scores = [e["score"] for e in note.now["entities"] if e.get("score") is not None]
    return round(1 - min(scores), 3) if scores else None


@contextlib.contextmanager
def served(app: FastAPI):
    """The address at which an application answers, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
