"""The report: its page in a browser, and its tables."""

import re
from pathlib import Path

import pytest
import sample

from clinspan.ablation.plan import grid
from clinspan.ablation.report import Report, signature, tables, write_report
from clinspan.runs.ledger import Price

LABELS = ("problem", "treatment")
PRICES = {"m": Price(1.0, 2.0, cached_input=0.5, currency="USD")}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str]:
    """The page's address and the Markdown."""
    plan = sample.plan(format=("tanl", "dice"), select=("none", "random", "knn"), k=(4, 8), facts=("none", "both"))
    corpus = sample.corpus(20, parts=2)
    found = sample.lively(plan, corpus, LABELS)
    report = Report(
        "A <b>title</b>",
        {"gold": "gold.jsonl"},
        signature(plan, corpus, found),
        tuple(tables(plan, grid(plan), found, {"tanl, <i>x</i>": "no | model"}, PRICES)),
    )
    page, text = write_report(tmp_path_factory.mktemp("page"), report, found, plan=plan, prices=PRICES)
    return page, text.read_text(encoding="utf-8")


@pytest.fixture
def page(browser, made):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.asked = []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto(made[0].as_uri())
    yield opened
    context.close()


def test_cells_that_find_nothing_are_reported(tmp_path):
    plan, corpus = sample.plan(k=(4, 8)), sample.corpus(3)
    found = sample.results(plan, corpus, lambda cell, document: (0, 0, 1))
    made = Report("Nothing", {}, signature(plan, corpus, found), tuple(tables(plan, grid(plan), found, {}, {})))
    _, text = write_report(tmp_path, made, found, plan=plan, prices={})
    assert "| k=4 | .000 | .000 | .000 |" in text.read_text(encoding="utf-8")


@pytest.mark.browser
def test_the_page_shows_every_table_and_plot_and_asks_nobody(page, made):
    assert page.title() == "A <b>title</b>"
    assert page.asked == [made[0].as_uri()]
    titles = page.locator("h2").all_inner_texts()
    assert titles[:3] == [
        "Strict F1 against the number of examples",
        "Strict F1 against what it takes",
        "Strict F1 by label",
    ]
    assert titles[3:-1] == re.findall(r"^## (.*)$", made[1], flags=re.M)
    # Four prompts and facts, each over k; tokens, seconds and money; two labels.
    assert page.locator("figure").count() == 4 + 3 + 2
    assert page.locator("figure.bars rect.bar").count() == 2 * 20
    assert page.locator("td b, td i, th i, script").count() == 0
    assert page.get_by_text("tanl, <i>x</i>").count() == 1


@pytest.mark.browser
def test_dots_lie_inside_their_plots_and_say_what_they_are(page):
    outside = page.evaluate(
        """() => [...document.querySelectorAll('figure:not(.bars) > svg')].flatMap(svg => {
            const box = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('circle, text')].filter(mark => {
                const at = mark.getBoundingClientRect();
                return at.left < box.left - 1 || at.right > box.right + 1
                    || at.top < box.top - 1 || at.bottom > box.bottom + 1;
            }).map(mark => mark.outerHTML);
        })"""
    )
    assert outside == []
    told = page.locator("figure:not(.bars) > svg g > title").first.text_content()
    assert re.fullmatch(r"no examples, k=0: 0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)", told)


@pytest.mark.browser
def test_a_phone_does_not_scroll_sideways_and_wide_tables_do_by_themselves(page):
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    wide = page.get_by_role("region", name="Tokens and money per 1,000 documents")
    assert wide.evaluate("e => e.scrollWidth > e.clientWidth")


@pytest.mark.browser
def test_lines_can_be_told_apart_in_the_dark(browser, made):
    context = browser.new_context(color_scheme="dark")
    opened = context.new_page()
    opened.goto(made[0].as_uri())
    ink, page_colour = opened.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    context.close()
    assert sum(map(int, re.findall(r"\d+", ink)[:3])) > 3 * 200
    assert sum(map(int, re.findall(r"\d+", page_colour)[:3])) < 3 * 60


def test_markdown_has_the_tables_and_the_signature(made):
    text = made[1]
    # 40 documents of 1,000: 300 tokens in, half of them evaluated before, 40 out.
    assert "| tanl, no examples, no facts | 1,000 | 300,000 | 150,000 | 40,000 | 0.305 USD |" in text
    assert "| tanl, no examples, no facts | 1.00 | 2.00 | 3.00 | 4.00 | 500.00 | 5.00 | 600.0 | 0% |" in text
    assert "| tanl, <i>x</i> | failed | no \\| model |" in text
    assert re.search(
        r"^Signature: `clinspan:.*\|plan:[0-9a-f]{12}\|corpus:0{12}\|documents:40 of 40\|", text, flags=re.M
    )
    assert "40 sentences of 20 documents" in text
    for row in re.findall(r"^\|.*\|$", text, flags=re.M):
        assert len(re.split(r"(?<!\\)\|", row)) > 3
