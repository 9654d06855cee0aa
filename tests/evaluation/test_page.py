"""What is in the file, before any browser has seen it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tracemalloc
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import page_factory
from pseudolabel.errors import OptionError
from pseudolabel.evaluation.page.blocks import CLIPS_A_BLOCK, inert_json
from pseudolabel.evaluation.page.page import write_page
from pseudolabel.evaluation.page.parts import (
    Column,
    FrameText,
    PageClip,
    Pair,
    Rating,
    Section,
    Table,
    Value,
)

TEXT = Column("text", "Text", "text")


class Reader(HTMLParser):
    """A page taken apart: its elements, and what `<script>` and `<style>` hold."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.policy = ""
        self.raw: list[tuple[dict[str, str | None], str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        named = dict(attrs)
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""
        if tag in ("script", "style"):
            self.raw.append(({"tag": tag, **named}, ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            attributes, text = self.raw[-1]
            self.raw[-1] = (attributes, text + data)

    def part(self, name: str) -> list[Any]:
        """The parsed blocks of one part."""
        return [json.loads(text) for of, text in self.raw if of.get("data-part") == name]


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def write(
    out: Path,
    clips: Iterator[PageClip] | Sequence[PageClip] = (),
    columns: Sequence[Column] = (TEXT,),
    sections: Sequence[Section] = (),
    rating: Rating | None = None,
) -> Path:
    write_page(
        out,
        title="A page",
        subtitle="of a test",
        sections=sections,
        columns=columns,
        clips=clips,
        rating=rating,
    )
    return out


def clip(text: Value, key: str = "k") -> PageClip:
    return PageClip(key, "title", {"text": text})


def test_the_policy_allows_this_script_and_this_style_and_nothing_else(tmp_path: Path) -> None:
    reader = read(page_factory.small_page(tmp_path / "report.html", 5, pairs=2))
    code = [
        (of["tag"], text) for of, text in reader.raw if of["tag"] == "style" or "type" not in of
    ]
    assert [tag for tag, _ in code] == ["style", "script"]
    for tag, text in code:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in reader.policy
    assert "default-src 'none'" in reader.policy
    assert "unsafe" not in reader.policy
    assert not [name for name, _ in reader.attributes if name == "style" or name.startswith("on")]


def test_a_page_names_no_other_place(tmp_path: Path) -> None:
    text = page_factory.small_page(tmp_path / "report.html", 5, pairs=2).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"\b(src|href)=(?!\"(data:,)?\")", text)


def test_scripts_place_text_as_text_only() -> None:
    assets = resources.files("pseudolabel.evaluation.page") / "assets"
    scripts = [asset for asset in assets.iterdir() if asset.name.endswith(".js")]
    assert len(scripts) >= 5
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|fetch\("
    )
    for script in scripts:
        assert not re.search(forbidden, script.read_text(encoding="utf-8")), script.name


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "\u2028 \u2029 \x00 \ud83d \U0001f600",
        "&lt;b&gt; & 'single' \"double\" \\",
        "",
    ],
)
def test_texts_come_back_as_they_were(tmp_path: Path, text: str) -> None:
    reader = read(write(tmp_path / "report.html", [clip(text)]))
    assert reader.part("clips") == [[["k", "title", text]]]
    assert reader.tags.count("script") == 5  # about, clips, images, frames, and the code
    assert not set(inert_json(text)) & set("<>&\u2028\u2029")


def test_the_summary_is_escaped(tmp_path: Path) -> None:
    bad = "<b onclick=x> & \ud83d"
    section = Section(bad, [bad], Table([bad, "n"], [[bad, "1"]]))
    path = write(tmp_path / "report.html", sections=[section])
    assert "<b " not in path.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").count("&lt;b onclick=x&gt; &amp; ?") >= 4


def test_values_keep_their_kinds(tmp_path: Path) -> None:
    columns = (
        TEXT,
        Column("n", "N", "number"),
        Column("t", "T", "time"),
        Column("f", "F", "flags"),
    )
    values: dict[str, Value] = {"n": float("nan"), "t": 1 / 3, "f": ("a", "b")}
    reader = read(write(tmp_path / "report.html", [PageClip("k", "t", values)], columns))
    assert reader.part("clips") == [[["k", "t", None, None, 0.333333333, ["a", "b"]]]]
    (about,) = reader.part("about")
    assert [column["kind"] for column in about["columns"]] == ["text", "number", "time", "flags"]


def test_blocks_stay_in_step(tmp_path: Path) -> None:
    count = 2 * CLIPS_A_BLOCK + 3
    reader = read(page_factory.small_page(tmp_path / "report.html", count))
    sizes = [CLIPS_A_BLOCK, CLIPS_A_BLOCK, 3]
    for part in ("clips", "images", "frames"):
        assert [len(block) for block in reader.part(part)] == sizes
    first = next(page_factory.clips(1))
    assert base64.b64decode(reader.part("images")[0][0]) == first.image
    time_s, texts, chosen, scores, image = reader.part("frames")[0][0][1]
    assert (time_s, tuple(texts), chosen) == (4.0, tuple(first.frames[1].texts), 0)
    assert (scores, image) == ([0.31, None], None)


def test_memory_holds_a_few_clips_however_many_there_are(tmp_path: Path) -> None:
    def many(count: int) -> Iterator[PageClip]:
        for i in range(count):
            yield PageClip(str(i), "t", {"text": "x"}, image=b"\xff\xd8" + bytes(10_000))

    write(tmp_path / "warm.html", many(1))
    tracemalloc.start()
    write(tmp_path / "report.html", many(2000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "report.html").stat().st_size > 26_000_000
    assert peak < 12_000_000


def test_a_page_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    path = write(tmp_path / "report.html", [clip("first")])
    before = path.read_bytes()

    def failing() -> Iterator[PageClip]:
        yield clip("second")
        raise OSError("the disk with the pictures is gone")

    with pytest.raises(OSError, match="pictures"):
        write(path, failing())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_the_users_to_change(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be written: No such file") as raised:
        write(tmp_path / "nowhere" / "report.html")
    assert raised.value.hint == "choose another --out"


@pytest.mark.parametrize(
    ("clips", "error", "message"),
    [
        ([clip("a"), clip("b")], ValueError, "two clips have the key 'k'"),
        ([PageClip("k", "t", {}, image=b"\x89PNG")], ValueError, "expected a JPEG"),
        ([clip(1.0)], TypeError, "text: 1.0, expected a text"),
        ([clip(["a"])], TypeError, "expected a text"),
    ],
)
def test_contradictions_are_refused(
    tmp_path: Path, clips: list[PageClip], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        write(tmp_path / "report.html", clips)


def test_wrong_kinds_are_refused(tmp_path: Path) -> None:
    for kind, value in (("number", "1"), ("time", ("1",)), ("flags", "loop")):
        column = Column("text", "Text", kind)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="text: "):
            write(tmp_path / "report.html", [clip(value)], [column])


def test_values_of_no_column_are_left_out(tmp_path: Path) -> None:
    reader = read(write(tmp_path / "report.html", [PageClip("k", "t", {"other": 1.0})]))
    assert reader.part("clips") == [[["k", "t", None]]]


def test_two_columns_of_one_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two columns"):
        write(tmp_path / "report.html", columns=[TEXT, TEXT])


def test_parts_check_themselves() -> None:
    with pytest.raises(ValueError, match="chosen text 2 of 1"):
        FrameText(0.0, ["a"], 2)
    with pytest.raises(ValueError, match="2 scores of 1 texts"):
        FrameText(0.0, ["a"], None, [0.1, 0.2])
    with pytest.raises(ValueError, match="1 cells under 2 columns"):
        Table(["a", "b"], [["a"]])
    with pytest.raises(ValueError, match="13 digits"):
        Column("a", "A", "number", digits=13)
    with pytest.raises(ValueError, match="at least one pair"):
        Rating([])
    with pytest.raises(ValueError, match="two pairs of one clip"):
        Rating([Pair("k", "t", {"a": "x"}), Pair("k", "t", {"a": "y"})])


def test_the_order_of_sides_is_drawn_by_seed_and_clip(tmp_path: Path) -> None:
    def orders(seed: int, count: int) -> list[str]:
        pairs = [Pair(str(i), "t", {"a": "x", "b": "y"}) for i in range(count)]
        path = write(tmp_path / "report.html", rating=Rating(pairs, seed=seed))
        (sheet,) = read(path).part("rating")
        return ["".join(side for side, _ in sides) for _, _, sides in sheet["pairs"]]

    drawn = orders(0, 400)
    assert 150 < drawn.count("ab") < 250
    assert orders(0, 100) == drawn[:100]
    assert orders(1, 400) != drawn


def test_a_page_without_summary_or_sheet_has_neither(tmp_path: Path) -> None:
    text = write(tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'id="tab-clips"' in text
    assert 'id="tab-summary"' not in text
    assert 'id="tab-rate"' not in text


def test_the_same_parts_make_the_same_bytes(tmp_path: Path) -> None:
    a = page_factory.small_page(tmp_path / "a.html", 20, pairs=5)
    b = page_factory.small_page(tmp_path / "b.html", 20, pairs=5)
    assert a.read_bytes() == b.read_bytes()
