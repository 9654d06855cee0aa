"""The review page as somebody uses it who wants to know which captions to drop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import page_factory
import review_factory
import run_factory
from page_browser import Open, Opened, eventually
from pseudolabel.evaluation.page.page import write_page
from pseudolabel.evaluation.page.parts import Column, FrameText, PageClip, Section, Table, Timeline
from pseudolabel.evaluation.review import ReviewOptions, review
from pseudolabel.records import Flag
from video_factory import make_video

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u202e {{ 7 * 7 }}"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page over a video of four clips, one of a video that is gone, and one with a bad name."""
    folder = tmp_path_factory.mktemp("review")
    hostile = folder / "<img src=x onerror=alert(3)>&amp;.mp4"
    videos = [
        make_video(folder / "a.mp4", seconds=8),
        make_video(folder / "gone.mp4", seconds=2),
        make_video(hostile, seconds=2),
    ]
    captions = {("a.mp4", 1): 'says "hello" twice', ("gone.mp4", 0): 'says "hello" twice'}
    captions[hostile.name, 0] = HOSTILE
    run = review_factory.write_run(
        folder / "run", videos, clip_s=2.0, frames=4, captions=captions, snap="exact"
    )
    (folder / "gone.mp4").unlink()
    review(run, str(folder / "review.html"), ReviewOptions(workers=1))
    return folder / "review.html"


@pytest.fixture
def opened(path: Path, open_page: Open) -> Opened:
    """It, with the list in view."""
    return open_page(path, view="clips")


def test_a_clip_has_its_frames_on_a_bar_and_below_each_other(opened: Opened) -> None:
    opened.page.locator(".row").nth(1).click()
    panel = opened.page.locator("#details")
    assert panel.locator(".stop").count() == panel.locator(".frame").count() == 4
    lefts = [
        float(t.evaluate("t => parseFloat(t.style.left)")) for t in panel.locator(".stop").all()
    ]
    assert lefts == sorted(lefts)
    assert [round(left) for left in lefts] == [12, 36, 62, 86]  # the last frame on screen then
    assert panel.locator(".ends time").all_inner_texts() == ["0:00.0", "0:02.0"]
    assert panel.locator(".frame .chosen .tag").count() == 1
    for image in panel.locator("img").all():
        eventually(image, "naturalWidth", 96)
    first = panel.locator(".frame").first
    assert first.locator("li .score").count() >= 4  # two texts, each with two scores
    assert "brightness" in first.inner_text()


def test_arrows_look_at_the_frames_of_an_open_clip(opened: Opened) -> None:
    keys, large = opened.page.keyboard, opened.page.locator("#large")
    opened.page.locator("#grid").focus()
    keys.press("j")
    keys.press("Enter")
    assert large.inner_text() == "frame 3 of 4 \u00b7 0:01.2"
    shown = large.locator("img").get_attribute("src")
    keys.press("ArrowRight")
    assert large.inner_text() == "frame 4 of 4 \u00b7 0:01.7"
    assert large.locator("img").get_attribute("src") != shown
    assert opened.page.locator('.stop[aria-current="true"]').get_attribute("title") == (
        "frame 4 of 4, at 0:01.7"
    )
    keys.press("ArrowRight")
    assert large.inner_text().startswith("frame 4 of 4")
    for _ in range(5):
        keys.press("ArrowLeft")
    assert large.inner_text().startswith("frame 1 of 4")
    opened.page.locator(".stop").nth(2).click()
    assert large.locator("img").get_attribute("src") == shown
    keys.press("j")
    assert large.inner_text() == "frame 3 of 4 \u00b7 0:03.2"


def test_the_page_says_which_pictures_are_missing(opened: Opened) -> None:
    notes = opened.page.locator("#notes")
    assert notes.inner_text().startswith("1 of 3 videos cannot be read")
    opened.page.fill("#search", "gone.mp4")
    assert opened.page.locator(".row .missing").count() == 1
    opened.page.locator(".row").click()
    assert opened.page.locator("#details .frame").count() == 4


def test_captions_and_names_do_nothing(path: Path, open_page: Open) -> None:
    opened = open_page(path)
    opened.page.click("#tab-clips")
    opened.page.fill("#search", "onerror")
    assert opened.count() == "1 of 6 clips"
    opened.page.keyboard.press("Enter")
    opened.page.keyboard.press("Enter")
    assert opened.page.locator("#details .full").inner_text() == HOSTILE
    assert opened.page.locator("#details .frame li").first.inner_text().startswith("</script>")
    assert opened.dialogs == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [path.as_uri()]


def test_worst_first_and_flags_by_keyboard(opened: Opened) -> None:
    page = opened.page
    page.select_option("#sort", label="Similarity")
    assert page.locator("#direction").inner_text() == "Worst first"
    column = page.locator(".row .numeric.sorted span:not(.label)")
    values = [float(text) for text in column.all_inner_texts()]
    assert len(values) == 6
    assert values == sorted(values)
    page.locator("#grid").focus()
    page.keyboard.press("f")
    assert page.evaluate("document.activeElement.className") == "flag"
    flag = page.evaluate("document.activeElement.dataset.flag")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert page.locator(".row").count() < 6
    for row in page.locator(".row").all():
        assert flag in row.locator(".chip").all_inner_texts()
    assert page.locator(".chip").first.get_attribute("title")  # its rule


def test_the_summary_leads_to_the_clips(tmp_path: Path, open_page: Open) -> None:
    rows = [
        run_factory.video_rows("a.mp4", ['a "quoted" cat', "a dog", 'a "quoted" cat']),
        run_factory.video_rows("b.mp4", ["a bird"] * 12, flags=(Flag.LOOP,)),
    ]
    run = run_factory.write_run(tmp_path / "run", rows)
    review(run, str(tmp_path / "review.html"), ReviewOptions(pictures="none"))
    opened = open_page(tmp_path / "review.html")
    page = opened.page
    headlines = page.locator(".headlines").inner_text()
    assert "20 %\nwithout a flag" in headlines or "without a flag\n20 %" in headlines
    assert "12 \u00d7" in headlines
    page.locator("button.finds", has_text="repeated").click()
    assert opened.count() == "12 of 15 clips"
    page.click("#tab-summary")
    page.locator("button.finds", has_text="quoted").click()
    assert opened.count() == "2 of 15 clips"
    page.click("#tab-summary")
    assert page.locator("th", has_text="near_duplicate").locator("button").count() == 0
    assert "that of a clip of another video" in page.locator("#summary").inner_text()


def test_a_duplicate_leads_to_the_clip_that_it_repeats(tmp_path: Path, open_page: Open) -> None:
    columns = (Column("caption", "Caption", "text"), Column("of", "Looks the same as", "clip"))
    clips = [
        PageClip("a#0", "first", {"caption": "x", "of": "b#1"}),
        PageClip("b#1", "second", {"caption": "y", "of": "elsewhere#3"}),
        PageClip("c#2", "third", {"caption": "z"}),
    ]
    path = tmp_path / "page.html"
    write_page(path, title="t", subtitle="s", sections=[], columns=columns, clips=clips)
    opened = open_page(path, view="clips")
    opened.page.locator(".row").first.click()
    opened.page.locator("#details .link a").click()
    title = opened.page.locator("#details-title")
    eventually(title, "textContent", "second")
    assert opened.page.locator("#details .link").inner_text() == "elsewhere#3 (not on this page)"
    opened.page.keyboard.press("j")
    eventually(title, "textContent", "third")
    assert opened.page.locator("#details .link").count() == 0


def test_a_bar_shows_parts_and_cuts(tmp_path: Path, open_page: Open) -> None:
    clip = PageClip(
        *("k", "t", {"a": "x"}),
        frames=[FrameText(12.0, ["x"], 0), FrameText(16.0, ["x"], note="says the same")],
        timeline=Timeline(10.0, 20.0, parts=[(12.0, 16.0)], cuts_s=[15.0]),
    )
    path = tmp_path / "page.html"
    column = Column("a", "A", "text")
    table = Table(("what", "n"), [("x", "1")], "text")
    section = Section("S", [], table)
    write_page(path, title="t", subtitle="s", sections=[section], columns=[column], clips=[clip])
    opened = open_page(path, view="clips")
    opened.page.locator(".row").click()
    bar = opened.page.locator(".span")
    part = bar.locator(".part")
    assert part.evaluate("part => part.style.left") == "20%"
    assert part.evaluate("part => part.style.right") == "calc(40%)"
    assert bar.locator(".cut").evaluate("cut => cut.style.left") == "50%"
    assert "says the same" in opened.page.locator(".frame").nth(1).inner_text()


def test_ten_thousand_clips_with_frames_stay_quick_to_walk(tmp_path: Path, open_page: Open) -> None:
    picture = page_factory.picture(1)

    def clips() -> Iterator[PageClip]:
        for n in range(10_000):
            frames = [FrameText(float(at), ["x", "y"], 0 if at == 1 else None) for at in range(8)]
            line = Timeline(0.0, 8.0, pictured=1)
            yield PageClip(f"k{n}", f"clip {n}", {"a": f"text {n}"}, picture, frames, line)

    path = tmp_path / "page.html"
    column = Column("a", "A", "text")
    write_page(path, title="t", subtitle="s", sections=[], columns=[column], clips=clips())
    opened = open_page(path, view="clips")
    opened.page.locator("#grid").focus()
    opened.page.keyboard.press("Enter")
    for key, clip in (("End", 9999), ("k", 9998), ("Home", 0), ("PageDown", None)):
        opened.page.keyboard.press(key)
        if clip is not None:
            assert opened.page.locator("#details-title").inner_text() == f"clip {clip}"
        assert opened.page.locator("#details .frame").count() == 8
    assert opened.page.locator(".row").count() < 30
    assert opened.page.evaluate("images.parsed.size + framesOf.parsed.size") <= 64
