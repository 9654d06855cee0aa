"""What was said in a video: from a folder of transcripts, a file beside it, or a stream in it."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pseudolabel.errors import InputError
from pseudolabel.records import SkipReason, Span, TranscriptSegment, Video
from pseudolabel.speech.names import names_of
from pseudolabel.speech.transcripts import TRANSCRIPT_SUFFIXES, read_transcript
from pseudolabel.videos.signals import Progress, VideoSkippedError, one_line

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.subtitles.stream import SubtitleStream

_OVERRIDES = re.compile(r"\{[^{}]*\}")  # of ASS: {\an8}
_PACKETS_A_BEAT = 500
_FOLDERS = 16  # whose transcripts are remembered, some 250 bytes each


def find_transcript(
    video: Video, container: InputContainer, folder: str | None
) -> Generator[Progress, None, tuple[TranscriptSegment, ...]]:
    """The transcript of a video, sorted by start.

    Where `folder` is given only that is looked into. Else a file beside the video comes before
    the first subtitle stream with text inside it.

    Raises:
        VideoSkippedError: If there is none, or what there is cannot be read.
    """
    path = transcript_file(video, folder)
    if path is not None:
        try:
            segments = read_transcript(path).segments
        except InputError as error:
            raise VideoSkippedError("segment", SkipReason.NO_TRANSCRIPT, one_line(error)) from None
        return _sorted_or_refused(segments, f"{path.name} holds no segment")
    if folder is not None:
        detail = f"no transcript of {video.video_id!r} in the folder"
        raise VideoSkippedError("segment", SkipReason.NO_TRANSCRIPT, detail)
    for stream in container.streams.subtitles:
        words = yield from _embedded(container, stream)
        if words:
            return _sorted_or_refused(words, "")
    detail = "no transcript beside the video, and no subtitles with text in it"
    raise VideoSkippedError("segment", SkipReason.NO_TRANSCRIPT, detail)


def transcript_file(video: Video, folder: str | None) -> Path | None:
    """The transcript's path; None: there is no file.

    In a folder, a name of it (see `names_of`: the stem, less a language, or what its brackets
    hold) is the video's id, its id's stem or last part, or its source's stem.
    """
    if "://" in video.source and folder is None:
        return None
    source = Path(video.source.split("?")[0])
    stems = [source.stem]
    if folder is not None:
        by_id = Path(video.video_id)
        stems = [video.video_id, str(by_id.with_suffix("")), by_id.stem, source.stem]
    place = source.parent if folder is None else Path(folder)
    for stem in dict.fromkeys(stems):
        found = _best_named(place / stem)
        if found is not None:
            return found
    return None


def _best_named(base: Path) -> Path | None:
    try:
        best = _transcripts(base.parent, base.parent.stat().st_mtime_ns).get(base.name)
    except OSError:
        return None
    return None if best is None else base.parent / best


# Remembered: to look through a folder of all transcripts for each video would cost the square.
@lru_cache(_FOLDERS)
def _transcripts(folder: Path, _changed_ns: int) -> Mapping[str, str]:
    """The best transcript in a folder for each name that one of them has."""
    order = {suffix: rank for rank, suffix in enumerate(TRANSCRIPT_SUFFIXES)}
    best: dict[str, tuple[int, int, str]] = {}
    with os.scandir(folder) as found:
        for entry in found:
            stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122  # many: no Path objects
            rank = order.get(suffix.lower())
            if rank is None or not _is_file(entry):
                continue
            for name, distance in names_of(stem).items():
                fit = (distance, rank, entry.name)
                best[name] = min(fit, best.get(name, fit))
    return {name: file for name, (_, _, file) in best.items()}


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def _embedded(
    container: InputContainer, stream: SubtitleStream
) -> Generator[Progress, None, list[TranscriptSegment]]:
    """Cues of one subtitle stream; what comes after damage is left out."""
    import av

    words: list[TranscriptSegment] = []
    start_s = (container.start_time or 0) / 1_000_000
    try:
        container.seek(container.start_time or 0)
        for count, packet in enumerate(container.demux(stream)):
            if count % _PACKETS_A_BEAT == _PACKETS_A_BEAT - 1:
                yield Progress()
            if packet.pts is None or not packet.duration or packet.time_base is None:
                continue
            text = " ".join(_texts(packet))
            begin_s = float(packet.pts * packet.time_base) - start_s
            end_s = begin_s + float(packet.duration * packet.time_base)
            if text and begin_s < end_s:
                words.append(TranscriptSegment(Span(begin_s, end_s), text))
    except (av.FFmpegError, OSError):
        return words
    return words


def _texts(packet: object) -> Iterator[str]:
    for part in packet.decode():  # type: ignore[attr-defined]
        raw = getattr(part, "dialogue", b"") or getattr(part, "text", b"")
        line = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
        clean = _OVERRIDES.sub("", line).replace("\\N", " ").replace("\\n", " ")
        if clean.strip():
            yield " ".join(clean.split())


def _sorted_or_refused(
    segments: tuple[TranscriptSegment, ...] | list[TranscriptSegment], detail: str
) -> tuple[TranscriptSegment, ...]:
    if not segments:
        raise VideoSkippedError("segment", SkipReason.NO_TRANSCRIPT, detail)
    return tuple(sorted(segments, key=lambda segment: segment.span.start_s))
