"""A small world on disk, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pseudolabel.demo.files import write_world
from pseudolabel.demo.world import DemoVideo

UNSEEN_SEED = 3_000_000  # no demo, no training and no score of a training uses it


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `world` lies; a folder that did not exist."""
    return tmp_path_factory.mktemp("demo") / "deep" / "world"


@pytest.fixture(scope="session")
def world(world_folder: Path) -> tuple[DemoVideo, ...]:
    """Videos of a world that nothing was trained on, written to `world_folder`."""
    return write_world(world_folder, count=6, seed=UNSEEN_SEED)
