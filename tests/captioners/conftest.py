"""What the captioner tests share: tiny models, built once, and captioners on them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is first imported

import tiny_embedders
import tiny_models
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.transformers_captioner import TransformersCaptioner

TinyFolder = Callable[[str], Path]
TinyCaptioner = Callable[..., TransformersCaptioner]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyFolder:
    """The folder of a tiny model of a kind; each is built once, and not to be changed."""
    built: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in built:
            built[kind] = tiny_models.build(kind, tmp_path_factory.mktemp("tiny") / kind)
        return built[kind]

    return folder


@pytest.fixture(scope="session")
def tiny_embedder(tmp_path_factory: pytest.TempPathFactory) -> TinyFolder:
    """The same for scorers and text encoders."""
    built: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in built:
            built[kind] = tiny_embedders.build(kind, tmp_path_factory.mktemp("tiny") / kind)
        return built[kind]

    return folder


@pytest.fixture
def captioner(tiny: TinyFolder) -> TinyCaptioner:
    """Load a captioner on a tiny model: float32 on the CPU, 8 tokens, unless said otherwise."""

    def load(kind: str, **options: Any) -> TransformersCaptioner:
        settings = {"device": "cpu", "dtype": "float32", "max_new_tokens": 8, **options}
        return TransformersCaptioner.load(CaptionOptions(model=str(tiny(kind)), **settings))

    return load
