"""`pseudolabel caption` as a user meets it: options, errors on one line, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from video_factory import make_video

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one good video and one bad one."""
    folder = tmp_path_factory.mktemp("my videos")
    make_video(folder / "a.mp4", seconds=1)
    (folder / "b.mp4").write_text("no video")
    return folder


@pytest.fixture
def caption(invoke: Invoke, videos: Path, tmp_path: Path) -> Invoke:
    """Runs `pseudolabel caption` on the folder with the demo captioner."""

    def run(*options: object) -> Result:
        where = [] if "--out" in options else ["--out", tmp_path / "run"]
        return invoke("caption", videos, *where, "--model", "demo", *options)

    return run


def test_the_terminal_ends_with_what_was_done(caption: Invoke, tmp_path: Path) -> None:
    result = caption()
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    for part in ("1 clips of 1 videos", "1 not_a_video", "frames/s", "wall over captioning"):
        assert part in result.stderr
    assert "knows only the demo" in result.stderr


def test_strict_exits_1_when_something_was_skipped(caption: Invoke) -> None:
    assert caption("--strict").exit_code == 1


def test_the_summary_as_json(caption: Invoke) -> None:
    result = caption("--json")
    summary = json.loads(result.stdout)
    assert (summary["clips"], summary["videos"], summary["skipped"]) == (1, 1, {"not_a_video": 1})


def test_a_share_without_videos_has_nothing_to_do(caption: Invoke, tmp_path: Path) -> None:
    """Also where no other share has begun to write: there is no run to tell the health of."""
    shares = [json.loads(caption("--shard", f"{n}/9", "--json").stdout) for n in range(1, 10)]
    done = [(share["videos"] + share["skipped_videos"], share["health"]) for share in shares]
    assert sorted(done) == [(0, None)] * 7 + [(1, None)] * 2
    assert caption("--json").exit_code == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--clips", "fixed:none"], "--clips fixed:none: 'none' is not a number"),
        (["--clips", "often"], "--clips often: not a way to cut clips"),
        (["--clips", "fixed:-1"], "longer than 0 s"),
        (["--clips", "fixed:nan"], "longer than 0 s"),
        (["--clips", "scenes:-1"], "the threshold must be above 0"),
        (["--min-clip", "nan"], "--min-clip nan: must be 0 or more"),
        (["--commit-every", "nan"], "--commit-every nan: must be 0 or more"),
        (["--video-timeout", "nan"], "--video-timeout nan: must be above 0"),
        (["--frames", "0"], "--frames 0: must be 1 or more"),
        (["--snap", "near"], "--snap near: not a way to pick frames"),
        (["--batch-size", "big"], "--batch-size big: not a number"),
        (["--beams", "3", "--samples", "2"], "beams do not sample"),
        (["--top-p", "2"], "--top-p 2.0: must be in (0, 1]"),
        (["--dtype", "int8"], "--dtype int8: not a number format"),
        (["--device", "abacus"], "abacus"),
        (["--workers", "0"], "--workers 0: must be 1 or more"),
        (["--video-timeout", "0"], "--video-timeout 0: must be above 0"),
    ],
)
def test_a_bad_option_is_one_line_with_a_remedy(
    caption: Invoke, tmp_path: Path, options: list[str], error: str
) -> None:
    result = caption(*options)
    assert result.exit_code == 1
    first, second = result.stderr.strip().splitlines()[-2:]
    assert first.startswith("error: ")
    assert error in first
    assert second.startswith("hint: ")
    assert not (tmp_path / "run").exists(), "nothing half-written"


def test_usage_errors_exit_2(caption: Invoke, invoke: Invoke) -> None:
    assert caption("--no-such-option").exit_code == 2
    assert caption("--frames", "many").exit_code == 2
    assert invoke("caption").exit_code == 2


def test_a_missing_model_leaves_nothing(invoke: Invoke, videos: Path, tmp_path: Path) -> None:
    result = invoke("caption", videos, "--out", tmp_path / "run", "--model", tmp_path / "none")
    assert result.exit_code == 1
    assert "none" in result.stderr
    assert "hint: " in result.stderr
    assert not (tmp_path / "run").exists()


def test_an_out_that_cannot_be_removed_hides_no_error(
    invoke: Invoke, videos: Path, tmp_path: Path
) -> None:
    """A link here; a disk of its own, or a folder in somebody else's, are the same."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to("disk")
    result = invoke("caption", videos, "--out", tmp_path / "run", "--model", tmp_path / "none")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: --model ")
    assert not [*(tmp_path / "disk").iterdir()]


def test_an_unreachable_hub_names_the_ways_out(
    invoke: Invoke, videos: Path, tmp_path: Path
) -> None:
    result = invoke("caption", videos, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "Salesforce/blip-image-captioning-base" in result.stderr
    assert "--model PATH" in result.stderr
    assert "pseudolabel demo" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_out(caption: Invoke, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = caption("--out", tmp_path / "run")
    tmp_path.chmod(0o700)
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_an_out_below_a_file(caption: Invoke, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = caption("--out", tmp_path / "file" / "run")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_options_from_a_file_and_the_environment(
    caption: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "run.toml"
    config.write_text('clips = "whole"\nframes = 2\nmax-new-tokens = 9\n')
    monkeypatch.setenv("PSEUDOLABEL_CAPTION_SNAP", "exact")
    result = caption("--config", config, "--frames", 3)
    assert result.exit_code == 0, result.stderr
    options = json.loads((tmp_path / "run" / "run.json").read_text())["options"]
    assert options["--clips"] == "whole"
    assert options["--frames"] == 3, "the command line wins"
    assert options["--max-new-tokens"] == 9
    assert options["--snap"] == "exact"


def test_a_config_with_an_unknown_key(caption: Invoke, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("clip = 8\n")
    result = caption("--config", tmp_path / "run.toml")
    assert result.exit_code == 2
    assert "clip" in result.stderr
    assert "clips" in result.stderr


def test_names_that_are_not_text(invoke: Invoke, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"caf\xe9.mp4", b"two\nlines.mp4", b"with space.mp4", b"\x1b[31mred.mp4"):
        make_video(folder / os.fsdecode(name), seconds=0.5)
    run = tmp_path / "run"
    assert invoke("caption", folder, "--out", run, "--model", "demo", "--strict").exit_code == 0
    rows = [json.loads(line) for line in invoke("show", run, "--json").stdout.splitlines()]
    assert {row["video_id"] for row in rows} == {
        "caf\\xe9.mp4",
        "two\nlines.mp4",
        "with space.mp4",
        "\x1b[31mred.mp4",
    }
    shown = invoke("show", run)
    assert "\x1b[31m" not in shown.stdout, "a file name must not act on the terminal"
    assert "two\\nlines.mp4" in shown.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pseudolabel_cli.main import app\n"
        "try: app(['caption', '--help'])\n"
        "except SystemExit: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--max-new-tokens" in done.stdout
    assert not {"torch", "transformers", "numpy", "pyarrow"} & set(done.stdout.split())


def test_a_run_folder_that_is_gone_for_a_moment(videos: Path, tmp_path: Path) -> None:
    many, out, away = tmp_path / "many", tmp_path / "run", tmp_path / "away"
    many.mkdir()
    for number in range(100):
        (many / f"{number:03d}.mp4").hardlink_to(videos / "a.mp4")
    program = "from pseudolabel_cli.main import app; app()"
    options = ["--model", "demo", "--commit-every", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", program, "caption", many, "--out", out, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while process.poll() is None and not (out / "clips-000000.parquet").exists():
            pass
        out.rename(away)
        told = next(line for line in process.stderr if line.startswith("cannot write"))
        away.rename(out)
        rest = process.stderr.read()
    assert told == "cannot write to the run: No such file or directory; trying again in 1 s\n"
    assert process.returncode == 0, rest
    assert "100 clips of 100 videos" in rest
