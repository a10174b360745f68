"""From a note to gold through the page of the real service: tag, correct, reload, export, put to use."""

import json

import pytest
from service import Service, until
from test_page import opened, painted, select, wait
from typer.testing import CliRunner

from clinspan.cli.main import app
from clinspan.examples.pool import Pool

pytestmark = pytest.mark.browser

TEXT = "😀 Mrs Quimby denies gout.\nShe has asthma and takes colchicine.\n"
LABELS = """
name = "mine"
[[labels]]
name = "disease"
definition = "A disease that a patient has."
terms = ["gout", "asthma"]
[[labels.attributes]]
name = "assertion"
values = { present = "The patient has it.", absent = "The patient does not have it." }
default = "present"
[[labels]]
name = "drug"
definition = "A drug that a patient takes."
terms = ["aspirin"]
"""
TERMS = "id\tname\nD1\tgout\nD2\tasthma\n"
TOKEN = "a-token-of-some-length"


def command(*given: object) -> None:
    done = CliRunner().invoke(app, list(map(str, given)), catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("corrected")
    (made / "labels.toml").write_text(LABELS, encoding="utf-8")
    (made / "terms.tsv").write_text(TERMS, encoding="utf-8")
    (made / "note.txt").write_text(TEXT, encoding="utf-8")
    command("dictionary", "build", made / "terms.tsv", "-o", made / "terms", "--type", "Disease or Syndrome")
    options = ("--labels", made / "labels.toml", "--dictionary", made / "terms", "--llm", "none")
    command("tag", made / "note.txt", *options, "-o", made / "tagged.jsonl")
    command("review", "import", made / "tagged.jsonl", "-o", made / "reviews.sqlite", "--labels", made / "labels.toml")
    return made


@pytest.fixture(scope="module")
def service(folder):
    options = ("--labels", folder / "labels.toml", "--dictionary", folder / "terms", "--llm", "none")
    running = Service(folder, *options, "--reviews", folder / "reviews.sqlite", token=TOKEN)
    yield running
    assert running.end() == 0
    assert "Quimby" not in running.said()


def exported(folder, *options: object):
    given = ("review", "export", folder / "reviews.sqlite", "-o", folder / "gold.jsonl", "--force", *options)
    done = CliRunner().invoke(app, list(map(str, given)), catch_exceptions=False)
    if ": 0 documents" in done.output:  # the page has not saved yet: nothing to export is an exit status of 1
        return []
    assert done.exit_code == 0, done.output
    lines = (folder / "gold.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        sorted((e["text"], e["label"], e.get("attributes", {}).get("assertion")) for e in json.loads(line)["entities"])
        for line in lines
    ]


def test_tag_correct_reload_export_and_put_to_use(service, folder, browser):
    errors: list[str] = []
    tab = opened(browser, service.url, errors)
    wait(tab, "document.getElementById('ask-title').textContent === 'Token'")
    tab.fill("#ask-value", TOKEN)
    tab.keyboard.press("Enter")
    tab.locator("#notes a").click()
    tab.wait_for_selector("#text p")
    found = painted(tab)
    assert found["l0"] == ["asthma", "gout"]
    if found.get("absent") != ["gout"]:
        tab.keyboard.press("j")
        tab.keyboard.press("s")
    select(tab, "colchicine")
    tab.keyboard.press("2")
    tab.wait_for_selector("#saving.saved")
    wanted = [("asthma", "disease", "present"), ("colchicine", "drug", None), ("gout", "disease", "absent")]
    until(lambda: exported(folder, "--state", "changed") == [wanted], "the correction in the export")

    tab.reload()
    tab.wait_for_selector("#text p")
    assert painted(tab)["absent"] == ["gout"]
    assert "colchicine" in {words for some in painted(tab).values() for words in some}
    tab.keyboard.press("Shift+A")
    until(lambda: exported(folder) == [wanted], "the accepted note in the export")

    tab.keyboard.press("g")
    tab.locator("#loop").click()
    wait(tab, "document.getElementById('notes-said').textContent.startsWith('Put to use: of 1 accepted notes 1 are')")
    pool = Pool.open(folder / "reviews-accepted" / "pool")
    assert pool.examples_with("colchicine", "drug")
    pool.close()
    tab.context.close()
    assert errors == []


def test_two_people_save_at_once_and_both_are_in_the_history(service, folder, browser):
    errors: list[str] = []
    people = []
    for name in ("Dr. Ada", "Dr. Bob"):
        tab = opened(browser, service.url, errors, name=name)
        wait(tab, "document.getElementById('ask-title').textContent === 'Token'")
        tab.fill("#ask-value", TOKEN)
        tab.keyboard.press("Enter")
        tab.locator("#notes a").click()
        tab.wait_for_selector("#text p")
        people.append(tab)
    ada, bob = people
    select(ada, "Quimby")
    ada.keyboard.press("2")
    ada.wait_for_selector("#saving.saved")
    until(lambda: service.client.get("/review/notes/1").json()["by"] == "Dr. Ada", "Ada's save")
    select(bob, "takes")
    bob.keyboard.press("2")
    bob.wait_for_selector("#conflict[open]")
    assert "Dr. Ada saved version" in bob.locator("#conflict-said").inner_text()
    bob.locator("#conflict-merge").click()

    def words() -> set[str]:
        return {entity["text"] for entity in service.client.get("/review/notes/1").json()["entities"]}

    until(lambda: {"Quimby", "takes"} <= words(), "both in the note")
    bob.locator("#history").click()
    bob.wait_for_selector("#past[open]")
    assert "set aside" in bob.locator("#past").inner_text()
    for tab in people:
        tab.context.close()
    assert errors == []


def test_the_page_needs_no_token_and_what_it_asks_for_does(service):
    client = service.client
    for path in ("/", "/page/main.js", "/page/page.css"):
        answer = client.get(path, headers={"Authorization": ""})
        assert answer.status_code == 200
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    for path in ("/review/notes", "/page", "//review/notes", "/page/../review/notes", "/page/%2e%2e/review/notes"):
        assert client.get(path, headers={"Authorization": ""}).status_code in (401, 404)
    assert client.get("/page/%2e%2e/review/notes").status_code == 404
