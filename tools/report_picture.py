"""Takes the README's picture of a report: `python tools/report_picture.py demo-out/report.html`.

The picture keeps which entities it shows, in a text chunk, so that a test can tell whether the demo still finds them
(`tests/view/test_picture.py`). Needs Chromium on the PATH and the package playwright.
"""

import json
import shutil
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "report.png"
SIZE = (1280, 800)
POINTED = "ischemic cardiomyopathy"
"""The entity that the pointer is on."""
KEY = b"shown"
IN_SIGHT = """() => [...document.querySelectorAll('mark[id]')].filter(mark => {
  const box = mark.getBoundingClientRect();
  return box.bottom > 0 && box.top < innerHeight;
}).map(mark => {
  const assertion = [...mark.classList].filter(name => name.startsWith('a-'));
  return [mark.textContent, mark.dataset.label, ...assertion].join(' ');
})"""


def point(page: Page, report: Path) -> list[str]:
    """Opens a report, points at `POINTED`, and says which entities are in sight."""
    page.goto(report.resolve().as_uri())
    mark = page.locator("mark[id]", has_text=POINTED).first
    mark.evaluate("e => e.scrollIntoView({block: 'center'})")
    mark.focus()
    found: list[str] = page.evaluate(IN_SIGHT)
    return found


def told(picture: bytes) -> list[str]:
    """Which entities a picture says that it shows; none where it says nothing."""
    for kind, data in _chunks(picture):
        if kind == b"tEXt" and data.startswith(KEY + b"\0"):
            shown: list[str] = json.loads(data[len(KEY) + 1 :])
            return shown
    return []


def telling(picture: bytes, shown: list[str]) -> bytes:
    """The picture with a text chunk that says what it shows, after its header."""
    header = 8 + 12 + 13
    data = b"tEXt" + KEY + b"\0" + json.dumps(shown).encode("ascii")
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return picture[:header] + chunk + picture[header:]


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(picture):
        (size,) = struct.unpack(">I", picture[at : at + 4])
        yield picture[at + 4 : at + 8], picture[at + 8 : at + 8 + size]
        at += size + 12


def main() -> None:
    """Takes the picture of the report named on the command line."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
        shown = point(page, Path(sys.argv[1]))
        PICTURE.write_bytes(telling(page.screenshot(), shown))
        browser.close()


if __name__ == "__main__":
    main()
