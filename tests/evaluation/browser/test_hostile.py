"""Captions that would like to be more than captions."""

from __future__ import annotations

from pathlib import Path

import page_factory
from page_browser import Open
from pseudolabel.evaluation.page.page import write_page
from pseudolabel.evaluation.page.parts import (
    Column,
    Figure,
    FrameText,
    Headline,
    PageClip,
    Pair,
    Rating,
    Section,
    Table,
)
from pseudolabel.evaluation.page.plots import Bar, BarGroup, bars

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!-- <script> </style></title></textarea><img src=x onerror=alert(3)>",
    "<img src='http://127.0.0.1:9/leak.png'><iframe src='http://127.0.0.1:9/'></iframe>",
    "\"><svg onload=alert(4)>' onmouseover='alert(5)",
    "javascript:alert(6) {{ 7 * 7 }} {% raw %} ${alert(7)} &lt;b&gt; &amp;amp;",
    "\u202eright to left override \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8",
    "zero\u200bwidth\u200djoined\ufeff \u2028 line \u2029 paragraph",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467 flag \U0001f1eb\U0001f1f7",
    "half a character \ud83d and a null \x00 and a bell \x07",
    "__proto__ constructor toString",
    "\U0001f600" * 25_000,
    "long " * 20_000,
)


def write(path: Path) -> None:
    """Every text of a page is hostile: titles, keys, flags, questions, labels of plots."""
    everything = " ".join(text[:200] for text in HOSTILE)
    clips = [
        PageClip(
            key=f"{i} {text[:150]}",
            title=text,
            values={"a": text, "b": text[::-1], "n": float(i), "f": [text[:100], "__proto__"]},
            frames=[FrameText(1.0, [text, text], 1)],
        )
        for i, text in enumerate(HOSTILE)
    ]
    plot = bars(
        [BarGroup(everything, [Bar(1.0)])], [everything], title=everything.replace("\x00", "")
    )
    write_page(
        path,
        title=everything,
        subtitle=everything,
        headlines=[Headline(everything, everything, everything)],
        sections=[
            Section(
                everything,
                [everything],
                Table([everything], [[everything]]),
                [Figure(everything, plot, everything)],
            )
        ],
        columns=[
            Column("a", everything[:300], "text", help=everything),
            Column("b", "Reversed", "text"),
            Column("n", HOSTILE[1], "number"),
            Column("f", HOSTILE[4], "flags"),
        ],
        clips=clips,
        rating=Rating(
            [Pair(c.key, c.title, {"x": c.title, "<y>": c.title}) for c in clips], [everything]
        ),
    )


def test_hostile_texts_are_shown_and_do_nothing(tmp_path: Path, open_page: Open) -> None:
    path = tmp_path / "report.html"
    write(path)
    opened = open_page(path, view="clips")
    page = opened.page
    page.click("#filter-button")
    page.locator(".flag").first.click()
    page.locator(".flag").first.click()
    page.click("#clear")
    page.locator("#grid").focus()
    page.keyboard.press("Home")
    for i, text in enumerate(HOSTILE):
        page.keyboard.press("Enter" if i == 0 else "j")
        shown = page.locator("#details .full").first.evaluate("node => node.textContent")
        # A lone half of a character cannot leave the browser as it is.
        assert shown == text.encode("utf-8", "replace").decode().replace("?", "\ufffd") or (
            shown.encode("utf-8", "replace") == text.encode("utf-8", "replace")
        )
    page.keyboard.press("Escape")
    page.fill("#search", "<script>")
    assert "of 13 clips" in opened.count()
    page.keyboard.press("?")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.click("#tab-rate")
    page.fill("#rater", HOSTILE[0])
    page.click("#rating-start button")
    for _ in range(2 * len(HOSTILE)):
        page.keyboard.press("n")
    page.click("#tab-summary")
    page.locator(".headlines").hover()
    assert opened.dialogs == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [path.as_uri()]
    alien = "script[src], iframe, object, embed, link:not([rel=icon]), [onerror], [onload]"
    assert page.locator(alien).count() == 0
    assert page.locator("script:not([type])").count() == 1


def test_the_policy_stops_what_is_put_into_the_page_later(tmp_path: Path, open_page: Open) -> None:
    path = page_factory.small_page(tmp_path / "report.html", 3)
    opened = open_page(path)
    opened.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'run'";
            const image = new Image();
            image.src = "http://127.0.0.1:9/x.png";
            document.body.append(script, image);
            fetch("http://127.0.0.1:9/x.json").catch(() => {});
            document.body.insertAdjacentHTML("beforeend", "<p style='color: red' onclick='x()'>");
        }"""
    )
    assert opened.page.title() != "run"
    assert len(opened.problems) >= 4  # the browser says of each that the policy forbids it
    assert all("Content Security Policy" in problem for problem in opened.problems)
    for directive in ("default-src 'none'", "img-src data:", "script-src", "style-src"):
        assert any(directive in problem for problem in opened.problems), directive
    opened.problems.clear()
