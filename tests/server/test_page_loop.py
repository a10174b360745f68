"""The whole loop with an LLM: a note is tagged, corrected in the browser, and the next prompt shows the correction."""

import json

import pytest
from service import HeldLLM, Service, until
from test_page import opened, painted, select, wait
from test_page_served import command

from clinspan.document import Document
from clinspan.examples.build import build
from clinspan.examples.pool import Pool

pytestmark = pytest.mark.browser

NOTE = "She has gout and takes colchicine every day.\n"
NEXT = "He takes colchicine for gout."
LABELS = """
name = "mine"
[[labels]]
name = "disease"
definition = "A disease that a patient has."
[[labels]]
name = "drug"
definition = "A drug that a patient takes."
"""


@pytest.fixture
def llm():
    held = HeldLLM()
    held.go.set()
    yield held
    held.close()


@pytest.fixture
def service(llm, tmp_path):
    """Over a note that the LLM has tagged, with the pool that the loop will write to: an old example is in it."""
    (tmp_path / "labels.toml").write_text(LABELS, encoding="utf-8")
    (tmp_path / "note.txt").write_text(NOTE, encoding="utf-8")
    options = llm.options(tmp_path / "labels.toml")
    reviews, pool = tmp_path / "reviews.sqlite", tmp_path / "reviews-accepted" / "pool"
    command("tag", tmp_path / "note.txt", *options, "-o", tmp_path / "tagged.jsonl")
    command("review", "import", tmp_path / "tagged.jsonl", "-o", reviews, "--labels", tmp_path / "labels.toml")
    build([Document("old", "Nothing to see.")], pool, labels=("disease", "drug"))
    running = Service(tmp_path, *options, "--reviews", reviews, "--examples", pool, "--select", "knn", "-k", 2)
    yield running
    assert running.end() == 0


def prompt(llm, service) -> str:
    """What the LLM is asked for the next note."""
    before = llm.asked
    answer = service.client.post("/tag", json={"text": NEXT})
    assert [one["text"] for one in answer.json()["entities"]] == ["gout"]
    (chat,) = llm.chats[before:]
    return json.dumps(chat)


def test_a_correction_is_in_the_pool_and_in_the_next_prompt(service, llm, browser, tmp_path):
    assert "every day" not in prompt(llm, service)
    errors: list[str] = []
    tab = opened(browser, service.url, errors)
    tab.locator("#notes a").click()
    tab.wait_for_selector("#text p")
    assert painted(tab)["l0"] == ["gout"]  # as the LLM said
    select(tab, "colchicine")
    tab.keyboard.press("2")
    until(lambda: len(service.client.get("/review/notes/1").json()["entities"]) == 2, "the save")
    tab.reload()
    tab.wait_for_selector("#text p")
    assert "colchicine" in {words for some in painted(tab).values() for words in some}
    tab.keyboard.press("Shift+A")
    until(lambda: service.client.get("/review/notes/1").json()["state"] == "accepted", "the acceptance")
    tab.keyboard.press("g")
    tab.locator("#loop").click()
    wait(tab, "document.getElementById('notes-said').textContent.startsWith('Put to use: of 1 accepted notes 1 are')")
    tab.context.close()
    assert errors == []

    pool = Pool.open(tmp_path / "reviews-accepted" / "pool")
    assert pool.examples_with("colchicine", "drug")
    pool.close()
    asked = prompt(llm, service)
    assert "[ colchicine | drug ]" in asked
    assert "takes colchicine every day" in asked
    assert "Nothing to see" not in asked
