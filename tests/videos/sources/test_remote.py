"""Listing through fsspec: memory, zip files, http; and drivers that are missing."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from pseudolabel.errors import InputError
from pseudolabel.records import Video
from pseudolabel.videos.sources.listing import list_videos


@pytest.fixture
def memory() -> Iterator[None]:
    files = fsspec.filesystem("memory")
    for name in ("/bucket/in/a.mp4", "/bucket/in/s/b.mkv", "/bucket/in/s/.h.mp4"):
        files.pipe(name, b"12345")
    for name in ("/bucket/in/notes.txt", "/bucket/in/s/raw.bin"):
        files.pipe(name, b"12345")
    files.pipe("/bucket/in/[1].mp4", b"1")
    yield
    files.rm("/bucket", recursive=True)


def videos(*inputs: str) -> list[Video]:
    return [entry for entry in list_videos(inputs) if isinstance(entry, Video)]


def refused(*inputs: str) -> InputError:
    with pytest.raises(InputError) as error:
        list(list_videos(inputs))
    return error.value


def test_a_remote_folder(memory: None) -> None:
    found = videos("memory://bucket/in")
    assert [v.video_id for v in found] == ["[1].mp4", "a.mp4", "s/b.mkv"]
    assert found[1].source == "memory:///bucket/in/a.mp4"
    assert found[1].size_bytes == 5
    assert found[1].listed.startswith("5-1")
    assert videos("memory://bucket/in/a.mp4")[0].listed == found[1].listed
    with fsspec.open(found[1].source) as file:
        assert file.read() == b"12345"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("memory://bucket/in/notes.txt", ["bucket/in/notes.txt"]),
        ("memory://bucket/in/*.mp4", ["[1].mp4", "a.mp4"]),
        ("memory://bucket/**/*.m*", ["in/[1].mp4", "in/a.mp4", "in/s/b.mkv"]),
        ("memory://bucket/in/*/*.bin", ["s/raw.bin"]),
        ("memory://bucket/in/[1].mp4", ["bucket/in/[1].mp4"]),
    ],
)
def test_remote_files_and_globs(memory: None, url: str, expected: list[str]) -> None:
    assert [v.video_id for v in videos(url)] == expected


def test_a_remote_list_and_table_name_what_lies_beside_them(memory: None) -> None:
    files = fsspec.filesystem("memory")
    files.pipe("/bucket/in/list.txt", b"a.mp4\n./s/b.mkv\nmemory://bucket/in/s/raw.bin\n")
    files.pipe("/bucket/in/t.csv", b"video,start_s,end_s\na.mp4,0,1\na.mp4,3,4\n")
    listed = videos("@memory://bucket/in/list.txt")
    assert [v.video_id for v in listed] == ["a.mp4", "s/b.mkv", "s/raw.bin"]
    assert [v.source for v in listed][:2] == [
        "memory://bucket/in/a.mp4",
        "memory://bucket/in/s/b.mkv",
    ]
    (video,) = videos("memory://bucket/in/t.csv")
    assert (video.source, len(video.spans or ())) == ("memory://bucket/in/a.mp4", 2)


@pytest.mark.parametrize(
    "url", ["memory://bucket/gone.mp4", "memory://bucket/in/*.avi", "memory://bucket/gone.csv"]
)
def test_nothing_there(memory: None, url: str) -> None:
    assert str(refused(url)).startswith(f"{url}: ")


def test_a_file_url_is_a_local_path(tmp_path: Path) -> None:
    (tmp_path / "a b.mp4").write_bytes(b"1")
    (video,) = videos(f"file://{tmp_path}/a b.mp4")
    assert (video.video_id, video.source) == ("a b.mp4", f"{tmp_path}/a b.mp4")
    assert videos(f"file://{tmp_path}") == [video]


def test_videos_inside_a_zip_file_can_be_opened_by_their_source(tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("in/a.mp4", b"123")
        out.writestr("in/b.txt", b"123")
    (video,) = videos(f"zip://in::file://{archive}")
    assert video.video_id == "a.mp4"
    with fsspec.open(video.source) as file:
        assert file.read() == b"123"


def test_an_unknown_protocol_is_refused() -> None:
    assert "nope://x.mp4: " in str(refused("nope://x.mp4"))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        return

    def end_headers(self) -> None:
        self.send_header("ETag", '"abc"')
        super().end_headers()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "a.mp4").write_bytes(b"1234567")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=tmp_path)) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_http_asks_for_one_file_and_lists_nothing(server: str) -> None:
    (video,) = videos(f"{server}/a.mp4?token=1")
    assert video.video_id == f"{server}/a.mp4".removeprefix("http://")
    assert (video.listed, video.size_bytes) == ("abc", 7)
    assert "not found" in str(refused(f"{server}/gone.mp4"))
