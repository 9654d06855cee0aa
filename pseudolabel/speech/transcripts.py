"""Reading a transcript, whatever wrote it."""

from __future__ import annotations

import codecs
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pseudolabel.errors import InputError
from pseudolabel.records import Span, TranscriptSegment
from pseudolabel.speech.cues import Cue
from pseudolabel.speech.json_transcripts import is_howto100m, parse_json
from pseudolabel.speech.subtitles import parse_subtitles
from pseudolabel.speech.table_transcripts import parse_table

TRANSCRIPT_SUFFIXES = (".vtt", ".srt", ".json3", ".json", ".csv", ".tsv")

_WORDS_PER_S = 2.5  # of unhurried speech: how long a last segment without an end is taken to last
_KINDS = (
    "a transcript is .vtt, .srt, .json3 (YouTube), .json (Whisper, WhisperX, faster-whisper, "
    "transformers, or one video of HowTo100M), or .csv or .tsv with columns start, end, text"
)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in one video."""

    segments: tuple[TranscriptSegment, ...]  # by start; may overlap
    dropped: int  # cues that could not be used: no readable times, not longer than 0 s, no text


def read_transcript(path: str | os.PathLike[str]) -> Transcript:
    """Read the transcript of one video.

    The suffix says the form: WebVTT, SRT, YouTube json3, the JSON of Whisper, WhisperX,
    faster-whisper and transformers, one video of HowTo100M, CSV or TSV. Text is UTF-8 or UTF-16
    with a byte-order mark, UTF-8 without, else taken as Windows-1252. A segment whose end is not
    told lasts until the next one starts; the last one as long as its words take to say.

    Raises:
        InputError: If the file cannot be read or is none of these forms.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: {error.strerror or error}", hint=_KINDS) from None
    try:
        cues = _parse(_decode(raw), Path(path).suffix.lower())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{os.fspath(path)}: {error}", hint=_KINDS) from None
    return _transcript(cues)


def _decode(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _parse(text: str, suffix: str) -> list[Cue]:
    if suffix in (".vtt", ".srt"):
        return parse_subtitles(text)
    if suffix in (".csv", ".tsv"):
        return parse_table(text, delimiter="," if suffix == ".csv" else "\t")
    if suffix not in (".json", ".json3"):
        raise ValueError(f"{suffix or 'no suffix'} is not a transcript")
    document = json.loads(text)
    cues = parse_json(document)
    if cues is not None:
        return cues
    if isinstance(document, dict) and any(map(is_howto100m, document.values())):
        raise ValueError("holds the transcripts of several videos; one file a video is needed")
    raise ValueError("JSON, but not a transcript")


def _transcript(cues: Sequence[Cue]) -> Transcript:
    readable = [cue for cue in cues if math.isfinite(cue.start_s) and cue.text]
    readable.sort(key=lambda cue: cue.start_s)
    segments = []
    for position, cue in enumerate(readable):
        start_s = max(0.0, cue.start_s)  # recognizers can put the first word a little before 0
        end_s = _end_s(readable, position) if cue.end_s is None else cue.end_s
        if math.isfinite(end_s) and end_s > start_s:
            segments.append(TranscriptSegment(Span(start_s, end_s), cue.text))
    return Transcript(tuple(segments), dropped=len(cues) - len(segments))


def _end_s(cues: Sequence[Cue], position: int) -> float:
    cue = cues[position]
    later = (after.start_s for after in cues[position + 1 :] if after.start_s > cue.start_s)
    spoken_s = len(cue.text.split()) / _WORDS_PER_S
    return next(later, max(cue.start_s, 0.0) + spoken_s)
