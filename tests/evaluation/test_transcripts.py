"""Transcripts of videos, found in folders and files, and what did not work told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pseudolabel.errors import InputError
from pseudolabel.evaluation.transcripts.source import TranscriptSource
from video_factory import make_video


def vtt(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"WEBVTT\n\n00:00.000 --> 00:01.000\n{text}\n", encoding="utf-8")
    return path


def find(source: TranscriptSource, videos: Sequence[str]) -> dict[str, str]:
    """What was said in each video that has a transcript; no video is given twice."""
    found = list(source.find(videos))
    said = {name: " ".join(s.text for s in transcript.segments) for name, transcript in found}
    assert len(said) == len(found)
    return said


def told(source: TranscriptSource) -> tuple[list[str], list[str], list[tuple[str, str]], int]:
    return source.missing, source.unused, source.unreadable, source.dropped


def test_names_that_fit(tmp_path: Path) -> None:
    videos = ["a/one.mp4", "a/two.mp4", "b/three.mp4", "four.mp4", "dQw4w9WgXcQ.webm", "five"]
    vtt(tmp_path / "a/one.mp4.vtt", "the whole id")
    vtt(tmp_path / "a/two.en.vtt", "a language")
    vtt(tmp_path / "three.vtt", "the last part")
    vtt(tmp_path / "deep/er/four.VTT", "elsewhere")
    vtt(tmp_path / "A title [dQw4w9WgXcQ].en-orig.vtt", "in brackets")
    vtt(tmp_path / "six.vtt", "nobody's")
    vtt(tmp_path / "a/.one.vtt", "hidden")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "A title [dQw4w9WgXcQ].info.json").write_text("{}")
    source = TranscriptSource(str(tmp_path))
    assert find(source, videos) == {
        "a/one.mp4": "the whole id",
        "a/two.mp4": "a language",
        "b/three.mp4": "the last part",
        "four.mp4": "elsewhere",
        "dQw4w9WgXcQ.webm": "in brackets",
    }
    assert told(source) == (["five"], ["six.vtt"], [], 0)


def test_the_order_is_that_of_the_videos_and_a_second_search_starts_anew(tmp_path: Path) -> None:
    for name in "abc":
        vtt(tmp_path / f"{name}.vtt", name)
    source = TranscriptSource(str(tmp_path))
    assert list(find(source, ["c", "x", "a", "c"])) == ["c", "a"]
    assert told(source) == (["x"], ["b.vtt"], [], 0)
    assert find(source, ["b"]) == {"b": "b"}
    assert told(source) == ([], ["a.vtt", "c.vtt"], [], 0)


def test_of_several_files_in_a_folder_the_plainest_that_can_be_read(tmp_path: Path) -> None:
    segments = {"segments": [{"start": 0, "end": 1, "text": "json"}]}
    vtt(tmp_path / "a.de.vtt", "de")
    vtt(tmp_path / "a.en.vtt", "en")
    vtt(tmp_path / "b.en.vtt", "en")
    vtt(tmp_path / "b.vtt", "plain")
    vtt(tmp_path / "c.vtt", "plain")
    (tmp_path / "c.json").write_text(json.dumps(segments))
    vtt(tmp_path / "d.vtt", "plain")
    (tmp_path / "d.json").write_text('{"title": "some other JSON"}')
    source = TranscriptSource(str(tmp_path))
    said = find(source, ["a", "b", "c", "d"])
    assert said == {"a": "de", "b": "plain", "c": "json", "d": "plain"}
    [(path, why)] = source.unreadable
    assert (path, why) == (str(tmp_path / "d.json"), "JSON, but not a transcript")
    assert source.unused == []


def test_a_broken_file_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"segments": [')
    vtt(tmp_path / "b.vtt", "b")
    vtt(tmp_path / "c.vtt", "c").write_text(
        "WEBVTT\n\n00:02.000 --> 00:01.000\nback\n\n00:02.000 --> 00:03.000\nc\n"
    )
    source = TranscriptSource(str(tmp_path))
    assert find(source, ["a", "b", "c"]) == {"b": "b", "c": "c"}
    assert (source.missing, source.dropped) == (["a"], 1)
    assert [Path(path).name for path, _ in source.unreadable] == ["a.json"]


def test_a_folder_a_video(tmp_path: Path) -> None:
    """All names are alike; the folders tell them apart."""
    for number in range(20):
        vtt(tmp_path / f"{number}/video.en.vtt", str(number))
    videos = [f"{number}/video.mp4" for number in range(25)]
    source = TranscriptSource(str(tmp_path))
    assert find(source, videos) == {f"{n}/video.mp4": str(n) for n in range(20)}
    assert source.missing == videos[20:]
    assert source.unused == []


def test_a_transcript_in_place_is_not_lent_to_another_video(tmp_path: Path) -> None:
    vtt(tmp_path / "a/intro.vtt", "a")
    vtt(tmp_path / "old/talk.vtt", "old")
    vtt(tmp_path / "talk.vtt", "new")
    source = TranscriptSource(str(tmp_path))
    assert find(source, ["a/intro.mp4", "b/intro.mp4", "talk.mp4"]) == {
        "a/intro.mp4": "a",
        "talk.mp4": "new",
    }
    assert (source.missing, source.unused) == (["b/intro.mp4"], ["old/talk.vtt"])


def test_two_files_of_one_name_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    vtt(tmp_path / "x/talk.vtt", "x")
    vtt(tmp_path / "y/talk.vtt", "y")
    with pytest.raises(InputError, match=r"'talk.mp4'.* x/talk.vtt or y/talk.vtt") as error:
        next(TranscriptSource(str(tmp_path)).find(["talk.mp4"]))
    assert "--map" in str(error.value.hint)


def test_one_name_of_two_videos_is_refused(tmp_path: Path) -> None:
    vtt(tmp_path / "talk.vtt", "x")
    with pytest.raises(InputError, match=r"talk.vtt: may be of 'a/talk.mp4' or of 'b/talk.mp4'"):
        next(TranscriptSource(str(tmp_path)).find(["a/talk.mp4", "b/talk.mp4"]))
    both = ["a/talk.mp4", "a/talk.webm"]
    assert find(TranscriptSource(str(tmp_path)), both) == dict.fromkeys(both, "x")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_a_mapping_decides_and_names_do_for_the_rest(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "said"
    vtt(folder / "x/1.vtt", "one")
    vtt(folder / "b.vtt", "by name")
    vtt(folder / "a.vtt", "not this one")
    pairs = [("a.mp4", "x/1.vtt"), ("c.mp4", "gone.vtt"), ("other", "y.vtt")]
    lines = [("video_id", "transcript"), *pairs]
    table = tmp_path / f"map{suffix}"
    if suffix == ".jsonl":
        documents = [{"transcript": file, "video_id": video} for video, file in pairs]
        table.write_text("\n\n".join(map(json.dumps, documents)))
    else:
        table.write_text("\n".join(("," if suffix == ".csv" else "\t").join(p) for p in lines))
    source = TranscriptSource(str(folder), mapping=str(table))
    assert find(source, ["a.mp4", "b.mp4", "c.mp4"]) == {"a.mp4": "one", "b.mp4": "by name"}
    assert (source.missing, source.unused) == (["c.mp4"], ["a.vtt"])
    assert source.unreadable == [(str(folder / "gone.vtt"), "No such file or directory")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.csv", "video,file\na,b\n", "no column video_id or transcript (columns: video, file)"),
        ("m.csv", "video_id,transcript\na,\n", "row 1 has no"),
        ("m.csv", "video_id,transcript\na,b\na,c\n", "row 2: 'a' has another transcript above"),
        ("m.jsonl", "{", "Expecting property name"),
        ("m.jsonl", "[1]", "line 1 is no object"),
        ("m.jsonl", "[" * 100_000, "recursion"),
        ("m.txt", "a b", ".txt is no table"),
    ],
)
def test_a_mapping_that_says_nothing(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as error:
        list(TranscriptSource(str(tmp_path), mapping=str(tmp_path / name)).find(["a"]))
    assert f"{name}: " in str(error.value)
    assert said in str(error.value)


def howto(**videos: str) -> str:
    return json.dumps({k: {"text": [v], "start": [0], "end": [1]} for k, v in videos.items()})


def test_howto100m(tmp_path: Path) -> None:
    path = tmp_path / "raw_caption.json"
    path.write_text(howto(x="x", b="b", a="a", talk="two videos'"))
    source = TranscriptSource(str(path))
    videos = ["a.mp4", "sub/b.webm", "c", "1/talk.mp4", "2/talk.mp4"]
    assert find(source, videos) == {"sub/b.webm": "b", "a.mp4": "a"}
    assert told(source) == (["c", "1/talk.mp4", "2/talk.mp4"], ["x", "talk"], [], 0)


def test_a_file_of_many_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "caption.json"
    path.write_text(howto(a="a", b="b", c="c")[:-5])
    source = TranscriptSource(str(path))
    assert find(source, ["c", "a"]) == {"a": "a"}
    [(file, why)] = source.unreadable
    assert file == str(path)
    assert why.startswith("broken JSON at about character 1")
    assert (source.missing, source.unused) == (["c"], ["b"])
    with pytest.raises(InputError, match=r"caption\.json: broken JSON"):
        list(source.find(["c"]))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_of_many_videos(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"said{suffix}"
    columns = {"text": ["one", "x", "two"], "video_id": ["a", "b", "a"]}
    times = {"start": [0.0, 0.0, 2.0], "end": [1.0, 1.0, None]}
    table = pa.table(columns | times)
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        mark = "," if suffix == ".csv" else "\t"
        rows = [["" if v is None else str(v) for v in row.values()] for row in table.to_pylist()]
        path.write_text("\n".join(mark.join(row) for row in [table.column_names, *rows]))
    source = TranscriptSource(str(path))
    assert find(source, ["a.mp4", "c"]) == {"a.mp4": "one two"}
    assert told(source) == (["c"], ["b"], [], 0)


def test_parquet_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "said.parquet"
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match=r"said\.parquet: not readable as \.parquet"):
        list(TranscriptSource(str(path)).find(["a"]))
    pq.write_table(pa.table({"start": [1], "end": [2], "text": ["a"]}), path)
    with pytest.raises(InputError, match="no column video_id"):
        list(TranscriptSource(str(path)).find(["a"]))


def test_a_mapping_into_a_file_of_many(tmp_path: Path) -> None:
    path, table = tmp_path / "caption.json", tmp_path / "map.csv"
    path.write_text(howto(x="one", b="two"))
    table.write_text("video_id,transcript\nfirst.mp4,x\nsecond.mp4,x\n")
    source = TranscriptSource(str(path), mapping=str(table))
    assert find(source, ["first.mp4", "second.mp4", "b.mp4"]) == {
        "first.mp4": "one",
        "second.mp4": "one",
        "b.mp4": "two",
    }


def test_one_transcript_is_of_the_only_video_or_of_the_one_with_its_name(tmp_path: Path) -> None:
    path = vtt(tmp_path / "talk.en.vtt", "hello")
    source = TranscriptSource(str(path))
    assert find(source, ["anything.mp4"]) == {"anything.mp4": "hello"}
    assert told(source) == ([], [], [], 0)
    assert find(source, ["walk.mp4", "talk.mp4"]) == {"talk.mp4": "hello"}
    assert find(source, ["walk.mp4", "balk.mp4"]) == {}
    assert told(source) == (["walk.mp4", "balk.mp4"], ["talk.en.vtt"], [], 0)


def test_one_transcript_beside_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vtt(tmp_path / "talk.vtt", "hello")
    monkeypatch.chdir(tmp_path)
    for where in ("talk.vtt", "./talk.vtt", "."):
        source = TranscriptSource(where)
        assert find(source, ["talk.mp4"]) == {"talk.mp4": "hello"}
        assert told(source) == ([], [], [], 0)


@pytest.mark.parametrize(("name", "said"), [("gone", "no such"), ("a.txt", ".txt is not")])
def test_nothing_there_or_nothing_known(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=said):
        list(TranscriptSource(str(tmp_path / name)).find(["a"]))


def test_subtitles_in_videos(tmp_path: Path) -> None:
    said = ((0.2, 0.9, "hello"), (1.0, 1.5, "you"))
    make_video(tmp_path / "a.mkv", subtitles=said)
    make_video(tmp_path / "b.mp4", subtitles=said)
    make_video(tmp_path / "silent.mp4")
    make_video(tmp_path / "both.mkv", subtitles=said)
    make_video(tmp_path / "nobody.mkv", subtitles=said)
    vtt(tmp_path / "both.en.vtt", "beside")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    source = TranscriptSource(str(tmp_path))
    videos = ["a.mkv", "b.mp4", "silent.mp4", "both.mkv", "broken.mp4"]
    found = dict(source.find(videos))
    assert list(found) == ["a.mkv", "b.mp4", "both.mkv"]
    assert [s.text for s in found["a.mkv"].segments] == ["hello", "you"]
    assert found["a.mkv"].segments[0].span.start_s == pytest.approx(0.2)
    assert [s.text for s in found["both.mkv"].segments] == ["beside"]
    assert (source.missing, source.unused) == (["silent.mp4", "broken.mp4"], [])
    assert [Path(path).name for path, _ in source.unreadable] == ["broken.mp4"]


def test_links_into_themselves_and_folders_that_cannot_be_read(tmp_path: Path) -> None:
    vtt(tmp_path / "real/a.vtt", "a")
    (tmp_path / "real/up").symlink_to(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "here/linked").symlink_to(tmp_path / "real")
    (tmp_path / "dangling.vtt").symlink_to(tmp_path / "gone.vtt")
    source = TranscriptSource(str(tmp_path))
    assert find(source, ["a.mp4", "dangling"]) == {"a.mp4": "a"}
    assert [Path(path).name for path, _ in source.unreadable] == ["dangling.vtt"]


def test_names_that_are_not_unicode(tmp_path: Path) -> None:
    (tmp_path / "caf\udce9.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nx\n")
    source = TranscriptSource(str(tmp_path))
    assert find(source, ["caf\\xe9.mp4"]) == {"caf\\xe9.mp4": "x"}
    assert find(source, ["other"]) == {}
    assert source.unused == ["caf\\xe9.vtt"]
