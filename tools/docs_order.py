"""MkDocs hook: orders the navigation by what people want to do. A page that is listed nowhere stands under "More"."""

from typing import Any

from mkdocs.structure.nav import Section

GROUPS = {
    "Get started": ["tutorial.md"],
    "My notes to a table": ["how-to/notes-to-table.md", "how-to/assertion.md", "how-to/codes.md", "how-to/results.md"],
    "My labels": ["how-to/own-labels.md", "how-to/dictionary.md"],
    "My LLM": ["how-to/my-llm.md", "how-to/models.md", "how-to/decide.md"],
    "Check and correct": ["how-to/report.md", "how-to/review.md", "how-to/promise.md"],
    "Improve": [
        "how-to/examples.md",
        "how-to/pools.md",
        "how-to/calibrate.md",
        "how-to/tune-encoder.md",
        "how-to/tune.md",
        "how-to/ablate.md",
    ],
    "Without network": ["how-to/offline.md"],
    "At scale": ["how-to/long-runs.md", "scaling.md", "how-to/serve.md", "how-to/assistant.md", "reliability.md"],
    "How it works": ["architecture.md", "formats.md", "grounding.md"],
}
"""By heading, pages in order; those of folders follow."""
FOLDERS = {"decisions": "How it works", "reference": "Reference"}
LAST = ["Results", "Glossary"]


def on_nav(nav: Any, **_: Any) -> Any:
    """Groups the pages by `GROUPS` and `FOLDERS`; results and glossary come last."""
    pages = {page.file.src_uri: page for page in nav.pages}
    groups: dict[str, list[Any]] = {title: [] for title in [*GROUPS, "Reference", "More"]}
    for title, paths in GROUPS.items():
        groups[title] += [pages.pop(path) for path in paths if path in pages]
    home = pages.pop("index.md")
    last = [pages.pop(f"{name.lower()}.md") for name in LAST]
    for path, page in pages.items():
        groups[FOLDERS.get(path.partition("/")[0], "More")].append(page)
    nav.items[:] = [home, *(Section(title, found) for title, found in groups.items() if found), *last]
    nav.pages[:] = [home, *(page for found in groups.values() for page in found), *last]
    # The pages' own previous and next links follow the same order.
    for before, after in zip([None, *nav.pages], [*nav.pages, None], strict=True):
        if before:
            before.next_page = after
        if after:
            after.previous_page = before
    for item in nav.items:
        for page in item.children or ():
            page.parent = item
    return nav
