"""What `compare` finds, and how it is written: records with intervals, and their JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pseudolabel.evaluation.clips import Clips
from pseudolabel.evaluation.measuring.agreement import OFFSETS_S, OffsetSearch
from pseudolabel.evaluation.measuring.intervals import Difference, Estimate

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
Group = Literal["coverage", "agreement", "groundedness", "references", "ratings"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure, of the captions and of what was said, with 95 % intervals."""

    name: str
    group: Group
    label: str  # for a person
    caption: Estimate | None = None
    transcript: Estimate | None = None
    both: Estimate | None = None  # where it is a figure of the two together
    difference: Difference | None = None  # captions less transcripts
    is_share: bool = False  # shown in percent


@dataclass(frozen=True, slots=True)
class Found:
    """Which transcripts there were for the videos."""

    videos_with: int
    missing: tuple[str, ...]  # videos without a transcript
    unused: tuple[str, ...]  # transcripts of no video here
    unreadable: tuple[tuple[str, str], ...]  # files, and why
    dropped: int  # cues that could not be used


@dataclass(frozen=True, slots=True)
class Comparison:
    """Captions beside what was said during the same clips."""

    source: str
    compared: Clips = field(repr=False)
    found: Found
    measures: tuple[Measure, ...]
    offsets: OffsetSearch | None
    options: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict, repr=False)  # one value a clip

    @property
    def clips(self) -> int:
        """How many clips were compared."""
        return len(self.compared)

    @property
    def videos(self) -> int:
        """How many videos they are of."""
        return len(self.compared.video_ids)

    def measure(self, name: str) -> Measure:
        """The measure of a name."""
        return next(measure for measure in self.measures if measure.name == name)

    def to_json(self) -> str:
        """As `compare.json` holds it: `schemas/compare.v1.json` says what each field means."""
        data = {
            "schema_version": SCHEMA_VERSION,
            "source": self.source,
            "clips": self.clips,
            "videos": self.videos,
            "transcripts": asdict(self.found),
            "measures": [asdict(measure) for measure in self.measures],
            "offsets": _offsets(self.offsets),
            "options": dict(self.options),
            "warnings": list(self.warnings),
        }
        text = json.dumps(_without_nan(data), indent=2, ensure_ascii=False) + "\n"
        return text.encode("utf-8", "backslashreplace").decode()  # a path may not be Unicode

    def to_table(self) -> pa.Table:
        """As `clips.parquet` holds it: a row a clip, its texts and what was found of them."""
        import pyarrow as pa

        clips = self.compared
        return pa.table(
            {
                "video_id": [clips.video_ids[video] for video in clips.video],
                "clip_index": pa.array(clips.clip_index, pa.int32()),
                "start_s": clips.start_s,
                "end_s": clips.end_s,
                "caption": list(clips.captions),
                **{name: _nullable(values) for name, values in self.columns.items()},
            }
        )


def _nullable(values: Any) -> pa.Array:
    """A column, null where it is NaN."""
    import pyarrow as pa

    is_number = isinstance(values, np.ndarray) and values.dtype.kind == "f"
    return pa.array(values, mask=np.isnan(values) if is_number else None)


def _offsets(search: OffsetSearch | None) -> dict[str, Any] | None:
    if search is None:
        return None
    return {
        "offsets_s": [int(offset) for offset in OFFSETS_S],
        "shares": [asdict(share) for share in search.shares],
        "best_s": asdict(search.best_s),
        "gain": asdict(search.gain),
        "chance": search.chance,
        "timing": {name: asdict(share) for name, share in search.timing.items()},
    }


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: what is not known is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return value
