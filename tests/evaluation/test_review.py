"""The review page, as far as its file tells: which rows, which pictures, which figures."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import release_factory
import review_factory
import run_factory
from pseudolabel.errors import InputError, OptionError, RunError
from pseudolabel.evaluation.page.parts import FrameText
from pseudolabel.evaluation.page.plots import histogram
from pseudolabel.evaluation.review import Review, ReviewOptions, review
from pseudolabel.evaluation.reviewing.stills import fitting_widths
from pseudolabel.records import Flag, Skipped, SkipReason, Span
from pseudolabel.release.rows import arrow_schema
from video_factory import make_video, read_number

FPS = 25.0


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two videos whose frames show their numbers: of one and of three clips of 2 s."""
    folder = tmp_path_factory.mktemp("videos")
    return [
        make_video(folder / "a.mp4", seconds=2, gop=10),
        make_video(folder / "b.mp4", seconds=6, gop=10, bframes=2),
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, videos: list[Path]) -> str:
    """A run over them: four clips of three frames with two texts each."""
    skipped = [
        Skipped("c.mp4", "/x/c.mp4", "open", SkipReason.NOT_A_VIDEO, "no container"),
        Skipped("d.mp4", "/x/d.mp4", "open", SkipReason.NOT_A_VIDEO, "no container"),
        Skipped("b.mp4", "/x/b.mp4", "decode", SkipReason.DECODE_ERROR, "bad", Span(6, 8), 3),
    ]
    path = tmp_path_factory.mktemp("runs") / "run"
    return review_factory.write_run(path, videos, clip_s=2.0, snap="exact", skipped=skipped)


def part(page: Path, name: str) -> list[Any]:
    """What the page carries under a name: its blocks' items, one list."""
    pattern = rf'<script type="application/json" data-part="{name}">(.*?)</script>'
    found = re.findall(pattern, page.read_text("utf-8"))
    return [item for block in found for item in json.loads(block)]


def keys(page: Path) -> list[str]:
    return [clip[0] for clip in part(page, "clips")]


def pixels(jpeg: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(jpeg))))


def written(source: str | Path, out: Path, **options: Any) -> Review:
    return review(str(source), str(out), ReviewOptions(workers=2, **options))


def test_every_picture_is_the_frame_that_was_captioned(run: str, tmp_path: Path) -> None:
    page = tmp_path / "review.html"
    found = written(run, page)
    assert (found.shown, found.with_picture, found.notes) == (4, 4, [])
    shown = 0
    for image, line in zip(part(page, "images"), part(page, "frames"), strict=True):
        for at, (time_s, _, _, _, other, *_) in enumerate(line["frames"]):
            picture = image if at == line["pictured"] else other
            assert read_number(pixels(picture)) == round(time_s * FPS)
            shown += 1
    assert shown == 12


def test_keyframes_are_found_again(videos: list[Path], tmp_path: Path) -> None:
    run = review_factory.write_run(tmp_path / "run", videos, clip_s=2.0, snap="keyframe")
    page = tmp_path / "review.html"
    assert written(run, page).with_picture == 4
    for image, line in zip(part(page, "images"), part(page, "frames"), strict=True):
        time_s = line["frames"][line["pictured"]][0]
        assert read_number(pixels(image)) == round(time_s * FPS)


def test_all_texts_are_there_with_their_scores(run: str, tmp_path: Path) -> None:
    page = tmp_path / "review.html"
    written(run, page, pictures="none")
    assert keys(page) == ["a.mp4#0", "b.mp4#0", "b.mp4#1", "b.mp4#2"]
    about = json.loads(re.findall(r'data-part="about">(.*?)</script>', page.read_text("utf-8"))[0])
    names = ["key", "title", *(column["key"] for column in about["columns"])]
    assert about["flags"]["loop"] == review_factory.RULES["loop"]
    for clip, line in zip(part(page, "clips"), part(page, "frames"), strict=True):
        row = dict(zip(names, clip, strict=True))
        _, texts, chosen, scores, image, more = line["frames"][line["pictured"]]
        assert (len(texts), len(scores), len(more["logprobs"]), image) == (2, 2, 2, None)
        assert texts[chosen] == row["caption"]
        assert scores[chosen] == pytest.approx(row["similarity"])
        assert more["logprobs"][chosen] == pytest.approx(row["mean_logprob"])
        assert row["texts"] == 6
        assert 0 <= row["chance_percentile"] <= 100
        assert (line["start_s"], line["end_s"]) == (row["start_s"], row["end_s"])
        assert line["parts"][0][0] == line["frames"][line["pictured"]][0]


def test_figures_are_of_the_whole_run(tmp_path: Path) -> None:
    rows = [
        run_factory.video_rows("a.mp4", ["the same"] * 12, flags=(Flag.LOOP,)),
        run_factory.video_rows("b.mp4", ["one", "two"]),
    ]
    run = run_factory.write_run(tmp_path / "run", rows)
    found = written(run, tmp_path / "review.html", clips=1, pictures="none")
    assert (found.clips, found.videos, found.shown) == (14, 2, 1)
    assert (found.flags["loop"], found.flags["repeated"], found.flags["black"]) == (12, 12, 0)
    assert list(found.flags) == [flag.value for flag in Flag]
    assert found.without_flags == 2
    assert found.most_repeated == [("the same", 12)]
    text = (tmp_path / "review.html").read_text("utf-8")
    assert "14 clips of 2 videos; 1 of them, drawn at random" in text
    assert "The list holds 1 of the 14 clips." in text


def test_what_was_skipped_is_counted_by_reason(run: str, tmp_path: Path) -> None:
    found = written(run, tmp_path / "review.html", pictures="none")
    assert found.skipped == {"not_a_video": 2, "decode_error": 1}
    assert json.loads(found.to_json())["skipped"] == found.skipped


def test_a_draw_is_the_same_however_the_rows_lie(tmp_path: Path) -> None:
    rows = [
        run_factory.video_rows(f"{n:03}.mp4", [f"{n} {c}" for c in range(4)]) for n in range(60)
    ]
    one = run_factory.write_run(tmp_path / "one", rows)
    many = run_factory.write_run(tmp_path / "many", *([row] for row in rows[::-1]))
    drawn = {}
    for run, count in ((one, 50), (many, 50), (one, 20), (one, 240)):
        page = tmp_path / "review.html"
        written(run, page, clips=count, pictures="none")
        drawn[run, count] = keys(page)
    assert drawn[one, 50] == drawn[many, 50] == sorted(drawn[one, 50])
    assert len(set(drawn[one, 50])) == 50
    assert set(drawn[one, 20]) < set(drawn[one, 50]) < set(drawn[one, 240])
    assert len({key.split(".")[0] for key in drawn[one, 50]}) > 25  # spread over the videos


def test_memory_holds_what_is_shown(tmp_path: Path) -> None:
    def part_of(n: int) -> list[Any]:
        return [run_factory.video_rows(f"{n:03}.mp4", ["word " * 2000 + str(n)] * 100)]

    run = run_factory.write_run(tmp_path / "run", *map(part_of, range(15)))
    before, held = pa.total_allocated_bytes(), []
    review(
        run,
        str(tmp_path / "review.html"),
        ReviewOptions(clips=20, pictures="none"),
        on_progress=lambda _done, _all: held.append(pa.total_allocated_bytes() - before),
    )
    assert len(held) == 20
    assert max(held) < 3_000_000  # of 30 million bytes of texts


def test_conditions_choose_before_the_draw(tmp_path: Path) -> None:
    rows = [run_factory.video_rows("a.mp4", [*["the same"] * 12, "a red cat", "a dog"])]
    run = run_factory.write_run(tmp_path / "run", rows)
    page = tmp_path / "review.html"
    written(run, page, pictures="none", where=("not flagged(repeated)",))
    assert keys(page) == ["a.mp4#12", "a.mp4#13"]
    assert "listed: the 2 where not flagged(repeated)" in page.read_text("utf-8")
    written(run, page, pictures="none", where=("repeats < 12", 'contains(caption, "cat")'))
    assert keys(page) == ["a.mp4#12"]


@pytest.mark.parametrize(
    ("where", "error", "message"),
    [
        ("flagged(black)", InputError, "none of its 4 clips meets --where"),
        ("nothing > 1", OptionError, "no column 'nothing'"),
        ('model == "x"', OptionError, "model"),
        ("1 +", OptionError, "cannot be read"),
    ],
)
def test_conditions_that_cannot_be_met(
    run: str, tmp_path: Path, where: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        written(run, tmp_path / "review.html", where=(where,))
    assert not (tmp_path / "review.html").exists()


def test_videos_that_are_gone_leave_a_page_that_says_so(videos: list[Path], tmp_path: Path) -> None:
    gone = make_video(tmp_path / "gone.mp4", seconds=2)
    run = review_factory.write_run(tmp_path / "run", [*videos, gone], clip_s=2.0)
    gone.unlink()
    found = written(run, tmp_path / "review.html")
    assert (found.shown, found.with_picture) == (5, 4)
    (note,) = found.notes
    assert note.startswith("1 of 3 videos cannot be read")
    assert part(tmp_path / "review.html", "notes") == [note]


def test_a_video_that_has_changed_has_no_pictures(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=2)
    run = review_factory.write_run(tmp_path / "run", [path], clip_s=2.0)
    make_video(path, seconds=2, size=(64, 48))
    found = written(run, tmp_path / "review.html")
    assert found.with_picture == 0
    assert found.notes == ["1 of 1 videos are others than were captioned: no pictures of them."]


def test_videos_can_be_said_to_be_elsewhere(run: str, videos: list[Path], tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for video in videos:
        (moved / video.name).write_bytes(video.read_bytes())
    (moved / "a.mp4").unlink()
    found = written(run, tmp_path / "review.html", videos=str(moved))
    assert found.with_picture == 3
    with pytest.raises(InputError):
        written(run, tmp_path / "review.html", videos=str(tmp_path / "nowhere"))


def test_only_captioned_frames_are_pictured_if_asked(run: str, tmp_path: Path) -> None:
    page = tmp_path / "review.html"
    assert written(run, page, pictures="captioned").with_picture == 4
    assert all(part(page, "images"))
    assert not any(frame[4] for line in part(page, "frames") for frame in line["frames"])


def test_a_release_is_read_with_its_frames(videos: list[Path], tmp_path: Path) -> None:
    times = {"a.mp4": (0.44, 1.0, 1.56), "b.mp4": (0.4, 1.2)}
    clips = [
        release_factory.clip_row(name, end_s=2.0, content_hash="", frame_time_s=of[1], repeats=3)
        for name, of in times.items()
    ]
    clips[0]["flags"] = ["loop"]
    frames = [
        release_factory.frame_row(clip, at, time_s=time_s, is_keyframe=False)
        for clip in clips
        for at, time_s in reversed(list(enumerate(times[clip["video_id"]])))
    ]
    for clip in clips:
        clip["parts"][0]["frame"] = clip["parts"][0]["last_frame"] = 1
    skipped = [release_factory.skipped_row("broken.mp4")]
    release = release_factory.write_release(
        tmp_path / "release", clips, frames=frames, skipped=skipped, rows_per_file=1
    )
    page = tmp_path / "review.html"
    found = written(release, page)
    assert (found.clips, found.videos, found.flags["loop"]) == (2, 2, 1)
    assert found.skipped == {"decode_error": 1}
    assert found.with_picture == 0
    assert found.notes[0].startswith("2 of 2 videos cannot be read")
    lines = part(page, "frames")
    assert [[frame[0] for frame in line["frames"]] for line in lines] == [
        *map(list, times.values())
    ]
    assert written(release, page, videos=str(videos[0].parent)).with_picture == 2
    for image, time_s in zip(part(page, "images"), (1.0, 1.2), strict=True):
        assert read_number(pixels(image)) == round(time_s * FPS)


def test_the_pictures_of_a_release_need_no_video(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), (200, 30, 30)).save(buffer, "JPEG")
    images = [{"bytes": buffer.getvalue(), "path": None}, None]
    rows = [
        {**row, "image": image}
        for row, image in zip(release_factory.clip_rows(2, 1), images, strict=True)
    ]
    schemas = {"clips": arrow_schema("clips", with_images=True)}
    release = release_factory.write_release(tmp_path / "release", rows, schemas=schemas)
    page = tmp_path / "review.html"
    assert written(release, page).with_picture == 1
    first, second = part(page, "images")
    assert pixels(first).shape == (240, 320, 3)
    assert second is None


def test_a_rewritten_caption_has_no_chosen_text(tmp_path: Path) -> None:
    rows = [release_factory.clip_row(is_rewritten=True, caption="all of it")]
    release = release_factory.write_release(tmp_path / "release", rows)
    page = tmp_path / "review.html"
    written(release, page, pictures="none")
    assert [frame[2] for line in part(page, "frames") for frame in line["frames"]] == [None]


def test_the_same_run_makes_the_same_page(run: str, tmp_path: Path) -> None:
    pages = [tmp_path / "1.html", tmp_path / "2.html"]
    for page in pages:
        written(run, page)
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_what_cannot_be_reviewed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    empty = run_factory.write_run(tmp_path / "empty", [])
    with pytest.raises(RunError, match="not a run folder"):
        written(tmp_path / "folder", tmp_path / "review.html")
    with pytest.raises(InputError, match="holds no captioned clip"):
        written(empty, tmp_path / "review.html")


@pytest.mark.parametrize("options", [{"clips": 0}, {"megabytes": 0}, {"pictures": "some"}])
def test_options_check_themselves(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as raised:
        ReviewOptions(**options)
    assert raised.value.hint


def _budget(others: int, clips: int, megabytes: float, flagged: int = 0) -> tuple[Any, Any]:
    first = np.arange(clips) >= clips - flagged
    widths = fitting_widths(np.full(clips, others), first, megabytes * 1e6)
    return widths.captioned, widths.others


def test_few_pictures_are_large_and_many_small() -> None:
    sizes: list[tuple[int, int]] = []
    for clips in (100, 500, 1000, 2000, 3000):
        captioned, others = _budget(7, clips, 100)
        assert len(set(captioned)) == len(set(others)) == 1
        sizes.append((int(captioned[0]), int(others[0])))
    assert sizes[0] == (320, 240)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1][0] < 320


def test_what_does_not_fit_goes_to_flagged_clips_first() -> None:
    captioned, others = _budget(7, 10_000, 100, flagged=500)
    assert captioned.min() >= 112
    assert others[-500:].min() > 0
    assert 500 < np.count_nonzero(others) < 10_000
    captioned, others = _budget(7, 10_000, 1, flagged=100)
    assert captioned[-100:].min() > 0
    assert np.count_nonzero(captioned) < 1000
    assert not np.any(others[captioned == 0])


def test_a_histogram_of_whole_numbers_has_a_bin_around_each() -> None:
    plot = histogram([3, 3, 4, 6], title="Words", x_label="words", is_whole=True)
    (area,) = re.findall(r'class="area a" d="([^"]+)"', plot)
    heights = [float(height) for height in re.findall(r"V([\d.]+)H", area)]
    floor, half, top = 210.0, 114.0, 18.0
    assert [round(height) for height in heights] == [top, half, floor, half]
    assert 'class="legend"' not in plot


def test_the_floor_of_chance_stands_between_what_is_above_and_below(
    videos: list[Path], tmp_path: Path
) -> None:
    scored = review_factory.write_run(tmp_path / "scored", videos, clip_s=0.25)
    written(scored, tmp_path / "review.html", pictures="none")
    assert "95 % of chance" in (tmp_path / "review.html").read_text("utf-8")
    unscored = run_factory.write_run(tmp_path / "run", [run_factory.video_rows("a.mp4")])
    written(unscored, tmp_path / "review.html", pictures="none")
    text = (tmp_path / "review.html").read_text("utf-8")
    assert "95 % of chance" not in text
    assert "Similarity of caption and frame" not in text


def test_frames_check_themselves() -> None:
    for wrong in ({"logprobs": [0.1]}, {"marks": ["cut off"]}):
        with pytest.raises(ValueError, match="of 2 texts"):
            FrameText(0.0, ["a", "b"], **wrong)
