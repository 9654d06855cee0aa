"""What is done: by the newest rows of each video, and by its content where its dates differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pseudolabel.records import Video
from pseudolabel.runs.storage import resume
from pseudolabel.runs.storage.folder import RunFolder
from pseudolabel.runs.storage.resume import DoneVideos
from pseudolabel.runs.storage.writer import VideoRows
from pseudolabel.videos.opening import hash_content
from run_factory import skipped_video, video_rows, write_run


def video(video_id: str, listed: str = "1-2", source: str = "nowhere.mp4") -> Video:
    return Video(video_id, source, listed)


def lost(video_id: str, listed: str) -> VideoRows:
    return VideoRows((), (replace(skipped_video(video_id), listed=listed),))


def of_content(video_id: str, content_hash: str) -> VideoRows:
    (clip,) = video_rows(video_id, ["text"]).clips
    info = replace(clip.clip.info, content_hash=content_hash)
    return VideoRows((replace(clip, clip=replace(clip.clip, info=info)),), ())


def test_those_in_any_part_and_no_others(tmp_path: Path) -> None:
    parts = [[video_rows(f"{part}-{at}") for at in range(7)] for part in range(5)]
    done = DoneVideos(RunFolder(write_run(tmp_path / "run", *parts)))
    assert all(video(f"{part}-{at}") in done for part in range(5) for at in range(7))
    assert not any(video(f"{part}-7") in done for part in range(5))
    assert video("0-0", listed="other") not in done


def test_an_empty_run_has_none(tmp_path: Path) -> None:
    assert video("a") not in DoneVideos(RunFolder(write_run(tmp_path / "run")))


def test_the_newest_rows_say_how_it_was_listed(tmp_path: Path) -> None:
    parts = [[lost("a", "old")], [lost("a", "new")], [lost("b", "only")]]
    folder = RunFolder(write_run(tmp_path / "run", *parts))
    done = DoneVideos(folder)
    assert video("a", "new") in done
    assert video("a", "old") not in done
    assert video("b", "only") in done
    again = DoneVideos(folder, retry_skipped=True)
    assert video("a", "new") not in again


def test_what_was_skipped_since_it_had_clips_is_tried_again(tmp_path: Path) -> None:
    """As where a disk was gone for a moment: the newer rows are what the run says of it."""
    run = write_run(tmp_path / "run", [video_rows("a"), video_rows("b")], [lost("a", "")])
    folder = RunFolder(run)
    assert video("a", "1-2") not in DoneVideos(folder)
    again = DoneVideos(folder, retry_skipped=True)
    assert video("a", "1-2") not in again
    assert video("a", "") not in again
    assert video("b", "1-2") in again


def test_clips_count_over_what_was_skipped_of_the_same_video(tmp_path: Path) -> None:
    both = VideoRows(video_rows("a").clips, lost("a", "else").skipped)
    done = DoneVideos(RunFolder(write_run(tmp_path / "run", [both])))
    assert video("a", "1-2") in done


def test_a_file_that_was_only_touched_is_done(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"content")
    run = write_run(tmp_path / "run", [of_content("a", hash_content(str(source)))])
    done = DoneVideos(RunFolder(run))
    assert video("a", "touched", str(source)) in done
    source.write_bytes(b"other content")
    assert video("a", "touched", str(source)) not in done
    source.unlink()
    assert video("a", "touched", str(source)) not in done


def test_what_cannot_be_listed_any_more_keeps_its_captions(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [of_content("a", "content"), lost("b", "1-2")])
    (gone,) = lost("a", "").skipped
    for retry in (False, True):
        done = DoneVideos(RunFolder(run), retry_skipped=retry)
        assert gone in done
        assert replace(gone, video_id="b") not in done
        assert replace(gone, video_id="c") not in done


def test_what_was_skipped_since_has_no_content(tmp_path: Path) -> None:
    """Its clips are of an older part and do not count any more."""
    source = tmp_path / "a.mp4"
    source.write_bytes(b"content")
    clips = of_content("a", hash_content(str(source)))
    run = write_run(tmp_path / "run", [clips], [lost("a", "broken")])
    done = DoneVideos(RunFolder(run))
    assert video("a", "broken", str(source)) in done
    assert video("a", "1-2", str(source)) not in done


def test_ids_that_share_a_hash_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_hashes = resume._two_hashes
    monkeypatch.setattr(resume, "_two_hashes", lambda name: (7, two_hashes(name)[1]))
    parts = [[video_rows(f"{part}-{at}") for at in range(3)] for part in range(3)]
    done = DoneVideos(RunFolder(write_run(tmp_path / "run", *parts)))
    assert np.unique(done._keys).tolist() == [7]
    assert all(video(f"{part}-{at}") in done for part in range(3) for at in range(3))
    assert video("3-0") not in done
