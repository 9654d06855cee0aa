"""The texts of clips: what they are taught to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pseudolabel.evaluation.measuring.spoken import spoken_words
from pseudolabel.evaluation.transcripts.source import TranscriptSource

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS_AT_ONCE = 100_000  # made into Arrow, which takes a fifth of the memory


def caption_texts(captions: Any) -> pa.LargeListArray:
    """Lists of one text each, from a column of strings."""
    import pyarrow as pa

    strings = _large(captions.combine_chunks())
    return pa.LargeListArray.from_arrays(np.arange(len(strings) + 1), strings)


def sample_texts(rows: pa.Table) -> pa.LargeListArray:
    """Everything the captioner said of each clip, or its caption where that is all.

    Args:
        rows: With columns `caption` and, of a release, `samples`; of a run, `frames`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.large_list(pa.large_string())
    if "samples" in rows.column_names:
        said = rows["samples"].combine_chunks().cast(kind)
    else:
        said = _of_frames(rows["frames"].combine_chunks()).cast(kind)
    return pc.if_else(pc.is_valid(said), said, caption_texts(rows["caption"]).cast(kind))


def has_text(texts: pa.LargeListArray) -> NDArray[np.bool_]:
    """Which clips have a text that is more than white space: `(clips,)`."""
    import pyarrow.compute as pc

    is_word = np.asarray(pc.match_substring_regex(texts.values, r"\S").fill_null(False))
    so_far = np.concatenate([[0], np.cumsum(is_word)])
    offsets = np.asarray(texts.offsets)
    return np.asarray(so_far[offsets[1:]] > so_far[offsets[:-1]])


def spoken_texts(
    source: TranscriptSource,
    video_ids: Sequence[str],
    video: NDArray[np.int32],
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
) -> pa.LargeListArray:
    """What was said during each clip: the words whose middle lies in it; "" where nothing was.

    Args:
        source: Of the transcripts.
        video_ids: Each once; only those that have a clip are looked for.
        video: The video of each clip, an index into `video_ids`: `(clips,)`.
        start_s: Of each clip.
        end_s: Of each clip.
    """
    import pyarrow as pa

    order = np.argsort(video, kind="stable")
    edges = np.searchsorted(video[order], np.arange(len(video_ids) + 1))
    numbers = {video_ids[number]: int(number) for number in np.unique(video)}
    rows: list[NDArray[np.int64]] = []
    arrays: list[Any] = []
    waiting: list[str] = []
    for video_id, transcript in source.find([*numbers]):
        words = spoken_words(transcript.segments)
        number = numbers[video_id]
        own = order[edges[number] : edges[number + 1]]
        rows.append(own)
        waiting += [words.between(start_s[row], end_s[row]) for row in own]
        if len(waiting) >= _TEXTS_AT_ONCE:
            arrays.append(pa.array(waiting, pa.large_string()))
            waiting = []
    texts = pa.concat_arrays([*arrays, pa.array([*waiting, ""], pa.large_string())])
    place = np.full(len(video), len(texts) - 1)  # the last one: nothing
    if rows:
        place[np.concatenate(rows)] = np.arange(len(texts) - 1)
    return pa.LargeListArray.from_arrays(np.arange(len(video) + 1), texts.take(pa.array(place)))


def _large(strings: Any) -> Any:
    """Strings whose bytes may be more than 2 GB."""
    import pyarrow as pa

    return strings.cast(pa.large_string())


def _of_frames(frames: Any) -> Any:
    """The texts of all captions of all frames of each clip, from a run's column `frames`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    captions = pc.struct_field(pc.list_flatten(frames), "captions")
    texts = pc.struct_field(pc.list_flatten(captions), "text")
    frame_edges = np.concatenate([[0], np.cumsum(np.asarray(pc.list_value_length(frames)))])
    caption_edges = np.concatenate([[0], np.cumsum(np.asarray(pc.list_value_length(captions)))])
    return pa.LargeListArray.from_arrays(pa.array(caption_edges[frame_edges]), _large(texts))
