"""MkDocs hook: orders the top of the navigation, so that pages can be added without listing them anywhere."""

from typing import Any

ORDER = ["Home", "Tutorial", "How to", "Reference", "Architecture", "Results", "Decisions"]


def on_nav(nav: Any, **_: Any) -> Any:
    """Puts the known sections and pages first, in `ORDER`, and any other after them."""

    def rank(item: Any) -> int:
        title = item.title or (item.file.name if item.is_page else "")
        name = "Home" if item.is_page and item.is_homepage else title.replace("-", " ").capitalize()
        return ORDER.index(name) if name in ORDER else len(ORDER)

    nav.items.sort(key=rank)
    # The pages' own previous and next links follow the same order.
    nav.pages[:] = list(_pages(nav.items))
    for before, after in zip([None, *nav.pages], [*nav.pages, None], strict=True):
        if before:
            before.next_page = after
        if after:
            after.previous_page = before
    return nav


def _pages(items: Any) -> Any:
    for item in items:
        if item.is_page:
            yield item
        elif item.children:
            yield from _pages(item.children)
