"""A page opened in a browser, and what the tests ask of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


@dataclass
class Opened:
    """A page in a browser, and all that it did besides being shown."""

    page: Page
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # errors of scripts, and of the policy

    def names(self) -> list[str]:
        """Titles of the rows that exist, top to bottom."""
        rows = self.page.locator(".row").all()
        rows.sort(key=lambda row: int(row.get_attribute("aria-rowindex") or 0))
        return [row.locator(".name").inner_text().replace("\n", "") for row in rows]

    def count(self) -> str:
        """What the page says of how many clips it found."""
        return self.page.locator("#count").inner_text()

    def active(self) -> str:
        """Title of the row under the cursor."""
        return self.page.locator('.row[aria-selected="true"] .name').inner_text()


Open = Callable[..., Opened]


def eventually(locator: Locator, name: str, value: object) -> None:
    """A property of an element has this value, at once or within a few seconds."""
    from playwright.sync_api import expect

    expect(locator).to_have_js_property(name, value)
