"""The list of clips as somebody uses it who has never seen its source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import page_factory
from page_browser import Open, Opened, eventually
from pseudolabel.evaluation.page.parts import PageClip

COUNT = 120
CLIPS = list(page_factory.clips(COUNT))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 120 clips."""
    return page_factory.small_page(tmp_path_factory.mktemp("page") / "report.html", COUNT)


@pytest.fixture
def opened(path: Path, open_page: Open) -> Opened:
    """It, with the list in view."""
    return open_page(path, view="clips")


def values(clip: PageClip, key: str) -> float:
    value = clip.values[key]
    assert isinstance(value, float)
    return value


def expect(opened: Opened, clips: Sequence[PageClip]) -> None:
    """The list holds these clips, in this order, as far as it is drawn."""
    total = f"{len(clips)} of {COUNT} clips" if len(clips) < COUNT else f"{COUNT} clips"
    assert opened.count() == total
    names = opened.names()
    assert len(names) >= min(8, len(clips))
    assert names == [clip.title for clip in clips[: len(names)]]


def test_it_starts_with_all_clips_in_the_order_given(opened: Opened) -> None:
    expect(opened, CLIPS)
    assert opened.page.locator("#grid").get_attribute("aria-rowcount") == str(COUNT + 1)


def test_search_finds_words_of_all_texts_in_any_case(opened: Opened) -> None:
    opened.page.fill("#search", "RED channel")
    found = [
        clip
        for clip in CLIPS
        if "red" in str(clip.values["pseudolabel"]) and "channel" in str(clip.values["transcript"])
    ]
    assert found
    expect(opened, found)
    assert opened.page.locator(".row").first.locator("mark").all_inner_texts() == ["red", "channel"]


def test_search_keeps_quoted_words_together(opened: Opened) -> None:
    opened.page.fill("#search", '"star on a grey"')
    found = [clip for clip in CLIPS if "star on a grey" in str(clip.values["pseudolabel"])]
    assert found
    expect(opened, found)
    opened.page.fill("#search", '"grey on a star"')
    expect(opened, [])


def test_search_signs_are_no_pattern(opened: Opened) -> None:
    opened.page.fill("#search", r".*([a-z]+)\ $ |")
    assert opened.count() == f"0 of {COUNT} clips"
    assert opened.page.locator("#nothing").is_visible()


def test_flags_with_and_without(opened: Opened) -> None:
    opened.page.click("#filter-button")
    button = opened.page.locator('.flag[data-flag="loop"]')
    with_loop = [clip for clip in CLIPS if "loop" in (clip.values["flags"] or ())]  # type: ignore[operator]
    without = [clip for clip in CLIPS if clip not in with_loop]
    button.click()
    expect(opened, with_loop)
    button.click()
    expect(opened, without)
    button.click()
    expect(opened, CLIPS)


def test_a_range_leaves_out_what_has_no_value(opened: Opened) -> None:
    opened.page.click("#filter-button")
    opened.page.get_by_label("Transcript fits, at least").fill("0.2")
    opened.page.get_by_label("Transcript fits, at most").fill("0.25")
    found = [
        clip
        for clip in CLIPS
        if clip.values["spoken"] is not None and 0.2 <= values(clip, "spoken") <= 0.25
    ]
    assert 0 < len(found) < COUNT
    expect(opened, found)
    opened.page.fill("#search", "red")
    expect(opened, [clip for clip in found if "red" in str(clip.values)])
    opened.page.click("#clear")
    expect(opened, CLIPS)


def test_worst_first_by_any_column_and_none_last(opened: Opened) -> None:
    page = opened.page
    page.select_option("#sort", label="Transcript fits")
    known = [clip for clip in CLIPS if clip.values["spoken"] is not None]
    unknown = [clip for clip in CLIPS if clip.values["spoken"] is None]
    known.sort(key=lambda clip: values(clip, "spoken"))
    assert page.locator("#direction").inner_text() == "Worst first"
    expect(opened, known + unknown)
    page.click("#direction")
    assert page.locator("#direction").inner_text() == "Best first"
    expect(opened, known[::-1] + unknown)
    page.keyboard.press("End")
    assert opened.names()[-1] == unknown[-1].title


def test_a_click_on_a_heading_sorts(opened: Opened) -> None:
    heading = opened.page.get_by_role("columnheader", name="Start")
    heading.get_by_role("button").click()
    expect(opened, sorted(CLIPS, key=lambda clip: values(clip, "start_s")))
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.get_by_role("button").click()
    expect(opened, sorted(CLIPS, key=lambda clip: -values(clip, "start_s")))
    assert heading.get_attribute("aria-sort") == "descending"


def test_a_column_that_is_not_listed_still_sorts(opened: Opened) -> None:
    opened.page.select_option("#sort", label="BLEU-4")
    expect(opened, sorted(CLIPS, key=lambda clip: values(clip, "bleu")))
    assert opened.page.get_by_role("columnheader", name="BLEU-4").count() == 0


def test_everything_by_keyboard(opened: Opened) -> None:
    keys = opened.page.keyboard
    keys.press("/")
    keys.type("green")
    green = [clip for clip in CLIPS if "green" in str(clip.values)]
    expect(opened, green)
    keys.press("Enter")
    keys.press("j")
    keys.press("ArrowDown")
    assert opened.active() == green[2].title
    keys.press("k")
    keys.press("ArrowUp")
    keys.press("k")
    assert opened.active() == green[0].title
    keys.press("End")
    assert opened.active() == green[-1].title
    keys.press("Enter")
    title = opened.page.locator("#details-title")
    assert title.inner_text() == green[-1].title
    keys.press("k")
    assert title.inner_text() == green[-2].title
    keys.press("Escape")
    assert not title.is_visible()
    assert opened.page.evaluate("document.activeElement.id") == "grid"
    row = opened.page.locator("#grid").get_attribute("aria-activedescendant")
    assert opened.page.locator(f"#{row} .name").inner_text() == green[-2].title


def test_keys_in_a_field_stay_in_the_field(opened: Opened) -> None:
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("jk?/")
    assert opened.page.locator("#search").input_value() == "jk?/"
    assert not opened.page.locator("#help").is_visible()


def test_a_search_that_finds_nothing_keeps_the_focus(opened: Opened) -> None:
    opened.page.locator(".row").first.click()
    opened.page.fill("#search", "zebra")
    assert not opened.page.locator("#details").is_visible()
    assert opened.page.evaluate("document.activeElement.id") == "search"


def test_the_help_names_the_keys_and_the_columns(opened: Opened) -> None:
    opened.page.keyboard.press("?")
    help_ = opened.page.locator("#help")
    assert "next and previous clip" in help_.inner_text()
    assert "What was said during the clip." in help_.inner_text()
    opened.page.keyboard.press("Escape")
    assert not help_.is_visible()


def test_details_have_every_value_and_the_frames(opened: Opened) -> None:
    opened.page.locator(".row").nth(3).click()
    text = opened.page.locator("#details").inner_text()
    clip = CLIPS[3]
    assert str(clip.values["pseudolabel"]) in text
    for key, digits in (("grounded", 3), ("bleu", 3), ("words", 0)):
        assert f"{values(clip, key):.{digits}f}" in text
    frames = opened.page.locator(".timeline .frame")
    assert frames.locator("time").all_inner_texts() == ["0:26.0", "0:28.0", "0:30.0"]
    assert frames.nth(1).locator(".chosen").count() == 1
    assert frames.nth(1).locator(".chosen span").first.inner_text() == clip.frames[1].texts[0]
    image = opened.page.locator("#details img").first
    eventually(image, "naturalWidth", 160)


def test_an_address_opens_its_clip(path: Path, open_page: Open) -> None:
    opened = open_page(path, address="#v0007/003")
    assert opened.page.locator("#details-title").inner_text() == CLIPS[73].title
    assert opened.active() == CLIPS[73].title
    opened.page.keyboard.press("j")
    assert opened.page.evaluate("location.hash") == "#v0007%2F004"
    opened.page.keyboard.press("Escape")
    assert opened.page.evaluate("location.hash") == ""


def test_an_address_of_no_clip_opens_the_summary(path: Path, open_page: Open) -> None:
    opened = open_page(path, address="#nobody%")
    assert opened.page.locator("#summary").is_visible()
    assert opened.page.locator("#summary svg").count() == 3


def test_ten_thousand_clips_are_a_page_of_few_nodes(tmp_path: Path, open_page: Open) -> None:
    path = page_factory.small_page(tmp_path / "report.html", 10_000)
    opened = open_page(path, view="clips")
    assert opened.count() == "10,000 clips"
    nodes = "document.querySelectorAll('body *:not(script)').length"
    at_first = opened.page.evaluate(nodes)
    for key in ("PageDown", "PageDown", "End", "PageUp"):
        opened.page.keyboard.press(key)
    assert opened.page.locator(".row").count() < 30
    assert opened.page.evaluate(nodes) < at_first + 200 < 1500
    opened.page.keyboard.press("End")
    assert opened.active() == "kitchen-tour-0999.mp4, clip 9"
    opened.page.fill("#search", "tour-0777 clip")
    assert opened.count() == "10 of 10,000 clips"
    assert opened.names()[0] == "kitchen-tour-0777.mp4, clip 0"
    for image in opened.page.locator(".row img").all():
        eventually(image, "naturalWidth", 160)


def test_a_narrow_screen_scrolls_in_one_direction(path: Path, open_page: Open) -> None:
    opened = open_page(path, view="clips")
    opened.page.set_viewport_size({"width": 360, "height": 700})
    label = opened.page.locator(".row .text .label").first
    label.wait_for()
    height = opened.page.evaluate("rowHeight()")
    opened.page.locator(f'#row-1[style*="({height:g}px)"]').wait_for()  # drawn anew, as cards
    grid = opened.page.locator("#grid")
    assert grid.evaluate("grid => grid.scrollWidth <= grid.clientWidth")
    assert opened.names()[0] == CLIPS[0].title
