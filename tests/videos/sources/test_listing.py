"""Listing local inputs: files, folders, globs and lists; ids and their clashes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pseudolabel.errors import InputError
from pseudolabel.records import Skipped, SkipReason, Video
from pseudolabel.videos.sources.listing import list_videos


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of every test, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not looked into")


def videos(*inputs: str) -> list[Video]:
    return [entry for entry in list_videos(inputs) if isinstance(entry, Video)]


def ids(*inputs: str) -> list[str]:
    return [video.video_id for video in videos(*inputs)]


def skipped(*inputs: str) -> list[Skipped]:
    return [entry for entry in list_videos(inputs) if isinstance(entry, Skipped)]


def refused(*inputs: str) -> InputError:
    with pytest.raises(InputError) as error:
        list(list_videos(inputs))
    return error.value


def test_a_file_is_taken_whatever_its_suffix_and_described_as_listed() -> None:
    touch("some folder/a.weird")
    (video,) = videos("some folder/a.weird")
    status = Path("some folder/a.weird").stat()
    assert video == Video(
        video_id="a.weird",
        source="some folder/a.weird",
        listed=f"{status.st_size}-{status.st_mtime_ns}",
        size_bytes=15,
    )


def test_a_folder_is_walked_in_order_without_hidden_and_other_files() -> None:
    touch("in/b/z.MKV", "in/b/a.mp4", "in/a.webm", "in/c.gif", "in/notes.txt", "in/mp4", "in/x.mp3")
    touch("in/.hidden.mp4", "in/.cache/y.mp4", "in/d.mp4/inner.mov")
    found = videos("in/")
    assert [v.video_id for v in found] == [
        "a.webm",
        "b/a.mp4",
        "b/z.MKV",
        "c.gif",
        "d.mp4/inner.mov",
    ]
    assert found[1].source == "in/b/a.mp4"
    assert ids(".")[0] == "in/a.webm"


def test_a_hidden_folder_that_is_named_is_walked() -> None:
    touch(".in/a.mp4")
    assert ids(".in") == ["a.mp4"]


def test_links_are_followed_and_loops_are_not() -> None:
    touch("real/a.mp4")
    Path("in/sub").mkdir(parents=True)
    Path("in/link").symlink_to("../real")
    Path("in/sub/up").symlink_to("..")
    Path("in/self").symlink_to(".")
    Path("in/knot.mp4").symlink_to("knot.mp4")
    Path("in/gone.mp4").symlink_to("nothing")
    assert ids("in") == ["link/a.mp4"]
    reasons = {entry.video_id: entry.reason for entry in skipped("in")}
    assert reasons["gone.mp4"] is SkipReason.NOT_FOUND
    assert set(reasons) == {"gone.mp4", "knot.mp4"}


def test_a_pipe_is_skipped_not_opened() -> None:
    touch("in/a.mp4")
    os.mkfifo("in/pipe.mp4")
    (entry,) = skipped("in")
    assert (entry.video_id, entry.reason) == ("pipe.mp4", SkipReason.UNREADABLE)
    assert (entry.stage, entry.source) == ("list", "in/pipe.mp4")


def test_a_folder_that_vanishes_while_listing_is_skipped() -> None:
    touch("in/a.mp4", "in/b/x.mp4", "in/c.mp4")
    stream = list_videos(["in"])
    Path("in/b/x.mp4").unlink()
    Path("in/b").rmdir()
    Path("in/c.mp4").unlink()
    entries = list(stream)
    assert [(type(e).__name__, e.video_id) for e in entries] == [
        ("Video", "a.mp4"),
        ("Skipped", "b"),
        ("Skipped", "c.mp4"),
    ]


def test_a_folder_too_deep_to_read_is_skipped(home: Path) -> None:
    touch("in/a.mp4")
    name, depth = "d" * 250, 20  # 20 * 250 bytes are more than a path may have
    os.chdir("in")
    for _ in range(depth):
        Path(name).mkdir()
        os.chdir(name)
    os.chdir(home)
    (entry,) = skipped("in")
    assert entry.reason is SkipReason.UNREADABLE
    assert ids("in") == ["a.mp4"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("in/*.mp4", ["a.mp4", "z.mp4/inner.mkv"]),
        ("in/*", ["a.mp4", "s/b.mp4", "s/t/c.mp4", "z.mp4/inner.mkv"]),
        ("in/**/*.mp4", ["a.mp4", "s/b.mp4", "s/t/c.mp4"]),
        ("in/**", ["a.mp4", "s/b.mp4", "s/t/c.mp4", "z.mp4/inner.mkv"]),
        ("in/*/b.*", ["s/b.mp4"]),
        ("in/*/*/", ["s/t/c.mp4", "z.mp4/inner.mkv", "s/b.mp4"]),
        ("in/*.bin", ["raw.bin"]),
        ("./in/[az].mp4", ["a.mp4", "z.mp4/inner.mkv"]),
        ("in/.*", [".h.mp4"]),
        ("*n/a.mp4", ["in/a.mp4"]),
    ],
)
def test_globs(pattern: str, expected: list[str]) -> None:
    touch("in/a.mp4", "in/s/b.mp4", "in/s/t/c.mp4", "in/raw.bin", "in/notes.txt", "in/.h.mp4")
    touch("in/z.mp4/inner.mkv")
    assert sorted(ids(pattern)) == sorted(expected)
    assert sorted(ids(str(Path.cwd()) + "/" + pattern)) == sorted(expected)


def test_a_file_with_brackets_in_its_name_comes_before_the_glob() -> None:
    touch("clip [1].mp4", "clip 1.mp4")
    assert ids("clip [1].mp4") == ["clip [1].mp4"]
    Path("clip [1].mp4").unlink()
    assert ids("clip [1].mp4") == ["clip 1.mp4"]


def test_a_glob_walks_linked_loops_once() -> None:
    touch("in/a.mp4")
    Path("in/x").symlink_to(".")
    Path("in/y").symlink_to(".")
    assert ids("in/**/*.mp4") == ["a.mp4"]


ODD_NAMES = ["-rf.mp4", "two\nlines.mp4", " spaces .mp4", "@x.mp4", "hf:x.mp4", "a:b.mp4", "é.mp4"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(name: str) -> None:
    touch(f"in/{name}")
    assert ids("in") == ids(f"./in/{name}") == ids("in/*") == [name]
    os.chdir("in")
    assert ids(f"./{name}") == [name]


def test_bytes_that_are_not_utf8_open_and_have_a_valid_id() -> None:
    Path("in").mkdir()
    raw = b"in/caf\xe9 \xff.mp4"
    Path(os.fsdecode(raw)).write_bytes(b"12345")
    (video,) = videos("in")
    assert video.video_id == r"caf\xe9 \xff.mp4"
    assert Path(video.source).read_bytes() == b"12345"
    assert videos(os.fsdecode(raw)) == [video]
    Path("list.txt").write_bytes(raw + b"\n")
    assert ids("@list.txt") == [r"in/caf\xe9 \xff.mp4"]


def test_a_list_names_paths_from_its_folder(home: Path) -> None:
    touch("lists/a b.mp4", "lists/ lead.mp4", "v/c.mp4", "v/d/e.mp4", "lists/#x.mp4", "lists/@y")
    lines = [
        "\ufeff# a comment",
        "a b.mp4",
        "",
        "   ",
        " lead.mp4",
        "../v/c.mp4",
        f"{home}/v/c.mp4",
        f"{home}/lists/a b.mp4",
        "./#x.mp4",
        "@y",
        "gone.mp4",
        "../v/d",
        "https://example.org/w/x.mp4?sig=1",
    ]
    Path("lists/all.txt").write_text("\r\n".join(lines), encoding="utf-8")
    entries = list(list_videos(["@lists/all.txt"]))
    assert [entry.video_id for entry in entries] == [
        "a b.mp4",
        " lead.mp4",
        "../v/c.mp4",
        f"{home}/v/c.mp4".lstrip("/"),
        "#x.mp4",
        "@y",
        "gone.mp4",
        "../v/d/e.mp4",
        "example.org/w/x.mp4",
    ]
    (gone,) = [entry for entry in entries if isinstance(entry, Skipped)]
    assert (gone.source, gone.reason) == ("lists/gone.mp4", SkipReason.NOT_FOUND)
    assert entries[-1] == Video("example.org/w/x.mp4", "https://example.org/w/x.mp4?sig=1")


def test_a_list_of_its_own_folder() -> None:
    touch("in/a.mp4")
    Path("in/list.txt").write_text(".\n")
    assert ids("@in/list.txt") == ["a.mp4"]


def test_two_videos_with_one_id_are_refused_by_name() -> None:
    touch("one/a.mp4", "two/a.mp4")
    error = refused("one/a.mp4", "two/a.mp4")
    assert "'a.mp4': one/a.mp4 and two/a.mp4" in str(error)
    assert "video_id" in str(error.hint)
    assert ids("*/a.mp4") == ["one/a.mp4", "two/a.mp4"]


def test_what_is_missing_has_its_id_for_itself_as_well(home: Path) -> None:
    """Else its row would stand for the other video's, which has clips."""
    touch("two/a.mp4")
    Path("one").mkdir()
    Path("one/list.txt").write_text("a.mp4\n")
    for inputs in (["@one/list.txt", "two"], ["two", "@one/list.txt"]):
        error = refused(*inputs)
        assert "two videos have the id 'a.mp4'" in str(error)
        assert "one/a.mp4 (No such file or directory)" in str(error)
    touch("one/b.mp4")
    (gone,) = skipped("@one/list.txt", f"@{home}/one/list.txt", "one")
    assert gone.video_id == "a.mp4", "and given twice it is told once"


def test_one_video_given_twice_is_listed_once(home: Path) -> None:
    touch("in/a.mp4", "in/b.mp4")
    assert ids("in", "in/a.mp4", f"{home}/in", "in/*.mp4") == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(
    "text", ["gone.mp4", "gone/", "no*.mp4", "gone/**", "@gone.txt", "", "gone.csv"]
)
def test_an_input_that_is_not_there_stops_before_anything_is_listed(text: str) -> None:
    touch("a.mkv")
    with pytest.raises(InputError) as error:
        list_videos(["a.mkv", text])
    assert text.removeprefix("@") in str(error.value)
    assert error.value.hint


def test_no_video_at_all_is_an_error() -> None:
    touch("in/notes.txt")
    Path("empty.txt").write_text("# nothing\n")
    error = refused("in", "@empty.txt")
    assert str(error) == "no video found in in, @empty.txt"
    assert ".mp4" in str(error.hint)
    assert "no input" in str(refused())


def test_only_skipped_entries_are_told_then_refused() -> None:
    Path("list.txt").write_text("x.mp4\ny.mp4\n")
    stream = list_videos(["@list.txt"])
    assert [next(stream).video_id, next(stream).video_id] == ["x.mp4", "y.mp4"]
    with pytest.raises(InputError, match=r"could not be listed: x\.mp4: No such file"):
        next(stream)
