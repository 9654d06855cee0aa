"""The clips of a release or run that are learned from, as columns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.errors import InputError, ReleaseError
from pseudolabel.evaluation.transcripts.source import TranscriptSource
from pseudolabel.release.splits import split_of
from pseudolabel.training.data.source import Source, clip_tables, find_source, splits_of
from pseudolabel.training.data.texts import caption_texts, has_text, sample_texts, spoken_texts

if TYPE_CHECKING:
    import pyarrow as pa

    from pseudolabel.training.data.options import DataOptions, TextKind

TRAIN, VALIDATION = "train", "validation"
_SALT = "held out: "  # a release's own splits are drawn by the ids as they are
_PLACE = ("video_id", "clip_index", "start_s", "end_s", "caption")


@dataclass(frozen=True, slots=True)
class Clips:
    """Clips with their texts, some 100 bytes each; all columns but two have one length."""

    source: Source
    video_ids: tuple[str, ...]  # of the videos, each once
    urls: tuple[str | None, ...]  # of the videos: where each was, or is, if that is known
    video: NDArray[np.int32]  # (clips,): the video of each, an index into video_ids
    clip_index: NDArray[np.int32]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    texts: pa.LargeListArray  # of strings: one or more for each clip

    def __len__(self) -> int:
        return len(self.video)

    def key(self, clip: int) -> str:
        """The name of a clip, which no other clip has: `VIDEO_ID#INDEX`."""
        return f"{self.video_ids[self.video[clip]]}#{self.clip_index[clip]}"

    def texts_of(self, clip: int) -> list[str]:
        """The texts of a clip that say something."""
        return [text for text in self.texts[clip].as_py() if text and text.strip()]

    def fingerprint(self) -> str:
        """SHA-256 over which clips these are, in which order; not over their texts."""
        total = hashlib.sha256("\0".join(self.video_ids).encode())
        for column in (self.video, self.clip_index, self.start_s, self.end_s):
            total.update(np.ascontiguousarray(column).data)
        return total.hexdigest()

    def kept(self, keep: NDArray[np.bool_]) -> Clips:
        """Some of the clips, in their order; videos keep their numbers."""
        return self if keep.all() else self.taken(np.flatnonzero(keep))

    def taken(self, rows: NDArray[np.int64]) -> Clips:
        """Some of the clips, in another order; videos keep their numbers."""
        import pyarrow as pa

        return replace(
            self,
            video=self.video[rows],
            clip_index=self.clip_index[rows],
            start_s=self.start_s[rows],
            end_s=self.end_s[rows],
            texts=self.texts.take(pa.array(rows)),
        )


def read_clips(options: DataOptions, split: str = TRAIN) -> Clips:
    """The clips of a split, with their captions or samples.

    Where the data has no split "validation", as a run has none, that is a share of the videos of
    its "train" (`options.validation`), drawn by their ids, which "train" then lacks.

    Args:
        options: `data`, `text` and `validation` count here; for "asr" see `with_speech`.
        split: "train", "validation", or another one of the release.

    Raises:
        InputError: If there is no clip at all.
        OptionError, ReleaseError, RunError, HubError: If the source cannot be read, or has no
            such split.
    """
    assert options.data is not None
    source = find_source(options.data)
    own, shares = _splitting(source, split, options.validation)
    clips = _read(source, options.text, own)
    if clips is not None and shares:
        is_in = np.array([split_of(_SALT + name, shares) == split for name in clips.video_ids])
        clips = clips.kept(is_in[clips.video])
    if clips is None or not len(clips):
        raise InputError(
            f"{options.data}: holds no clip in the split {split!r}",
            hint="pseudolabel show lists a run's clips; --validation is the share held out",
        )
    return clips


def read_all_clips(data: str) -> Clips:
    """The clips of all splits of a release, or of a run, with their captions; by video and time.

    Raises:
        InputError: If there is no clip at all.
        OptionError, ReleaseError, RunError, HubError: If the source cannot be read.
    """
    source = find_source(data)
    clips = _read(source, "caption", None)
    if clips is None:
        raise InputError(f"{data}: holds no clip", hint="pseudolabel show lists a run's clips")
    return clips.taken(np.lexsort((clips.start_s, clips.video)))


def with_speech(clips: Clips, transcripts: str) -> tuple[Clips, TranscriptSource]:
    """The same clips with what was said during each; the transcripts, and what of them failed.

    Raises:
        InputError: If there are no transcripts, or of none of the videos.
    """
    found = TranscriptSource(transcripts)
    texts = spoken_texts(found, clips.video_ids, clips.video, clips.start_s, clips.end_s)
    videos = np.unique(clips.video)
    if len(found.missing) == len(videos):
        raise InputError(
            f"{transcripts}: no transcript of any of the {len(videos)} videos, such as "
            f"{found.missing[0]!r}",
            hint="name transcripts by the videos' ids",
        )
    return replace(clips, texts=texts), found


def with_text(clips: Clips) -> Clips:
    """The clips that have a text."""
    return clips.kept(has_text(clips.texts))


def _splitting(
    source: Source, split: str, validation: float
) -> tuple[str | None, dict[str, float]]:
    """The split of the release to read, None for all; and into which shares to split that."""
    there = splits_of(source)
    is_made_here = split in (TRAIN, VALIDATION) and VALIDATION not in there
    wanted = TRAIN if is_made_here else split
    if (there or not is_made_here) and wanted not in there:
        raise ReleaseError(
            f"{source.name}: has no split {wanted!r}",
            hint=f"it has: {', '.join(there) or 'none; train and validation are made from it'}",
        )
    if is_made_here:
        return (TRAIN if there else None), {TRAIN: 1 - validation, VALIDATION: validation}
    return split, {}


def _columns(source: Source, text: TextKind) -> tuple[str, ...]:
    said = () if text != "samples" else ("samples",) if source.is_release else ("frames",)
    return (*_PLACE, *said, "url" if source.is_release else "source")


class _Columns:
    """The columns of many tables, which need not all be in memory."""

    def __init__(self, text: TextKind) -> None:
        self._text = text
        self._numbers: dict[str, int] = {}  # of the videos, by id
        self._urls: list[str | None] = []
        self._parts: list[tuple[Any, ...]] = []

    def add(self, rows: pa.Table) -> None:
        """Add the rows of a table with the columns of `_columns`."""
        import pyarrow as pa

        ids = rows["video_id"].combine_chunks().dictionary_encode()
        codes = np.asarray(ids.indices)
        first = np.unique(codes, return_index=True)[1]
        names = ids.dictionary.to_pylist()
        urls = rows[rows.column_names[-1]].take(pa.array(first)).to_pylist()
        numbers = [self._number(*video) for video in zip(names, urls, strict=True)]
        texts = sample_texts(rows) if self._text == "samples" else caption_texts(rows["caption"])
        self._parts.append(
            (
                np.array(numbers, np.int32)[codes],
                np.asarray(rows["clip_index"], np.int32),
                np.asarray(rows["start_s"], np.float64),
                np.asarray(rows["end_s"], np.float64),
                texts.cast(pa.large_list(pa.large_string())),
            )
        )

    def _number(self, video_id: str, url: str | None) -> int:
        if video_id not in self._numbers:
            self._numbers[video_id] = len(self._urls)
            self._urls.append(url)
        return self._numbers[video_id]

    def clips(self, source: Source) -> Clips | None:
        """All that was added; None: nothing was."""
        import pyarrow as pa

        if not self._parts:
            return None
        *columns, texts = zip(*self._parts, strict=True)
        video, clip_index, start_s, end_s = map(np.concatenate, columns)
        self._parts.clear()
        return Clips(
            source=source,
            video_ids=tuple(self._numbers),
            urls=tuple(self._urls),
            video=video,
            clip_index=clip_index,
            start_s=start_s,
            end_s=end_s,
            texts=pa.concat_arrays(texts),
        )


def _read(source: Source, text: TextKind, split: str | None) -> Clips | None:
    """The clips of a split of a release, None for all, or of a run; None if there is none."""
    columns = _Columns(text)
    for table in clip_tables(source, _columns(source, text), split):
        if table.num_rows:
            columns.add(table)
    return columns.clips(source)
