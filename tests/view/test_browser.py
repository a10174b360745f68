from pathlib import Path

import pytest

from clinspan.document import Document, Entity, Span
from clinspan.view import write_report

from . import sample

pytestmark = pytest.mark.browser


@pytest.fixture
def report(tmp_path: Path) -> str:
    path = tmp_path / "report.html"
    write_report(
        path,
        sample.documents(),
        labels=sample.LABELS,
        settings=sample.SETTINGS,
        versions=sample.VERSIONS,
        title="Sample",
    )
    return path.as_uri()


def texts(page) -> list[str]:
    # What generated content adds (label names) is no part of the DOM's text.
    return page.eval_on_selector_all(".text", "found => found.map(e => e.textContent)")


def test_the_texts_stand_letter_for_letter_and_no_script_of_a_note_runs(page, report) -> None:
    page.goto(report)
    assert texts(page) == [doc.text.replace("\0", "␀") for doc in sample.documents()]
    assert page.title() == "Sample"
    assert page.locator("img, iframe, .text script").count() == 0


def test_no_request_leaves_and_none_could(page, report) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report)
    assert asked == [report]
    blocked = page.evaluate(
        """() => new Promise(done => {
            document.addEventListener('securitypolicyviolation', event => done(event.violatedDirective));
            const image = new Image(); image.src = 'http://127.0.0.1:9/leak.png';
        })"""
    )
    assert blocked == "img-src"


def test_unticking_a_label_hides_its_entities_and_their_tab_stops(page, report) -> None:
    page.goto(report)
    mark = page.locator("mark[id]", has_text="shortness of breath")
    shown = mark.evaluate("e => getComputedStyle(e).backgroundColor")
    page.get_by_label("problem").uncheck()
    assert mark.evaluate("e => getComputedStyle(e).backgroundColor") != shown
    assert mark.evaluate("e => getComputedStyle(e, '::after').content") == "none"
    assert mark.get_attribute("tabindex") == "-1"
    assert page.locator("#shown").inner_text() == "7 of 17 entities shown"
    assert page.locator("#d0e7r").is_hidden() is True  # its table is folded
    page.get_by_role("button", name="None", exact=True).click()
    assert page.locator("#shown").inner_text() == "0 of 17 entities shown"
    page.get_by_role("button", name="All", exact=True).click()
    assert mark.get_attribute("tabindex") == "0"


def test_the_keyboard_reaches_each_entity_and_tells_what_is_known(page, report) -> None:
    page.goto(report)
    page.locator(".made summary").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.text_content() == "chest pain"
    tip = page.locator("#tip")
    assert focused.get_attribute("aria-describedby") == "tip"
    assert tip.is_visible()
    for part in ("problem", "score: 0.88", "match: exact", "line 3", "HP:0100749"):
        assert part in tip.inner_text()
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_hovering_a_nested_entity_shows_those_around_it_too(page, report) -> None:
    page.goto(report)
    page.locator("mark[id]", has_text="pneumonia").last.hover()
    tip = page.locator("#tip").inner_text()
    assert "match: dictionary (found by the dictionary, not named by the LLM)" in tip
    assert "score: 0.95" in tip


def test_names_can_be_hidden_and_columns_lined_up(page, report) -> None:
    page.goto(report)
    mark = page.locator("mark[data-label]").first
    assert mark.evaluate("e => getComputedStyle(e, '::after').content") != "none"
    page.get_by_label("hide names in the text").check()
    assert mark.evaluate("e => getComputedStyle(e, '::after').content") == "none"
    page.get_by_label("fixed width").check()
    assert "monospace" in page.locator(".text").first.evaluate("e => getComputedStyle(e).fontFamily")


def test_notes_can_be_found_by_name(page, report) -> None:
    page.goto(report)
    page.get_by_label("Find a note").fill("EMPTY")
    assert page.locator("nav li:visible").all_inner_texts() == ["empty note 0"]


def test_a_phone_does_not_scroll_sideways(page, report) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(report)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_three_hundred_notes_open_and_filter(page, tmp_path: Path) -> None:
    text = "chest pain and dyspnea. " * 40
    entities = tuple(Entity(Span(24 * n, 24 * n + 10), "problem", "chest pain") for n in range(40))
    docs = (Document(f"note {n}", text, entities) for n in range(300))
    path = tmp_path / "many.html"
    write_report(path, docs, labels=sample.LABELS, settings={}, versions={})
    page.goto(path.as_uri())
    page.get_by_label("problem").uncheck()
    assert page.locator("#shown").inner_text() == "0 of 12000 entities shown"
    page.get_by_role("link", name="note 299").click()
    assert page.get_by_role("heading", name="note 299").is_visible()
