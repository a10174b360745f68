"""How long the page takes to open a long note and to answer a key, in Chromium, over the real service.

    python benchmarks/page.py [--words 20000] [--entities 1500] [--opens 10] [--keys 30]

A note of made-up sentences with so many entities, every tenth within another, is put into a review file that a
`clinspan serve` of its own process serves. Opening is measured from the click on the note in the list to the first
frame after its text, entities and list stand there, the request included. A key is measured from its event to the
frame that shows what it did: `requestAnimationFrame`, then a message, which comes once that frame is drawn. Both at
1280 by 850, once with lines of 14 words and once with all of the note in one line, the worst that a layout can meet.

`busy` is the processor time that the page's main thread took for one of them, which a machine with other work does not
change much; the other columns are what a person waits.

Needs Chromium on the PATH and the package playwright.
"""

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from clinspan.document import Document, Entity, Span
from clinspan.labels import LabelSet
from clinspan.review.store import Store

LABELS = "problem-treatment-test"
SAID = """patient was admitted with chest pain and shortness of breath denies fever chills on metformin aspirin
lisinopril daily the left lower lobe pneumonia was treated plan repeat troponin in morning history of gout asthma"""
WORDS = SAID.split()
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PAINTED = """(began, done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now() - began);
    channel.port2.postMessage(0);
})"""
OPEN = f"""(key) => new Promise((done) => {{
    const painted = {PAINTED};
    const began = performance.now();
    new MutationObserver((_, observer) => {{
        if (!document.querySelector("#rows .row")) return;
        observer.disconnect();
        painted(began, done);
    }}).observe(document.getElementById("rows"), {{ subtree: true, childList: true }});
    document.querySelector(`a[href="#/note/${{key}}"]`).click();
}})"""
KEY = f"""() => {{
    const painted = {PAINTED};
    window.answered = new Promise((done) => {{
        addEventListener("keydown", (event) => painted(event.timeStamp, done), {{ once: true, capture: true }});
    }});
}}"""
KEYS = {
    "next entity": ["j"],
    "next and relabel": ["j", "1", "2"],
    "assertion": ["s"],
    "boundary": ["r", "e"],
    "accept and go on": ["a"],
    "delete": ["x"],
    "undo": ["z"],
    "select a word": ["ArrowRight"],
    "relabel all occurrences": ["j", "o", "3"],
}


def document(name: str, words: int, entities: int, line: int) -> Document:
    """A note of so many words and entities, with a line end after every `line` words."""
    rng = random.Random(0)
    starts, parts, at = [], [], 0
    for number in range(words):
        word = rng.choice(WORDS)
        starts.append((at, at + len(word)))
        parts.append(word + ("\n" if number % line == line - 1 else " "))
        at += len(word) + 1
    text = "".join(parts)
    names = [label.name for label in LabelSet.builtin(LABELS).labels]
    found = {}
    for first in sorted(rng.sample(range(words - 3), entities)):
        last = first + rng.randint(0, 2)
        span = Span(starts[first][0], starts[last][1])
        label = rng.choice(names)
        found[span] = Entity(span, label, span.of(text), score=round(rng.random(), 2))
    return Document(name, text, tuple(found.values()))


@contextmanager
def served(reviews: Path) -> Iterator[str]:
    """The service over a review file; gives its address."""
    options = ["--port", "0", "--llm", "none", "--labels", LABELS, "--reviews", str(reviews)]
    command = [sys.executable, "-m", "clinspan", "serve", *options]
    log = reviews.with_suffix(".log")
    with log.open("wb") as out, subprocess.Popen(command, stderr=out) as process:
        while not (found := re.search(r"http://\S+", log.read_text(encoding="utf-8"))):
            if process.poll() is not None:
                raise SystemExit(log.read_text(encoding="utf-8"))
        yield found[0]
        process.terminate()


def said(name: str, milliseconds: list[float], busy: float) -> str:
    """A row of the table."""
    some = sorted(milliseconds)
    high = some[int(0.95 * (len(some) - 1))]
    return f"| {name} | {median(some):.0f} | {high:.0f} | {some[-1]:.0f} | {1000 * busy / len(some):.0f} |"


class Clock:
    """Processor time of a page's main thread, in seconds."""

    def __init__(self, page: Page):
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def __call__(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def measure(page: Page, url: str, key: int, opens: int, keys: int) -> Iterator[str]:
    """The rows of one note."""
    clock = Clock(page)
    taken, busy = [], 0.0
    for _ in range(opens):
        page.goto(f"{url}/#/")
        page.reload()
        page.wait_for_selector("#notes a")
        before = clock()
        taken.append(page.evaluate(OPEN, key))
        busy += clock() - before
    yield said("open", taken, busy)
    for name, pressed in KEYS.items():
        taken, before = [], clock()
        for number in range(keys):
            page.evaluate(KEY)
            page.keyboard.press(pressed[number % len(pressed)])
            taken.append(page.evaluate("window.answered"))
        yield said(name, taken, clock() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument("--entities", type=int, default=1500)
    parser.add_argument("--opens", type=int, default=10)
    parser.add_argument("--keys", type=int, default=30)
    asked = parser.parse_args()
    notes = {"lines of 14 words": 14, "all in one line": asked.words}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reviews.sqlite"
        with Store(path, create=True) as store:
            made = (document(name, asked.words, asked.entities, line) for name, line in notes.items())
            store.add(made, labels=LabelSet.builtin(LABELS).labels)
        with served(path) as url, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 850})
            page.goto(url)
            page.fill("#ask-value", "benchmark")
            page.keyboard.press("Enter")
            for key, name in enumerate(notes, start=1):
                print(f"\n{asked.words} words, {asked.entities} entities, {name}: milliseconds\n")
                print("| | median | 95 % | most | busy |\n|---|---|---|---|---|")
                for row in measure(page, url, key, asked.opens, asked.keys):
                    print(row, flush=True)
            browser.close()


if __name__ == "__main__":
    main()
