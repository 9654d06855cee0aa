"""`manifest.json`: what a release is, where it comes from, and the checksum of every file.

The shape is that of `schemas/release.v1.json`, which says what each field means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pseudolabel.contract import load_schema
from pseudolabel.errors import ReleaseError

MANIFEST = "manifest.json"
CARD = "README.md"
CHANGELOG = "CHANGELOG.md"
SCHEMA_VERSION = 1
ROW_SCHEMAS = {"clips": "clip.v1", "frames": "frame.v1", "skipped": "skipped.v1"}  # by config
_SHARD = re.compile(r"data/(?P<config>[^/]+)/(?P<split>[^/]+)-\d{5}-of-\d{5}\.parquet")


@dataclass(frozen=True, slots=True)
class SourceRun:
    """A run that rows come from, as its run.json describes it."""

    run: str  # its id, 16 hex digits: the `run` column of its rows
    created_at: str
    captioner: Mapping[str, Any]
    options: Mapping[str, Any]
    fingerprint: str
    versions: Mapping[str, str]
    clips: int
    skipped: int
    scorer: Mapping[str, Any] | None = None
    text_encoder: Mapping[str, Any] | None = None
    llm: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Merge:
    """How videos that stand in several runs were settled."""

    prefer: str | None
    replaced_videos: int


@dataclass(frozen=True, slots=True)
class Splits:
    """Which share of the videos each split holds."""

    shares: Mapping[str, float]
    by: str = "sha256(video_id)"


@dataclass(frozen=True, slots=True)
class Filtered:
    """A filter, and how many clips it left out."""

    where: str
    removed: int
    unknown: int  # of these, clips without the value that the filter asks for


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """What one split of one config holds."""

    rows: int
    videos: int
    bytes: int  # in memory, as Arrow


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts[i]` values in `[edges[i], edges[i + 1])`; the outer bins hold what lies beyond."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float | None


@dataclass(frozen=True, slots=True)
class FlagCount:
    """How many clips have a flag, and what it takes to have it."""

    flag: str
    clips: int
    rule: str


@dataclass(frozen=True, slots=True)
class RepeatedCaption:
    """A caption, and how many clips of the runs have it."""

    caption: str
    clips: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures of the config `clips`, over all splits."""

    video_hours: float
    clip_hours: float
    caption_words: Histogram
    clip_s: Histogram
    mean_logprob: Histogram | None
    truncated_share: float | None
    without_flags: int  # clips
    flags: tuple[FlagCount, ...] = ()  # those with a rule, in the order of the vocabulary
    most_repeated: tuple[RepeatedCaption, ...] = ()
    chance_percentile: Histogram | None = None  # where a scorer ran
    images_missing: int | None = None


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """A file of the release."""

    path: str  # relative to the release, with `/`
    bytes: int
    sha256: str
    rows: int | None = None

    @property
    def config(self) -> str | None:
        """Whose rows it holds, if it holds rows."""
        match = _SHARD.fullmatch(self.path)
        return match["config"] if match else None

    @property
    def split(self) -> str | None:
        """The split that its rows are in, if it holds rows."""
        match = _SHARD.fullmatch(self.path)
        return match["split"] if match else None


@dataclass(frozen=True, slots=True)
class Previous:
    """The release that this one follows."""

    version: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` says."""

    name: str
    version: str
    created_at: str  # a date, YYYY-MM-DD
    pseudolabel: str
    license: str
    language: tuple[str, ...]
    runs: tuple[SourceRun, ...]
    merge: Merge
    splits: Splits
    filters: tuple[Filtered, ...]
    configs: Mapping[str, Mapping[str, SplitCounts]]  # by config, by split
    statistics: Statistics
    files: tuple[ReleaseFile, ...]
    near_duplicates: int | None = None  # clips left out as such; None: not looked for
    previous: Previous | None = None
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """As it stands in the file.

        Raises:
            ReleaseError: If it is not what `schemas/release.v1.json` says; that is a bug.
        """
        data = json.loads(json.dumps(asdict(self)))
        wrong = violations(data)
        if wrong:
            raise ReleaseError(f"{MANIFEST} would be wrong: {wrong[0]}")
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"

    @property
    def clips(self) -> int:
        """How many clips the release holds."""
        return sum(split.rows for split in self.configs["clips"].values())


def violations(data: Any) -> list[str]:
    """Where parsed JSON differs from `schemas/release.v1.json`, one line each."""
    import jsonschema

    validator = jsonschema.Draft202012Validator(load_schema("release.v1"))
    found = sorted(validator.iter_errors(data), key=lambda error: error.json_path)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


def read_manifest(release: Path) -> Manifest:
    """The manifest of a release folder.

    Raises:
        ReleaseError: If there is none, or it is not a release's manifest.
    """
    from pydantic import TypeAdapter

    data = read_json(release)
    if isinstance(data, dict) and data.get("schema_version", 0) != SCHEMA_VERSION:
        raise ReleaseError(
            f"{release}: its schema is version {data.get('schema_version')}; this version of "
            f"pseudolabel reads {SCHEMA_VERSION}",
            hint="upgrade pseudolabel",
        )
    wrong = violations(data)
    if wrong:
        raise ReleaseError(
            f"{release}/{MANIFEST}: not a release's manifest: {wrong[0]}",
            hint="pseudolabel validate lists all that is wrong",
        )
    manifest: Manifest = TypeAdapter(Manifest).validate_python(data)
    return manifest


def read_json(release: Path) -> Any:
    """What `manifest.json` holds, parsed and not yet checked.

    Raises:
        ReleaseError: If there is none, or it is not JSON.
    """
    try:
        return json.loads((release / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ReleaseError(
            f"{release}: not a release: it has no {MANIFEST}",
            hint="pseudolabel export RUN --out RELEASE makes one",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ReleaseError(f"{release}/{MANIFEST}: cannot be read: {error}") from None
