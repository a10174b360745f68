"""A page of headless Chromium, for the tests that look at a report as its reader does."""

import pytest


@pytest.fixture
def page(browser):
    """A fresh page of 1280 by 900 that fails the test on any error its scripts raise."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []
