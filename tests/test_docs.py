"""The docs are true: their examples run, their options exist, every command has its page."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
import typer
from typer.main import get_command
from typer.testing import Result

from loopback_hub import UPLOAD_WARNING, LoopbackHub, use_hub
from pseudolabel.demo.files import read_truth, write_world
from pseudolabel.demo.transcripts import write_transcripts
from speech_clip import WHISPER, speech, video_with_sound
from tiny_video_captioner import write_parts

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
Invoke = Callable[..., Result]


def examples(page: Path) -> list[str]:
    """The commands of a page's console blocks, in order."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.S)
    lines = "\n".join(blocks).splitlines()
    return [line[2:] for line in lines if line.startswith("$ ")]


VIDEOS = ("world-00.mp4", "world-01.mp4")
# What each page's examples find there; each page has a folder of its own.
BEFORE = {
    "show": ["run"],
    "export": ["run", "more-run"],
    "compare": ["run"],
    "review": ["run"],
    "compact": ["run"],
    "evaluate": ["run"],
    "validate": ["run", "releases/1.0.0", "USER/REPO"],
    "diff": ["run", "more-run", "releases/1.0.0", "releases/1.1.0", "USER/REPO"],
    "push": ["run", "releases/1.0.0"],
    "frames": ["run"],
    "train": ["run", "releases/1.0.0"],
}
MADE_BY = {
    "run": "pseudolabel caption my_videos/world-00.mp4 --out run --model demo",
    "more-run": "pseudolabel caption my_videos/world-01.mp4 --out more-run --model demo",
    "releases/1.0.0": "pseudolabel export run --out releases/1.0.0 --version 1.0.0 "
    "--license cc-by-4.0",
    "releases/1.1.0": "pseudolabel export run more-run --out releases/1.1.0 --version 1.1.0 "
    "--license cc-by-4.0",
    "USER/REPO": "pseudolabel push releases/1.0.0 USER/REPO",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos, a list and a table."""
    world = tmp_path_factory.mktemp("world")
    write_world(world / "my_videos", 2)
    (world / "list.txt").write_text("# the second video\nmy_videos/world-01.mp4\n")
    (world / "table.csv").write_text("video,start_s,end_s\nmy_videos/world-00.mp4,1.5,4\n")
    return world


@pytest.mark.filterwarnings(UPLOAD_WARNING)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_run(
    page: Path, world: Path, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(shutil.copytree(world, tmp_path / "home"))
    monkeypatch.chdir(home)
    if page.stem == "compare":
        write_transcripts(home / "transcripts", read_truth(home / "my_videos"))
    if page.stem == "evaluate":
        references = {
            "world-00.mp4#0": ["a red circle"],
            "world-00.mp4#1": ["a green star left of a purple square"],
        }
        (home / "references.json").write_text(json.dumps(references))
    if page.stem == "transcribe":
        (home / "talks").mkdir()
        video_with_sound(home / "talks" / "talk.mp4", speech())
        (home / "whisper-tiny.en").symlink_to(WHISPER)
    if page.stem == "train":
        write_parts(home / "tiny-timesformer", home / "tiny-opt")
    with LoopbackHub("USER") as hub:
        use_hub(monkeypatch, hub, tmp_path / "cache")
        run_all([MADE_BY[needed] for needed in BEFORE.get(page.stem, [])], invoke)
        found = examples(page)
        assert found
        run_all(found, invoke)


def run_all(found: list[str], invoke: Invoke) -> None:
    for example in found:
        program, *arguments = shlex.split(example)
        assert program == "pseudolabel", example
        result = invoke(*arguments)
        assert result.exit_code == 0, f"{example}: {result.stderr}"
        assert "skipped  " not in result.stderr, f"{example}: {result.stderr}"


def test_the_readme_shows_what_the_demo_prints(
    tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("demo", "--out", "demo")
    assert result.exit_code == 0, result.stderr
    readme = (ROOT / "README.md").read_text("utf-8")
    (shown,) = re.findall(r"prints\n\n```text\n(.*?)```", readme, re.S)
    assert without_figures(shown) == without_figures(result.stdout)


@pytest.mark.filterwarnings(UPLOAD_WARNING)
def test_the_lines_of_the_readme_release_two_versions(
    world: Path, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both load back by tag, each with its own rows."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    shutil.copytree(world, tmp_path / "home", dirs_exist_ok=True)
    datasets.disable_progress_bars()
    readme = (ROOT / "README.md").read_text("utf-8")
    (lines,) = re.findall(r"the next one:\n\n```sh\n(.*?)```", readme, re.S)
    assert len(lines.splitlines()) == 5
    with LoopbackHub("USER") as hub:
        use_hub(monkeypatch, hub, tmp_path / "cache")
        run_all([MADE_BY["run"], MADE_BY["more-run"]], invoke)
        run_all(lines.splitlines(), invoke)
        for version, videos in (("1.0.0", {"world-00.mp4"}), ("1.1.0", set(VIDEOS))):
            loaded = datasets.load_dataset("USER/REPO", split="train", revision=f"v{version}")
            rows = list(loaded)
            assert rows == list(datasets.load_dataset(f"releases/{version}", split="train"))
            assert {row["video_id"] for row in rows} == videos


def without_figures(text: str) -> list[str]:
    """Lines, without what differs from machine to machine: times, and rounding's odd caption."""
    differing = ("  speed", "  wall", "  exactly")
    return [
        re.sub(r"[\d.]+", "N", line) if line.startswith(differing) else line.rstrip()
        for line in text.strip().splitlines()
        if not line.startswith(" world-")
    ]


def test_every_command_has_a_page(app: typer.Typer) -> None:
    assert {page.stem for page in PAGES} == set(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_and_command_have_the_same_options(page: Path, app: typer.Typer) -> None:
    command = get_command(app).commands[page.stem]  # type: ignore[attr-defined]
    options = {flag for parameter in command.params for flag in parameter.opts if "--" in flag}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page.read_text("utf-8")))
    assert options - {"--help"} <= named, "an option that its page does not mention"
    others = {flag for c in get_command(app).commands.values() for p in c.params for flag in p.opts}  # type: ignore[attr-defined]
    assert named <= others | {"--help"}, "an option that does not exist"
