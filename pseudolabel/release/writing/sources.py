"""The runs that a release is made of, and which of them each video's rows come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from pseudolabel.errors import ReleaseError
from pseudolabel.release.manifest import SourceRun
from pseudolabel.runs.floor import Floor
from pseudolabel.runs.pipeline.consolidator import model_name
from pseudolabel.runs.storage.ahead import ahead
from pseudolabel.runs.storage.folder import RunFolder, part_name
from pseudolabel.runs.storage.repeats import repeated_ids

if TYPE_CHECKING:
    import pyarrow as pa

Place = tuple[int, int]  # a run, and a part of it


@dataclass(frozen=True, slots=True)
class RunRows:
    """Rows of one run, as they stand in it."""

    run: SourceRun
    floor: Floor  # of chance, in that run
    rows: pa.Table


class Sources:
    """Several runs, read as one.

    A video's rows come from one run: the one that has clips of it, and where several have, the
    newest, if that is preferred. Within a run the newest part counts.

    Args:
        paths: Run folders.
        prefer: What to do with a video that several runs have clips of; None: refuse.

    Raises:
        RunError: If one is no run folder.
        ReleaseError: If a run is still being written, is given twice, or has a video in common
            with another one and nothing is preferred.
    """

    def __init__(self, paths: Sequence[str], *, prefer: Literal["newest"] | None = None) -> None:
        self._folders = [RunFolder(path) for path in paths]
        self.runs = [_describe(folder) for folder in self._folders]
        known: dict[str, str] = {}
        for folder, run in zip(self._folders, self.runs, strict=True):
            if folder.is_being_written():
                raise ReleaseError(
                    f"{folder.path}: is still being written",
                    hint="export it when pseudolabel caption has ended",
                )
            if run.run in known:
                raise ReleaseError(f"{folder.path}: is the same run as {known[run.run]}")
            known[run.run] = folder.path
        self._places = [
            (at, part) for at, folder in enumerate(self._folders) for part in folder.parts()
        ]
        self._floors = [Floor(folder.floor()) for folder in self._folders]
        self.rules = [dict(folder.manifest().get("health", {})) for folder in self._folders]
        self.replaced_videos = 0
        self._left_out = self._settle(prefer)

    def batches(
        self,
        kind: Literal["clips", "skipped"],
        rows: int,
        columns: Sequence[str] | None = None,
    ) -> Iterator[RunRows]:
        """All rows that count, run by run in the order given, part by part.

        Args:
            kind: Clips, or what was skipped.
            rows: Parts are joined until there are so many, so that small parts cost little.
            columns: Which, with "video_id" among them; None: all.
        """
        waiting: list[pa.Table] = []
        run = 0
        read = ahead(self._reads(kind, columns))
        for (at, _), table in zip(self._places, read, strict=True):
            if waiting and (at != run or sum(map(len, waiting)) >= rows):
                yield self._joined(run, waiting)
                waiting = []
            run = at
            waiting.append(table)
        if waiting:
            yield self._joined(run, waiting)

    def _reads(
        self, kind: Literal["clips", "skipped"], columns: Sequence[str] | None
    ) -> Iterator[tuple[int, Callable[[], pa.Table]]]:
        """What reads each place, and how many bytes."""
        sizes = [folder.sizes() for folder in self._folders]
        for at, part in self._places:
            read = partial(self._folders[at].rows_of, part, kind, columns=columns)
            size = sizes[at].get(part_name(kind, part), 0)
            yield size, partial(read, without=self._left_out[at, part])

    def _joined(self, run: int, tables: Sequence[pa.Table]) -> RunRows:
        import pyarrow as pa

        rows = pa.concat_tables(tables).combine_chunks()
        return RunRows(self.runs[run], self._floors[run], rows)

    def _settle(self, prefer: str | None) -> dict[Place, list[str]]:
        """The videos whose rows in a part do not count, by place."""
        read = {(at, part): partial(self._folders[at].video_ids, part) for at, part in self._places}
        left_out: dict[Place, list[str]] = defaultdict(list)
        with_clips: dict[Place, set[str]] = {}
        for video_id, places in repeated_ids(read).items():
            newest = {at: (at, part) for at, part in places}  # of each run
            holding = list(newest.values())
            if len(holding) > 1:
                holding = self._holding(video_id, holding, with_clips, prefer)
            for place in places:
                if place != holding[0]:
                    left_out[place].append(video_id)
        return left_out

    def _holding(
        self,
        video_id: str,
        places: list[Place],
        with_clips: dict[Place, set[str]],
        prefer: str | None,
    ) -> list[Place]:
        """Where the rows of a video that several runs name come from; one place."""
        for at, part in places:
            if (at, part) not in with_clips:
                with_clips[at, part] = set(self._folders[at].video_ids(part, "clips"))
        captioned = [place for place in places if video_id in with_clips[place]]
        if len(captioned) > 1 and prefer is None:
            one, other = (self._folders[at].path for at, _ in captioned[:2])
            raise ReleaseError(
                f"video {video_id!r} has clips in {one} and in {other}",
                hint="--prefer newest takes the newer run's; or caption with ids from a table",
            )
        self.replaced_videos += len(captioned) > 1
        newest_first = sorted(
            captioned or places, key=lambda p: (self.runs[p[0]].created_at, p[0]), reverse=True
        )
        return newest_first[:1]


def _describe(folder: RunFolder) -> SourceRun:
    manifest = folder.manifest()
    captioner = _published(manifest["captioner"]) or {}
    others = {name: _published(manifest.get(name)) for name in ("scorer", "text_encoder", "llm")}
    told = {
        f"--{name.replace('_', '-')}": model_name(**model)
        for name, model in others.items()
        if model is not None
    }
    return SourceRun(
        run=manifest["id"],
        created_at=manifest["created_at"],
        captioner=captioner,
        **others,
        options={**manifest["options"], "--model": captioner["model"], **told},
        fingerprint=manifest["fingerprint"],
        versions=manifest["versions"],
        clips=0,
        skipped=0,
    )


def _published(model: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A model as it may be told: of a folder, its name and its hash say which weights."""
    if model is None or not str(model["revision"]).startswith("sha256:"):
        return None if model is None else dict(model)
    return {**model, "model": PurePath(model["model"]).name or "local"}
