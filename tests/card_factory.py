"""Manifests made up for the tests of cards, and the cards rendered from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pseudolabel.release.card.card import render_card
from pseudolabel.release.manifest import (
    FlagCount,
    Histogram,
    Manifest,
    Merge,
    ReleaseFile,
    RepeatedCaption,
    SourceRun,
    SplitCounts,
    Splits,
    Statistics,
)
from pseudolabel.release.rows import CONFIGS, arrow_schema

HISTOGRAM = Histogram((0.0, 1.0, 2.0), (1, 2), 1.2)


def source_run(**changes: Any) -> SourceRun:
    captioner = {
        "model": "demo",
        "revision": "sha256:98a72ab3b638bacf",
        "backend": "transformers",
        "architecture": "blip",
        "prompt": None,
        "decoding": "greedy",
        "max_new_tokens": 30,
        "dtype": "float32",
    }
    run = SourceRun(
        run="0123456789abcdef",
        created_at="2026-01-04T10:00:00+00:00",
        captioner=captioner,
        options={"--clips": "fixed:8", "--frames": 1, "--prompt": None, "--model": "demo"},
        fingerprint="0" * 64,
        versions={"python": "3.11.7"},
        clips=5,
        skipped=1,
    )
    return dataclasses.replace(run, **changes)


def make_manifest(**changes: Any) -> Manifest:
    counts = {
        "clips": {"train": SplitCounts(3, 2, 600), "validation": SplitCounts(2, 1, 400)},
        "frames": {"train": SplitCounts(4, 2, 500), "validation": SplitCounts(2, 1, 250)},
        "skipped": {"train": SplitCounts(1, 1, 40), "validation": SplitCounts(0, 0, 0)},
    }
    files = [
        ReleaseFile(f"data/{config}/{split}-00000-of-00001.parquet", 1_000, "0" * 64, split_.rows)
        for config, splits in counts.items()
        for split, split_ in splits.items()
    ]
    manifest = Manifest(
        name="kitchen",
        version="1.0.0",
        created_at="2026-01-05",
        pseudolabel="0.2.0",
        license="cc-by-4.0",
        language=("en",),
        runs=(source_run(),),
        merge=Merge(None, 0),
        splits=Splits({"train": 0.7, "validation": 0.3}),
        filters=(),
        configs=counts,
        statistics=Statistics(
            video_hours=0.5,
            clip_hours=0.4,
            caption_words=HISTOGRAM,
            clip_s=HISTOGRAM,
            mean_logprob=HISTOGRAM,
            truncated_share=0.25,
            without_flags=4,
            flags=(FlagCount("loop", 1, "it says <b>a | word</b> again"),),
            most_repeated=(RepeatedCaption("a cup | of *tea*", 3),),
        ),
        files=tuple(files),
    )
    return dataclasses.replace(manifest, **changes)


def schemas(*, with_images: bool = False) -> dict[str, pa.Schema]:
    return {
        config: arrow_schema(config, with_images=with_images and config == "clips")
        for config in CONFIGS
    }


def render(
    manifest: Manifest, example: Mapping[str, Any] | None = None, template: str | None = None
) -> str:
    row = {"video_id": "v1", "caption": "a cup"} if example is None else example
    return render_card(manifest, row, schemas(), template)


def body(card: str) -> str:
    return card.split("\n---\n", 1)[1]


def rendered(card: str) -> list[Token]:
    """Every token of the text as HTML would get it, with raw HTML and bare links alive."""
    markdown = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    found = []
    for token in markdown.parse(body(card)):
        found += [token, *(token.children or [])]
    return found
