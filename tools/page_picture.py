"""Takes the picture of the page in docs/how-to/serve.md: `python tools/page_picture.py demo-out/entities.jsonl`.

The documents named on the command line are served for review, and the first is shown with one of its absent problems
chosen. Needs Chromium on the PATH and the package playwright. With a folder as second argument, pictures of 390 and
1280 pixels, light and dark, of list and note go there instead, to be looked at.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "page.png"
LABELS = "problem-treatment-test"
SHOWN = 2  # which of the absent entities
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@contextmanager
def served(results: Path) -> Iterator[str]:
    """A service over a review file of these documents; gives its address."""
    with tempfile.TemporaryDirectory() as folder:
        reviews, log = Path(folder) / "reviews.sqlite", Path(folder) / "log"
        clinspan = [sys.executable, "-m", "clinspan"]
        subprocess.run([*clinspan, "review", "import", results, "-o", reviews, "--labels", LABELS], check=True)
        options = ["--port", "0", "--llm", "none", "--labels", LABELS, "--reviews", str(reviews)]
        with log.open("wb") as out, subprocess.Popen([*clinspan, "serve", *options], stderr=out) as process:
            while not (found := re.search(r"http://\S+", log.read_text(encoding="utf-8"))):
                if process.poll() is not None:
                    raise SystemExit(log.read_text(encoding="utf-8"))
            yield found[0]
            process.terminate()


def opened(browser: Browser, url: str, width: int, height: int, scheme: Literal["light", "dark"]) -> Page:
    """The list of notes, for a person who has said their name."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(url)
    page.fill("#ask-value", "Dr. Lee")
    page.keyboard.press("Enter")
    page.wait_for_selector("#notes a")
    return page


def note(page: Page) -> None:
    """Opens the first note and chooses an absent problem, or the first entity."""
    page.locator("#notes a").first.click()
    page.wait_for_selector("#rows .row")
    absent = page.locator("#rows .row:has(.absent)")
    count = absent.count()
    (absent.nth(min(SHOWN, count - 1)) if count else page.locator("#rows .row").first).click()


def main() -> None:
    """Serves the documents and takes the pictures."""
    with served(Path(sys.argv[1]).resolve()) as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        if len(sys.argv) < 3:
            page = opened(browser, url, 1280, 800, "light")
            note(page)
            page.screenshot(path=PICTURE)
        else:
            for width, height in ((390, 844), (1280, 800)):
                for scheme in ("light", "dark"):
                    page = opened(browser, url, width, height, scheme)
                    page.screenshot(path=Path(sys.argv[2]) / f"list-{width}-{scheme}.png")
                    note(page)
                    page.screenshot(path=Path(sys.argv[2]) / f"note-{width}-{scheme}.png")
                    page.close()
        browser.close()


if __name__ == "__main__":
    main()
