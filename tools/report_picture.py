"""Takes the README's picture of a report: `python tools/report_picture.py demo-out/report.html`.

Needs Chromium on the PATH and the package playwright.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "report.png"

SHOWN = 8  # which of the entities that have a concept


def main() -> None:
    """Opens the report named on the command line, points at an entity that has a concept, and takes the picture."""
    report = Path(sys.argv[1]).resolve()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page.goto(report.as_uri())
        linked = page.evaluate(
            "[...document.querySelectorAll('td .concept')].map(e => e.closest('tr').id.slice(0, -1))"
        )
        if linked:
            mark = page.locator(f"#{linked[min(SHOWN, len(linked) - 1)]}")
            mark.evaluate("e => e.scrollIntoView({block: 'center'})")
            mark.focus()
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
