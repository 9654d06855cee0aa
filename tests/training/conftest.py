"""Videos with a release of them, and a tiny encoder and language model to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from footage_factory import footage_rows, make_footage
from release_factory import write_release
from tiny_video_captioner import write_parts

VIDEOS = 4


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small videos."""
    return make_footage(tmp_path_factory.mktemp("footage") / "videos", VIDEOS)


@pytest.fixture(scope="session")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A release of their clips."""
    return str(write_release(tmp_path_factory.mktemp("captioned") / "r", footage_rows(VIDEOS)))


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Folders of a TimeSformer and of an OPT with its tokenizer, random and tiny."""
    folder = tmp_path_factory.mktemp("parts")
    write_parts(folder / "encoder", folder / "writer")
    return str(folder / "encoder"), str(folder / "writer")
