"""A real browser, offline: Debian's Chromium, driven by Playwright.

Without either, these tests are skipped, or fail where `CI` or `PSEUDOLABEL_NEEDS_BROWSER` is set.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from page_browser import Open, Opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def _missing(what: str) -> None:
    if os.environ.get("CI") or os.environ.get("PSEUDOLABEL_NEEDS_BROWSER"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")  # no longer: while it lives, no other test may run an event loop
def browser() -> Iterator[Browser]:
    """Chromium, with a profile of its own that is gone afterwards."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        _missing("no Chromium: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("no Playwright: pip install -e '.[dev]'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Storage of its own: what one test leaves, the next does not find."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def open_page(context: BrowserContext) -> Iterator[Open]:
    """Opens a file as a double click would; afterwards no page may have had an error."""
    opened: list[Opened] = []

    def open_(path: Path, *, view: str | None = None, address: str = "") -> Opened:
        one = Opened(context.new_page())
        opened.append(one)
        one.page.on("request", lambda request: one.requests.append(request.url))
        one.page.on("pageerror", lambda error: one.problems.append(str(error)))
        one.page.on("console", lambda message: one.problems.append(message.text))

        def dismiss(dialog: object) -> None:
            one.dialogs.append(str(dialog))
            dialog.dismiss()  # type: ignore[attr-defined]

        one.page.on("dialog", dismiss)
        one.page.goto(path.as_uri() + address)
        one.page.wait_for_selector("html[data-ready]")
        if view:
            one.page.click(f"#tab-{view}")
        return one

    yield open_
    for one in opened:
        assert one.problems == []
