"""The docs are true: their examples run, their options exist, every command has its page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import Result

from pseudolabel.demo.files import write_world

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
Invoke = Callable[..., Result]


def examples(page: Path) -> list[str]:
    """The commands of a page's console blocks, in order."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.S)
    lines = "\n".join(blocks).splitlines()
    return [line[2:] for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples stand on: videos, a list and a table."""
    home = tmp_path_factory.mktemp("home")
    write_world(home / "my_videos", 2)
    (home / "list.txt").write_text("# the second video\nmy_videos/world-01.mp4\n")
    (home / "table.csv").write_text("video,start_s,end_s\nmy_videos/world-00.mp4,1.5,4\n")
    return home


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_run(
    page: Path, home: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    found = examples(page)
    assert found
    for example in found:
        program, *arguments = shlex.split(example)
        assert program == "pseudolabel"
        if arguments[0] == "show" and not (home / "run").exists():
            invoke("caption", "my_videos", "--out", "run", "--model", "demo")
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
