"""All that changed from one release to another: the record that `diff` gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pseudolabel.release.comparison.differences import (
    Change,
    ClipChanges,
    ColumnChanges,
    Reason,
    RowChanges,
    SplitChanges,
)
from pseudolabel.release.comparison.wording import (
    clip_lines,
    column_lines,
    conclusion,
    row_lines,
    split_lines,
)
from pseudolabel.release.version import Bump


@dataclass(frozen=True, slots=True)
class ReleaseDiff:
    """All that changed from one release to another."""

    before: str  # version
    after: str
    configs_added: tuple[str, ...]
    configs_removed: tuple[str, ...]
    columns: Mapping[str, ColumnChanges]  # by config that both have, where any changed
    rows: Mapping[str, RowChanges]  # by config that both have
    clips: ClipChanges
    splits: SplitChanges
    skipped_before: Mapping[str, int]  # rows by reason
    skipped_after: Mapping[str, int]
    captioning: tuple[Change, ...]  # captioners and options of the runs that rows come from
    is_made_another_way: bool  # some caption is from a captioner or options that were not there
    metadata: tuple[Change, ...]  # license, language, filters, package versions
    reasons: tuple[Reason, ...]  # the most serious first

    @property
    def bump(self) -> Bump:
        """The least that the version has to rise by."""
        return max((reason.bump for reason in self.reasons), default=Bump.NONE)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON holds it; `bump` and the reasons' as "none", "patch" and so on."""
        data = asdict(self)
        for reason in data["reasons"]:
            reason["bump"] = reason["bump"].name.lower()
        return data | {"bump": self.bump.name.lower()}

    def lines(self) -> list[str]:
        """The same for a person to read; ids and captions stand there as they are in the rows."""
        return [
            f"{self.before} -> {self.after}",
            *clip_lines(self.clips, self.rows["clips"]),
            *row_lines(self.rows, self.skipped_before, self.skipped_after),
            *(f"config {config} added" for config in self.configs_added),
            *(f"config {config} removed" for config in self.configs_removed),
            *column_lines(self.columns),
            *split_lines(self.splits),
            *(f"{c.what}: {c.before} -> {c.after}" for c in (*self.captioning, *self.metadata)),
            conclusion(self.bump, self.reasons),
        ]
