"""What the distribution owns; an editable install hides every mistake made here."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

import pseudolabel

ROOT = Path(__file__).parent.parent


def test_every_package_directory_is_listed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    setuptools = settings["tool"]["setuptools"]
    found = set()
    for name, folder in setuptools["package-dir"].items():
        for init in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join((name, *init.parent.relative_to(ROOT / folder).parts)))
    assert found
    assert found == set(setuptools["packages"])


def test_only_prefixed_names_reach_site_packages() -> None:
    top_level = (distribution("pseudolabel").read_text("top_level.txt") or "").split()
    assert top_level
    assert all(name.startswith("pseudolabel") for name in top_level), top_level


def test_a_wheel_holds_the_weights_the_schemas_and_the_types(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", tmp_path, ROOT], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "pseudolabel/py.typed" in names
    assert "pseudolabel/demo/captioner/model.safetensors" in names
    assert "pseudolabel_schemas/run_clip.v1.json" in names
    assert "pseudolabel/demo/scorer/model.safetensors" in names
    assert "pseudolabel/evaluation/page/assets/page.css" in names
    assert "pseudolabel/release/card/card.md.jinja" in names
    assert "pseudolabel_cli/main.py" in names
    assert not [name for name in names if name.startswith(("tests", "cli/", "schemas/"))]


def test_the_changelog_starts_with_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert versions[0] == pseudolabel.__version__


@pytest.mark.parametrize(
    "module", ["pseudolabel", "pseudolabel_cli.main", "pseudolabel.videos.worker"]
)
def test_importing_costs_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "transformers", "datasets", "pandas", "pyarrow"}


def test_everything_public_can_be_imported() -> None:
    for name in pseudolabel.__all__:
        assert getattr(pseudolabel, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = pseudolabel.no_such_name
