"""The README's picture shows what the demo finds today, and a phone can read the report."""

import importlib.util
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clinspan.cli.main import app

pytest.importorskip("onnxruntime", reason="needs the extra 'embedded'")
ROOT = Path(__file__).parent.parent.parent
ALIKE = 0.9
"""The least share of the entities in sight that picture and demo have in common."""


@pytest.fixture(scope="module")
def tool():
    pytest.importorskip("playwright.sync_api")
    spec = importlib.util.spec_from_file_location("report_picture", ROOT / "tools" / "report_picture.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["report_picture"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    done = CliRunner().invoke(app, ["demo", "-o", str(out / "demo-out")])
    assert done.exit_code == 0, done.output
    return out / "demo-out" / "report.html"


@pytest.mark.browser
def test_the_picture_shows_what_the_demo_finds(browser, tool, demo) -> None:
    context = browser.new_context(viewport=dict(zip(("width", "height"), tool.SIZE, strict=True)))
    found = set(tool.point(context.new_page(), demo))
    context.close()
    shown = set(tool.told(tool.PICTURE.read_bytes()))
    assert len(shown) >= 10
    command = "take it anew: make demo && python tools/report_picture.py demo-out/report.html"
    assert len(found & shown) / len(found | shown) >= ALIKE, f"{sorted(found ^ shown)}: {command}"


@pytest.mark.browser
def test_nothing_is_cut_off_on_a_phone(browser, demo) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(demo.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("mark[id]").nth(5).focus()
    tip = page.locator(".tip").bounding_box()
    assert tip["x"] >= 0
    assert tip["x"] + tip["width"] <= 390
    context.close()


def test_a_picture_tells_what_it_shows(tool) -> None:
    plain = tool.PICTURE.read_bytes()
    shown = ["fièvre problem a-absent", "CT test"]
    at = plain.index(b"tEXt") - 4
    bare = plain[:at] + plain[at + 12 + int.from_bytes(plain[at : at + 4]) :]
    assert tool.told(bare) == []
    assert tool.told(tool.telling(bare, shown)) == shown
