"""From runs to a release folder that others can load."""

from __future__ import annotations

import json
import os
from pathlib import Path

import datasets
import jsonschema
import pandas as pd
import polars
import pyarrow.parquet as pq
import pytest

from export_factory import checksums, make, rows
from pseudolabel.contract import load_schema
from pseudolabel.errors import OptionError, ReleaseError
from pseudolabel.release.manifest import CHANGELOG, MANIFEST, read_manifest
from pseudolabel.release.splits import parse_splits, split_of
from pseudolabel.release.validate import validate_folder
from run_factory import skipped_video, video_rows, write_run

SPLIT = "train=0.7,validation=0.3"


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def test_rows_of_a_run_become_rows_of_a_release(run: str, tmp_path: Path) -> None:
    manifest = make(run, tmp_path / "release")
    clips = rows(tmp_path / "release", "clips")
    assert [(c["video_id"], c["clip_index"], c["caption"]) for c in clips] == [
        (f"v{i:02}.mp4", j, f"a {what} {i}")
        for i in range(30)
        for j, what in enumerate(("cat", "dog"))
    ]
    assert manifest.clips == 60
    assert {c["model"] for c in clips} == {"org/captioner"}
    assert {c["run"] for c in clips} == {manifest.runs[0].run}
    frames = rows(tmp_path / "release", "frames")
    assert [f["captions"][0]["text"] for f in frames] == [c["caption"] for c in clips]
    (skipped,) = rows(tmp_path / "release", "skipped")
    assert (skipped["video_id"], skipped["reason"]) == ("lost.mp4", "no_frames")
    assert validate_folder(tmp_path / "release") == []


def test_frames_and_samples_are_kept(tmp_path: Path) -> None:
    videos = [
        video_rows("one.mp4", ("a cat",)),
        video_rows("many.mp4", (("a cat", "the cat"), ("a dog", "the dog")), frames=3),
    ]
    make(write_run(tmp_path / "run", videos), tmp_path / "release")
    clips = rows(tmp_path / "release", "clips")
    assert [c["samples"] for c in clips] == [
        None,
        ["a cat", "the cat"] * 3,
        ["a dog", "the dog"] * 3,
    ]
    assert [[p["frame"] for p in c["parts"]] for c in clips] == [[0], [1], [1]]
    frames = rows(tmp_path / "release", "frames")
    keys = [(f["video_id"], f["clip_index"], f["frame_index"]) for f in frames]
    assert keys == [("one.mp4", 0, 0), *(("many.mp4", c, f) for c in (0, 1) for f in (0, 1, 2))]
    assert [len(f["captions"]) for f in frames] == [1, 2, 2, 2, 2, 2, 2]
    assert validate_folder(tmp_path / "release") == []


def test_rows_and_manifest_fit_their_published_schemas(run: str, tmp_path: Path) -> None:
    release = tmp_path / "release"
    make(run, release, split=SPLIT, where=("not contains(caption, 'dog 3')",))
    for config, schema in (("clips", "clip.v1"), ("frames", "frame.v1"), ("skipped", "skipped.v1")):
        for row in rows(release, config):
            jsonschema.validate(row, load_schema(schema))
    jsonschema.validate(json.loads((release / MANIFEST).read_text()), load_schema("release.v1"))


def test_datasets_pandas_and_polars_read_it(run: str, tmp_path: Path) -> None:
    release = tmp_path / "release"
    make(run, release, split=SPLIT)
    loaded = datasets.load_dataset(str(release))
    assert {split: len(loaded[split]) for split in loaded} == {
        split: counts.rows for split, counts in read_manifest(release).configs["clips"].items()
    }
    for split in ("train", "validation"):
        expected = rows(release, "clips", split)
        assert list(loaded[split]) == expected
        files = release / "data" / "clips"
        from_pandas = pd.concat(pd.read_parquet(f) for f in sorted(files.glob(f"{split}-*")))
        assert from_pandas["caption"].tolist() == [row["caption"] for row in expected]
        frame = polars.read_parquet(files / f"{split}-*.parquet")
        assert frame["caption"].to_list() == [row["caption"] for row in expected]
    frames = datasets.load_dataset(str(release), "frames", split="train")
    assert frames[0]["captions"][0]["text"].startswith("a ")
    streamed = datasets.load_dataset(str(release), "clips", split="train", streaming=True)
    assert next(iter(streamed)) == rows(release, "clips", "train")[0]
    with pytest.raises(ValueError, match="train"):  # `datasets` has no splits without rows,
        datasets.load_dataset(str(release), "skipped", split="train")  # so none is promised
    assert len(datasets.load_dataset(str(release), "skipped", split="validation")) == 1


def test_the_same_run_gives_the_same_bytes(run: str, tmp_path: Path) -> None:
    make(run, tmp_path / "one", split=SPLIT, name="x")
    make(run, tmp_path / "two", split=SPLIT, name="x")
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 12
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_bytes_do_not_depend_on_the_sizes_of_parts(tmp_path: Path) -> None:
    videos = [video_rows(f"v{i}.mp4", (f"a cat {i}",)) for i in range(8)]
    same = "0" * 16
    make(write_run(tmp_path / "one", videos, run_id=same), tmp_path / "release1")
    parts = videos[:3], videos[3:]
    make(write_run(tmp_path / "two", *parts, run_id=same), tmp_path / "release2")
    first, second = (checksums(tmp_path / name) for name in ("release1", "release2"))
    data = [path for path in first if path.startswith("data/")]
    assert [first[path] for path in data] == [second[path] for path in data]


def test_splits_are_by_video_and_none_moves_when_videos_are_added(tmp_path: Path) -> None:
    few = [video_rows(f"v{i}.mp4", ("a", "b", "c")) for i in range(40)]
    more = [video_rows(f"w{i}.mp4", ("a", "b", "c")) for i in range(40)]
    make(write_run(tmp_path / "few", few), tmp_path / "small", split=SPLIT)
    make(write_run(tmp_path / "more", more, few), tmp_path / "large", split=SPLIT)
    shares = parse_splits(SPLIT)
    for split in shares:
        small = {row["video_id"] for row in rows(tmp_path / "small", "clips", split)}
        large = {row["video_id"] for row in rows(tmp_path / "large", "clips", split)}
        assert small <= large
        assert {split_of(video_id, shares) for video_id in large} == {split}
        assert len(large) > 0.15 * 80  # no split is a trickle
    assert len(rows(tmp_path / "large", "clips")) == 240


def test_shards_are_as_large_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pseudolabel.release.writing.building.ROWS_PER_GROUP", 200)
    texts = [os.urandom(400).hex() for _ in range(3000)]
    videos = [video_rows(f"v{i}.mp4", texts[i * 10 : i * 10 + 10]) for i in range(300)]
    make(write_run(tmp_path / "run", videos), tmp_path / "release", max_shard_size="300KB")
    files = [f for f in read_manifest(tmp_path / "release").files if "data/clips" in f.path]
    assert len(files) > 4
    assert all(file.bytes <= 330_000 for file in files)
    assert [f.path for f in files] == [
        f"data/clips/train-{i:05d}-of-{len(files):05d}.parquet" for i in range(len(files))
    ]
    assert [row["caption"] for row in rows(tmp_path / "release", "clips")] == texts
    assert validate_folder(tmp_path / "release") == []


def test_parquet_is_as_the_hub_likes_it(run: str, tmp_path: Path) -> None:
    make(run, tmp_path / "release")
    file = pq.ParquetFile(tmp_path / "release" / "data/clips/train-00000-of-00001.parquet")
    column = file.metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert column.has_column_index and column.has_offset_index
    features = datasets.Features.from_arrow_schema(file.schema_arrow)
    assert features["flags"] == datasets.List(datasets.Value("string"))


def test_filters_say_what_they_left_out(tmp_path: Path) -> None:
    videos = [
        video_rows("a.mp4", ("a red cat", "dog")),
        video_rows("b.mp4", ("a blue dog runs", "a"), logprob=None),
    ]
    release = tmp_path / "release"
    where = ("words > 1", "mean_logprob > -1")
    manifest = make(write_run(tmp_path / "run", videos), release, where=where)
    assert [(f.where, f.removed, f.unknown) for f in manifest.filters] == [
        ("words > 1", 2, 0),
        ("mean_logprob > -1", 1, 1),
    ]
    assert [c["caption"] for c in rows(release, "clips")] == ["a red cat"]
    assert len(rows(release, "frames")) == 1
    left_out = [(s["video_id"], s["clip_index"], s["detail"]) for s in rows(release, "skipped")]
    assert left_out == [
        ("a.mp4", 1, "--where words > 1"),
        ("b.mp4", 1, "--where words > 1"),
        ("b.mp4", 0, "--where mean_logprob > -1"),
    ]
    assert {s["reason"] for s in rows(release, "skipped")} == {"filtered"}


def test_the_card_names_no_caption_that_was_left_out(tmp_path: Path) -> None:
    texts = [("a dreadful word", "a cat", f"number {i}") for i in range(12)]
    texts += [("a dog", "a cat", "a dog")]
    run = write_run(tmp_path / "run", [video_rows(f"v{i}.mp4", t) for i, t in enumerate(texts)])
    every = make(run, tmp_path / "all").statistics.most_repeated
    counted = [("a cat", 13), ("a dreadful word", 12), ("a dog", 2)]
    assert [(found.caption, found.clips) for found in every] == counted
    release = tmp_path / "release"
    left = make(run, release, where=("not contains(caption, 'dreadful')",)).statistics
    assert [(found.caption, found.clips) for found in left.most_repeated] == [
        ("a cat", 13),
        ("a dog", 2),
    ]
    assert "a dreadful word" not in (release / "README.md").read_text(encoding="utf-8")


def test_a_video_that_several_filters_left_out_clips_of_counts_once(tmp_path: Path) -> None:
    texts = ("a cat", "two dogs run", "x")
    lost = [skipped_video("b.mp4")]
    videos = [video_rows("a.mp4", texts), video_rows("b.mp4", texts, skipped=lost)]
    release = tmp_path / "release"
    where = ("words < 3", "words > 1")
    manifest = make(write_run(tmp_path / "run", videos), release, where=where)
    counts = manifest.configs["skipped"]["train"]
    assert (counts.rows, counts.videos) == (5, 2)
    assert "5 rows from 2 videos" in (release / "README.md").read_text(encoding="utf-8")


def test_nothing_of_this_disk_is_published(tmp_path: Path) -> None:
    """Neither folders of videos nor of models; a source on the web becomes the url."""
    lost = skipped_video("sub/lost.mp4", "/home/me/videos/sub/lost.mp4: no such file")
    videos = [
        video_rows("sub/a.mp4", ("a cat",)),
        video_rows("b.mp4", ("a dog",), source="https://me:word@host/b.mp4?token=1"),
        video_rows("sub/lost.mp4", (), skipped=[lost]),
    ]
    captioner = {"model": "/home/me/models/blip", "revision": "sha256:abcd"}
    made = write_run(
        tmp_path / "run", videos, captioner=captioner, options={"--model": "/home/me/models/blip"}
    )
    make(made, tmp_path / "release")
    clips = {row["video_id"]: row for row in rows(tmp_path / "release", "clips")}
    assert clips["b.mp4"]["url"] == "https://host/b.mp4"
    assert clips["sub/a.mp4"]["url"] is None
    assert clips["b.mp4"]["model"] == "blip"
    (skipped,) = rows(tmp_path / "release", "skipped")
    assert skipped["detail"] == "sub/lost.mp4: no such file"
    for path in (tmp_path / "release").rglob("*.*"):
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data = repr(pq.read_table(path).to_pylist()).encode()
        assert b"/home/me" not in data, path
        assert str(tmp_path).encode() not in data, path


def test_runs_merge(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", [video_rows("a.mp4")], captioner={"model": "org/one"})
    two = write_run(tmp_path / "two", [video_rows("b.mp4")], captioner={"model": "org/two"})
    manifest = make([one, two], tmp_path / "release")
    models = {row["video_id"]: row["model"] for row in rows(tmp_path / "release", "clips")}
    assert models == {"a.mp4": "org/one", "b.mp4": "org/two"}
    assert [(r.captioner["model"], r.clips) for r in manifest.runs] == [
        ("org/one", 2),
        ("org/two", 2),
    ]


def test_the_same_clip_twice_needs_a_word(tmp_path: Path) -> None:
    shared, only = video_rows("a.mp4", ("old",)), video_rows("b.mp4", ("kept",))
    old = write_run(tmp_path / "old", [shared, only])
    new = write_run(
        tmp_path / "new",
        [video_rows("a.mp4", ("new", "er"))],
        created_at="2026-05-01T00:00:00+00:00",
    )
    for order in ([old, new], [new, old]):
        with pytest.raises(ReleaseError, match=r"'a.mp4' has clips in .*old.*new|new.*old"):
            make(order, tmp_path / "release")
        assert not (tmp_path / "release").exists()
    for at, order in enumerate(([old, new], [new, old])):
        manifest = make(order, tmp_path / f"release{at}", prefer="newest")
        captions = {c["caption"] for c in rows(tmp_path / f"release{at}", "clips")}
        assert captions == {"new", "er", "kept"}
        assert manifest.merge.replaced_videos == 1


def test_a_run_that_captioned_a_video_wins_over_one_that_could_not(tmp_path: Path) -> None:
    lost = video_rows("a.mp4", (), skipped=[skipped_video("a.mp4")])
    failed = write_run(tmp_path / "failed", [lost], created_at="2026-05-01T00:00:00+00:00")
    worked = write_run(tmp_path / "worked", [video_rows("a.mp4")])
    manifest = make([failed, worked], tmp_path / "release")
    assert (manifest.clips, manifest.configs["skipped"]["train"].rows) == (2, 0)


def test_rows_of_an_older_part_do_not_come_back(tmp_path: Path) -> None:
    made = write_run(
        tmp_path / "run", [video_rows("a.mp4", ("old",))], [video_rows("a.mp4", ("new",))]
    )
    make(made, tmp_path / "release")
    assert [row["caption"] for row in rows(tmp_path / "release", "clips")] == ["new"]


HOSTILE = [
    "say \"cheese\", 'twice'",
    "two\nlines\r\nand a\ttab",
    "a 🐈‍⬛ and a 👩🏽‍🚀",
    "\u202eright to left\u202c \u200f",
    "---\nlicense: mit\n---",
    "<script>alert(1)</script> & <img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% raw %}",
    "```\n# heading\n```",
    "![x](http://x) [y](javascript:alert(1))",
    "\x00\x1b[31mred\x07",
    "=cmd|' /C calc'!A0",
]


def test_captions_come_back_identical_and_are_inert_in_the_card(tmp_path: Path) -> None:
    for at, text in enumerate(HOSTILE):
        made = write_run(tmp_path / f"run{at}", [video_rows("a.mp4", (text, *HOSTILE))])
        release = tmp_path / f"release{at}"
        make(made, release)
        assert [row["caption"] for row in rows(release, "clips")] == [text, *HOSTILE]
        card = (release / "README.md").read_text(encoding="utf-8")
        assert "<script" not in card and "<img" not in card and "\x1b" not in card
        assert "\u202e" not in card
        assert validate_folder(release) == []
    assert datasets.load_dataset(str(release), split="train")["caption"][:] == [text, *HOSTILE]


# -- what follows a release -----------------------------------------------------------------------


def test_the_next_version_says_what_changed(tmp_path: Path) -> None:
    few = [video_rows("a.mp4", ("a cat", "a dog"))]
    more = [*few, video_rows("b.mp4", ("a cow",))]
    make(write_run(tmp_path / "run1", few), tmp_path / "one")
    run2 = write_run(tmp_path / "run2", more)
    with pytest.raises(OptionError, match=r"1\.0\.1"):
        make(run2, tmp_path / "two", version="1.0.1", previous=str(tmp_path / "one"))
    with pytest.raises(OptionError, match=r"0\.9\.0"):
        make(run2, tmp_path / "two", version="0.9.0", previous=str(tmp_path / "one"))
    assert not (tmp_path / "two").exists()
    manifest = make(run2, tmp_path / "two", version="1.1.0", previous=str(tmp_path / "one"))
    assert manifest.previous is not None and manifest.previous.version == "1.0.0"
    text = (tmp_path / "two" / CHANGELOG).read_text(encoding="utf-8")
    assert text.index("## [1.1.0] - 2026-02-03") < text.index("## [1.0.0] - 2026-02-03")
    assert "1 clip" in text
    assert validate_folder(tmp_path / "two") == []


@pytest.mark.parametrize("held", [None, b"\xff\xfe"])
def test_a_previous_release_that_lacks_its_changelog(
    run: str, tmp_path: Path, held: bytes | None
) -> None:
    make(run, tmp_path / "1.0.0")
    (tmp_path / "1.0.0" / CHANGELOG).unlink()
    if held is not None:
        (tmp_path / "1.0.0" / CHANGELOG).write_bytes(held)
    with pytest.raises(ReleaseError, match=r"its CHANGELOG\.md cannot be read") as caught:
        make(run, tmp_path / "1.0.1", version="1.0.1", previous=str(tmp_path / "1.0.0"))
    assert caught.value.hint
    assert not (tmp_path / "1.0.1").exists()


def test_a_template_of_ones_own_writes_the_card(run: str, tmp_path: Path) -> None:
    template = tmp_path / "card.jinja"
    template.write_text(
        "# Mine {{ manifest.version }}\n\n{{ manifest.clips }} clips under {{ manifest.license }}\n"
    )
    make(run, tmp_path / "release", card_template=str(template))
    card = (tmp_path / "release" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: cc-by-4.0\n")
    assert card.endswith("# Mine 1.0.0\n\n60 clips under cc-by-4.0\n")
    assert validate_folder(tmp_path / "release") == []


def test_a_template_that_does_not_tell_the_version_is_refused(run: str, tmp_path: Path) -> None:
    """And not only by `validate` and `push`, when the release is made."""
    template = tmp_path / "card.jinja"
    template.write_text("# Mine\n")
    with pytest.raises(OptionError, match=r"does not say that this is version 1\.0\.0") as caught:
        make(run, tmp_path / "release", card_template=str(template))
    assert caught.value.hint == "write {{ manifest.version }} into it"
    assert not (tmp_path / "release").exists()


def test_what_looks_like_another_video_is_left_out(tmp_path: Path) -> None:
    """Only for what is released itself: a clip that --where leaves out keeps nobody out."""
    one, near, other = 0x0123456789ABCDEF, 0x0123456789ABCDEE, 0xFEDCBA9876543210
    run = write_run(
        tmp_path / "run",
        [video_rows("a.mp4", ["a cat", "a bird"], hashes=[one, other])],
        [video_rows("b.mp4", ["a cat"], hashes=[near])],  # which stays: by a hash of the names
        [video_rows("c.mp4", ["a dog"], hashes=[other], logprob=-3)],
        [video_rows("d.mp4", ["a cow"])],  # without a look at it
    )
    manifest = make(run, tmp_path / "release", dedup=True, where=["mean_logprob > -1"])
    kept = {(row["video_id"], row["clip_index"]) for row in rows(tmp_path / "release", "clips")}
    assert kept == {("a.mp4", 1), ("b.mp4", 0), ("d.mp4", 0)}
    skipped = rows(tmp_path / "release", "skipped")
    assert {(row["video_id"], row["reason"], row["detail"]) for row in skipped} == {
        ("a.mp4", "near_duplicate", "looks like b.mp4#0 which stays"),
        ("c.mp4", "filtered", "--where mean_logprob > -1"),
    }
    assert manifest.near_duplicates == 1
    assert not validate_folder(tmp_path / "release")
    everything = make(run, tmp_path / "all")
    assert (everything.configs["clips"]["train"].rows, everything.near_duplicates) == (5, None)
