"""Releases made by `export`, for tests, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pseudolabel.release.export import export
from pseudolabel.release.manifest import Manifest, read_manifest
from pseudolabel.release.options import ReleaseOptions


def make(runs: str | list[str], out: Path, **options: Any) -> Manifest:
    defaults = {"version": "1.0.0", "license": "cc-by-4.0", "date": "2026-02-03"}
    listed = [runs] if isinstance(runs, str) else runs
    return export(listed, str(out), ReleaseOptions(**{**defaults, **options}))


def rows(release: Path, config: str, split: str = "*") -> list[dict[str, Any]]:
    files = sorted((release / "data" / config).glob(f"{split}-*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def checksums(release: Path) -> dict[str, str]:
    return {file.path: file.sha256 for file in read_manifest(release).files}
