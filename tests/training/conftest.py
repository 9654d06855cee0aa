"""Videos with a release of them, and a tiny encoder and language model to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from footage_factory import VIDEOS, footage_rows, make_footage
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.train_options import ModelOptions
from release_factory import write_release
from tiny_video_captioner import write_parts
from training_factory import tiny_data


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small videos, not to be changed."""
    return make_footage(tmp_path_factory.mktemp("footage") / "videos", VIDEOS)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A release of their clips."""
    return str(write_release(tmp_path_factory.mktemp("release") / "r", footage_rows(VIDEOS)))


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Folders of a TimeSformer and of an OPT with its tokenizer, random and tiny."""
    folder = tmp_path_factory.mktemp("parts")
    write_parts(folder / "encoder", folder / "writer")
    return str(folder / "encoder"), str(folder / "writer")


@pytest.fixture
def data(release: str, root: Path) -> DataOptions:
    """What a tiny training learns from."""
    return tiny_data(release, root)


@pytest.fixture
def model(parts: tuple[str, str]) -> ModelOptions:
    """What learns."""
    return ModelOptions(encoder=parts[0], language_model=parts[1])
