"""What export refuses, and what a failure leaves behind: nothing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from export_factory import checksums, make
from pseudolabel.errors import OptionError, PseudolabelError, ReleaseError
from pseudolabel.release.comparison.diff import diff
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.release.validate import validate_folder
from pseudolabel.release.version import Bump
from pseudolabel.release.writing.staging import staged
from pseudolabel.runs.storage.writer import RunWriter
from run_factory import video_rows, write_run


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"version": "1.0"}, "--version '1.0' is not a version"),
        ({"version": "01.0.0"}, "not a version"),
        ({"license": "cc-by-4"}, "--license 'cc-by-4'"),
        ({"split": "train=0.5"}, "add up to 0.5"),
        ({"split": "train=0.5,train=0.5"}, "'train' cannot name a split"),
        ({"split": "../x=1"}, "cannot name a split"),
        ({"split": "train=x"}, "is not a share"),
        ({"split": "train=1.5,test=-0.5"}, "is not above 0"),
        ({"where": ("nope > 1",)}, "no column 'nope'"),
        ({"prefer": "oldest"}, "--prefer oldest"),
        ({"max_shard_size": "5"}, "--max-shard-size 5"),
        ({"max_shard_size": "1KB"}, "--max-shard-size 1KB"),
        ({"max_shard_size": "9" * 400 + "GB"}, "--max-shard-size 999"),
        ({"version": "9" * 5000 + ".0.0"}, "--version '999"),
        ({"name": "USER/"}, "--name 'USER/'"),
        ({"name": " "}, "--name ' '"),
        ({"name": "caf\udce9"}, "--name"),
        ({"date": "yesterday"}, "--date yesterday"),
        ({"language": ("klingon",)}, "--language klingon"),
        ({"card_template": "/no/such/file"}, "--card-template /no/such/file"),
        ({"previous": "/no/such/release"}, "not a release"),
        ({"where": ("words > 99",)}, "no clip is left"),
    ],
)
def test_a_wrong_option_leaves_nothing_behind(
    run: str, tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(PseudolabelError, match=told) as caught:
        make(run, tmp_path / "out" / "release", **options)
    assert caught.value.hint
    assert not list(tmp_path.glob("out/*")) + list(tmp_path.glob("out/.*"))


@pytest.mark.parametrize("epoch", ["abc", "1e9", " ", "9" * 12, "9" * 30])
def test_a_date_that_is_none_in_the_environment_is_told(
    monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(OptionError, match=f"SOURCE_DATE_EPOCH={epoch}: not a time"):
        ReleaseOptions(version="1.0.0", license="mit")


@pytest.mark.parametrize("name", ["captions:v1", "s3:set", "~", "caf\udce9", "a b#?%20"])
def test_a_folder_may_have_any_name(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make(run, Path(name))
    assert validate_folder(Path(name)) == []
    assert diff(Path(name), Path(name)).bump is Bump.NONE


@pytest.mark.parametrize(
    ("folder", "name"),
    [("cctv", "cctv"), ("cctv-1.0.0", "cctv"), ("set_v1.0.0", "set"), ("v1.0.0", "captions")],
)
def test_a_release_is_called_as_its_folder(
    run: str, tmp_path: Path, folder: str, name: str
) -> None:
    assert make(run, tmp_path / folder).name == name


def test_a_name_that_no_folder_can_have_is_told(run: str, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="File name too long"):
        make(run, tmp_path / ("x" * 300))


def test_a_release_never_changes(run: str, tmp_path: Path) -> None:
    make(run, tmp_path / "release")
    before = checksums(tmp_path / "release")
    with pytest.raises(ReleaseError, match="is there already"):
        make(run, tmp_path / "release", version="2.0.0")
    assert checksums(tmp_path / "release") == before


def test_a_run_that_is_being_written_is_refused(run: str, tmp_path: Path) -> None:
    with RunWriter(run), pytest.raises(ReleaseError, match="is still being written"):
        make(run, tmp_path / "release")
    make(run, tmp_path / "release")


def test_a_row_that_breaks_the_schema_stops_it(tmp_path: Path) -> None:
    made = write_run(tmp_path / "run", [video_rows("a.mp4"), video_rows("b.mp4")])
    part = next(Path(made).glob("clips-*.parquet"))
    table = pq.read_table(part)
    ends = table["end_s"].to_pylist()
    ends[2] = -1.0
    broken = table.set_column(3, table.schema.field("end_s"), [ends])
    pq.write_table(broken, part)
    with pytest.raises(ReleaseError, match=r"video 'b.mp4', clip 0: clip 0..-1 s"):
        make(made, tmp_path / "release")
    assert not (tmp_path / "release").exists()


@pytest.mark.parametrize("config", ["clips", "frames"])
def test_a_full_disk_leaves_nothing_half_written(
    run: str, tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in the middle of a shard, as the operating system says it."""
    from pseudolabel.release.writing import shards

    write = shards.HashingFile.write

    def until_full(file: shards.HashingFile, data: bytes) -> int:
        if config in str(file._file.name) and file.bytes > 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    monkeypatch.setattr(shards.HashingFile, "write", until_full)
    with pytest.raises(ReleaseError, match="no space left") as caught:
        make(run, tmp_path / "out" / "release")
    assert "make room" in str(caught.value.hint)
    assert not list((tmp_path / "out").iterdir())


def test_a_killed_export_leaves_no_release_and_the_next_one_makes_it(
    run: str, tmp_path: Path
) -> None:
    """Killed while it writes, by a real SIGKILL."""
    program = (
        "import os, signal, sys\n"
        "from pseudolabel.release import export as e\n"
        "e.render_card = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "o = e.ReleaseOptions(version='1.0.0', license='cc-by-4.0')\n"
        "e.export([sys.argv[1]], sys.argv[2], o)\n"
    )
    out = tmp_path / "out" / "release"
    killed = subprocess.run([sys.executable, "-c", program, run, str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists() and len(list(out.parent.iterdir())) == 1
    make(run, out)
    assert list(out.parent.iterdir()) == [out]
    assert validate_folder(out) == []


def test_another_process_is_kept_away_until_all_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = []

    def sync(_handle: int) -> None:
        if not (tmp_path / "release").exists():
            with (
                pytest.raises(ReleaseError, match="another process is making it"),
                staged(tmp_path / "release"),
            ):
                pass
            busy.append(True)

    monkeypatch.setattr(os, "fsync", sync)
    with staged(tmp_path / "release") as folder:
        (folder / "file").write_text("held")
    assert busy
    assert [path.name for path in (tmp_path / "release").iterdir()] == ["file"]
