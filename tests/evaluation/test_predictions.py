"""Captions to judge: of runs, releases and files, and which references each is judged against."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pseudolabel.errors import HubError, InputError, OptionError, RunError
from pseudolabel.evaluation.metrics.matching import Of, ReferencedVideos, match
from pseudolabel.evaluation.metrics.predictions import Prediction, read_predictions
from pseudolabel.evaluation.metrics.references import References, Segment
from pseudolabel.records import Span
from release_factory import clip_rows, write_release
from run_factory import video_rows, write_run


def references(*ids: str, segments: Mapping[str, Segment] | None = None) -> References:
    return References("refs.json", "JSON by id", dict.fromkeys(ids, ("x",)), {}, segments or {})


def clips(*video_ids: str, each: int = 1) -> list[Prediction]:
    """Clips of 8 seconds."""
    return [
        Prediction(video_id, f"clip {index}", index, Span(index * 8.0, index * 8.0 + 8))
        for video_id in video_ids
        for index in range(each)
    ]


def chosen(
    predictions: Sequence[Prediction], against: References, of: Of | None = None
) -> dict[str, str]:
    matched = match(predictions, against, of=of)
    return {key: predictions[index].label for key, index in matched.chosen.items()}


def test_a_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [video_rows("b.mp4", ["a cat", "a dog"])], [video_rows("a")])
    found = read_predictions(run)
    assert [p.label for p in found.predictions] == ["a#0", "a#1", "b.mp4#0", "b.mp4#1"]
    assert found.predictions[3] == Prediction("b.mp4", "a dog", 1, Span(8, 16))


def test_a_release(tmp_path: Path) -> None:
    write_release(tmp_path / "release", clip_rows(2))
    found = read_predictions(str(tmp_path / "release"))
    assert len(found.predictions) == 4
    assert found.predictions[0].caption == "clip 0 of world-00.mp4"


@pytest.mark.parametrize(
    "text",
    [
        '[{"image_id": 7, "caption": "a cat"}, {"image_id": 8, "caption": "a dog"}]',
        '{"7": "a cat", "8": ["a dog"]}',
        '{"7": [{"caption": "a cat"}], "8": "a dog"}',
        '{"id": 7, "caption": "a cat"}\n{"id": "8", "caption": "a dog"}\n',
        "video_id,caption\n7,a cat\n8,a dog\n",
        "7 a cat\n8 a dog\n",
    ],
)
def test_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "captions"
    path.write_text(text)
    found = read_predictions(str(path))
    assert found.predictions == (Prediction("7", "a cat"), Prediction("8", "a dog"))


def test_a_parquet_file_of_clips(tmp_path: Path) -> None:
    path = tmp_path / "clips.parquet"
    pq.write_table(pa.Table.from_pylist(clip_rows(1, 2)), path)
    found = read_predictions(str(path))
    assert found.predictions[1].label == "world-00.mp4#1"
    assert found.predictions[1].span == Span(8, 16)


def test_numbers_of_clips_with_a_point_in_them(tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"  # as pandas writes a column that had a gap in it
    path.write_text("video_id,clip_index,caption\na,0.0,x\na,1.0,y\n")
    found = read_predictions(str(path)).predictions
    assert [prediction.label for prediction in found] == ["a#0", "a#1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": ["x", "y"]}', "'a' has 2 captions; one is judged"),
        ("a x\na y\n", "'a' has more than one caption"),
        ('{"a": "x", "b": "z", "a": "y"}', "'a' stands twice in one object"),
        (
            '{"id": "a", "caption": "x"}\n{"id": "b", "id": "c", "caption": "y"}',
            "'id' stands twice",
        ),
        ('{"a": {"b": "c"}}', "no known shape"),
        ("{}", "holds no captions"),
        ("video_id,caption,clip_index\na,x,one\n", "clip_index 'one' is no whole number"),
        ('{"video_id": "a", "caption": "x", "clip_index": Infinity}', "'inf' is no whole number"),
        ('[{"video_id": "a", "caption": "x", "clip_index": 1.5}]', "'1.5' is no whole number"),
    ],
)
def test_what_is_no_file_of_captions(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "captions.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_predictions(str(path))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_predictions(str(tmp_path / "captions.json"))
    with pytest.raises(RunError, match="not a run folder"):
        read_predictions(str(tmp_path))
    with pytest.raises(HubError):  # a release on the Hub, which tests do not reach
        read_predictions("USER/REPO@v1.0.0")


def test_ids_match_by_file_name() -> None:
    predicted = clips("clips/video1.mp4", "v\\video2.AVI", "video3", "video.4", "other.mp4")
    against = references("video1", "video2", "video3.webm", "video.4", "video5")
    assert chosen(predicted, against) == {
        "video1": "clips/video1.mp4#0",
        "video2": "v\\video2.AVI#0",
        "video3.webm": "video3#0",
        "video.4": "video.4#0",
    }
    assert match(predicted, against).without_reference == ("other.mp4",)


def test_an_alias_is_a_name() -> None:
    against = References("c.json", "COCO", {"42": ("x",)}, {"COCO_42": "42"})
    assert chosen([Prediction("coco/COCO_42.jpg", "y")], against) == {"42": "coco/COCO_42.jpg"}


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match=r"'a/v.mp4#0' and 'b/v.mp4#0' both mean 'v'"):
        match(clips("a/v.mp4", "b/v.mp4"), references("v"))
    with pytest.raises(InputError, match=r"'v.mp4' could be 'a/v' or 'b/v'"):
        match([Prediction("v.mp4", "x")], references("a/v", "b/v"))
    assert chosen(clips("a/v", "b/v"), references("a/v", "b/v")) == {"a/v": "a/v#0", "b/v": "b/v#0"}


def test_several_clips_need_a_choice() -> None:
    predicted = clips("v.mp4", each=4)
    with pytest.raises(InputError, match=r"1 videos have several clips .* 'v' with 4") as error:
        match(predicted, references("v"))
    assert "--of video" in str(error.value.hint)
    assert chosen(predicted, references("v"), "video") == {"v": "v.mp4#1"}
    assert chosen(predicted[:3], references("v"), "video") == {"v": "v.mp4#1"}
    untimed = [Prediction("v", "x", index) for index in range(3)]
    assert chosen(untimed, references("v"), "video") == {"v": "v#1"}


def test_clips_match_by_number() -> None:
    predicted = clips("v.mp4", each=3)
    assert chosen(predicted, references("v#2", "v#7")) == {"v#2": "v.mp4#2"}
    assert match(predicted, references("v#2")).without_reference == ("v.mp4#0", "v.mp4#1")
    assert chosen(predicted, references("v"), "clip") == {}


def test_stretches_take_the_clip_that_overlaps_most() -> None:
    spans = {"v#0": Span(1, 8), "v#1": Span(10, 18), "v#2": Span(0, 24), "w#0": Span(0, 8)}
    segments = {key: Segment(key[0], span) for key, span in spans.items()}
    against = references(*spans, segments=segments)
    predicted = clips("v.mp4", "x.mp4", each=3)
    # 1-8 is 7/8 of 0-8; 10-18 shares 6 of 10 s with 8-16; 0-24 is matched by a third at most.
    assert chosen(predicted, against) == {"v#0": "v.mp4#0", "v#1": "v.mp4#1"}
    assert match(predicted, against).without_reference == ("x.mp4",)
    with pytest.raises(OptionError, match="--of video"):
        match(predicted, against, of="video")
    with pytest.raises(InputError, match="no clip overlaps"):
        match([Prediction("v", "x", 0, Span(100, 108))], against)
    by_id = [Prediction("v#1", "x")]  # a file that has the references' own ids
    assert chosen(by_id, against) == {"v#1": "v#1"}


def test_stretches_of_videos_with_one_name_in_two_folders() -> None:
    predicted = clips("a/v.mp4", "b/v.mp4", "w.mp4", each=1)
    of_w = References("r", "r", {"w#0": ("x",)}, {}, {"w#0": Segment("w", Span(0, 8))})
    found = match(predicted, of_w)  # nothing is asked of the two
    assert dict(found.chosen) == {"w#0": 2}
    assert found.without_reference == ("a/v.mp4", "b/v.mp4")
    ids = ("a/v.mp4", "b/v.mp4")
    of_both = References(
        *("r", "r", {f"{video}#0": ("x",) for video in ids}, {}),
        {f"{video}#0": Segment(video, Span(at, at + 8)) for at, video in enumerate(ids)},
    )
    assert chosen(predicted, of_both) == {f"{video}#0": f"{video}#0" for video in ids}
    with pytest.raises(InputError, match=r"'v.mp4' could be 'a/v.mp4' or 'b/v.mp4'"):
        match(clips("v.mp4", each=1), of_both)
    videos = ReferencedVideos(of_both)
    assert videos.find("b/v.mp4") == ("b/v.mp4", "stretch")
    assert videos.stretches("b/v.mp4") == (Span(1, 9),)


def test_of_is_one_of_two() -> None:
    with pytest.raises(OptionError, match="--of frame"):
        match([], references("v"), of=json.loads('"frame"'))
