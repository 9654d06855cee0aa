"""Rating by key and by click, and the file that comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

import page_factory
from page_browser import Open, Opened, eventually
from pseudolabel.evaluation.page.ratings import Rated, read_ratings

PAIRS = {pair.clip: pair.texts for pair in page_factory.rating(6).pairs}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a sheet of six pairs, one of them with an empty text."""
    out = tmp_path_factory.mktemp("page") / "report.html"
    return page_factory.small_page(out, 20, pairs=6)


@pytest.fixture
def opened(path: Path, open_page: Open) -> Opened:
    """The sheet, begun."""
    opened = open_page(path, view="rate")
    begin(opened)
    return opened


def begin(opened: Opened) -> None:
    opened.page.fill("#rater", "a. m.")
    opened.page.keyboard.press("Enter")


def save(opened: Opened, path: Path) -> list[Rated]:
    with opened.page.expect_download() as download:
        opened.page.click("#rating-save")
    assert download.value.suggested_filename == "ratings-a-m-.json"
    download.value.save_as(path)
    return read_ratings(path)


def truthful_key(text: str) -> str:
    """What somebody would press who says yes to each caption and no to all that was spoken."""
    return "y" if text.startswith("a ") else "2"


def answer_all(opened: Opened) -> Mapping[str, str]:
    """Answers everything; gives what was shown first, by clip."""
    first: dict[str, str] = {}
    while not opened.page.locator("#rating-end").is_visible():
        text = opened.page.locator(".card.active .full").inner_text()
        place = opened.page.locator("#rating-place").inner_text()
        first.setdefault(place.split(" \u00b7 ")[0], text)
        opened.page.keyboard.press(truthful_key(text))
    return first


def test_a_sheet_answered_by_keys_is_read_back(opened: Opened, tmp_path: Path) -> None:
    answer_all(opened)
    assert "Every pair is rated" in opened.page.locator("#rating-end").inner_text()
    rated = save(opened, tmp_path / "ratings.json")
    assert {(r.clip, r.side) for r in rated} == {(c, s) for c, ts in PAIRS.items() for s in ts}
    assert {r.rater for r in rated} == {"a. m."}
    assert {r.question for r in rated} == {page_factory.QUESTION}
    for one in rated:
        assert one.answer == ("yes" if one.side == "pseudolabel" else "no")
        assert one.automatic == (not PAIRS[one.clip][one.side])
    assert any(one.automatic for one in rated)
    assert not any(url.startswith("http") for url in opened.requests)


def test_sides_are_unnamed_and_change_places(opened: Opened) -> None:
    first = answer_all(opened)
    captions = sum(text.startswith("a ") for text in first.values())
    assert 0 < captions < len(first)
    shown = opened.page.locator("#rating-sheet").text_content() or ""
    assert "pseudolabel" not in shown.replace("pseudolabel compare --ratings", "").lower()


def test_clicks_answer_and_going_back_corrects(opened: Opened, tmp_path: Path) -> None:
    page = opened.page
    second = page.locator("#pair-texts .card").nth(1)
    second.get_by_role("button", name="Can\u2019t tell").click()
    place = page.locator("#rating-place")
    assert place.inner_text() == "Pair 1 of 6 \u00b7 0 rated"  # the first text has no answer yet
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert place.inner_text() == "Pair 2 of 6 \u00b7 1 rated"
    page.keyboard.press("ArrowLeft")
    second.get_by_role("button", name="Yes").click()
    rated = save(opened, tmp_path / "ratings.json")
    assert sorted(one.answer for one in rated) == ["no", "yes"]
    assert len({one.clip for one in rated}) == 1


def test_answers_outlive_the_page(path: Path, open_page: Open, tmp_path: Path) -> None:
    first = open_page(path, view="rate")
    begin(first)
    for _ in range(4):
        first.page.keyboard.press("1")
    first.page.close()
    again = open_page(path, view="rate")
    assert again.page.locator("#rater").input_value() == "a. m."
    again.page.click("#rating-start button")
    assert " \u00b7 2 rated" in again.page.locator("#rating-place").inner_text()
    rated = save(again, tmp_path / "ratings.json")
    assert sum(not one.automatic for one in rated) == 4


def test_nobody_rates_without_a_name(path: Path, open_page: Open) -> None:
    opened = open_page(path, view="rate")
    opened.page.click("#rating-start button")
    opened.page.keyboard.press("y")
    assert not opened.page.locator("#rating-sheet").is_visible()


def test_the_picture_is_the_large_one(opened: Opened) -> None:
    image = opened.page.locator("#pair-image img")
    eventually(image, "naturalWidth", 480)
