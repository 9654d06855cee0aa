"""Reading a transcript, whatever wrote it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pseudolabel.errors import InputError
from pseudolabel.records import Span, TranscriptSegment
from pseudolabel.speech.cues import Cue
from pseudolabel.speech.encodings import decode
from pseudolabel.speech.json_stream import load_json
from pseudolabel.speech.json_transcripts import is_howto100m, parse_json
from pseudolabel.speech.subtitles import parse_subtitles
from pseudolabel.speech.table_transcripts import parse_table
from pseudolabel.speech.word_times import timed_words

TRANSCRIPT_SUFFIXES = (".vtt", ".srt", ".json3", ".json", ".csv", ".tsv")

_WORDS_PER_S = 2.5  # of unhurried speech: how long a last segment without an end is taken to last
_LONGEST_S = 1e9  # 32 years; a later time is no time but damage
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
    faster-whisper and transformers, one video of HowTo100M, CSV or TSV. Text is UTF-8, UTF-16 or
    UTF-32 with a byte-order mark, UTF-8 or UTF-16 without, else taken as Windows-1252. A segment
    whose end is not told lasts until the next one starts; the last one as long as its words take
    to say. Times of words are read where the form has them: the Whisper family, json3, WebVTT.

    Raises:
        InputError: If the file cannot be read or is none of these forms.
    """
    try:
        raw = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{os.fspath(path)}: {why}", hint=_KINDS) from None
    try:
        cues = _parse(decode(raw), Path(path).suffix.lower())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{os.fspath(path)}: {error}", hint=_KINDS) from None
    return transcript_of(cues)


def _parse(text: str, suffix: str) -> list[Cue]:
    if suffix in (".vtt", ".srt"):
        return parse_subtitles(text)
    if suffix in (".csv", ".tsv"):
        return parse_table(text, delimiter="," if suffix == ".csv" else "\t")
    if suffix not in (".json", ".json3"):
        raise ValueError(f"{suffix or 'no suffix'} is not a transcript")
    document = load_json(text)
    cues = parse_json(document)
    if cues is not None:
        return cues
    if isinstance(document, dict) and any(map(is_howto100m, document.values())):
        raise ValueError("holds the transcripts of several videos; one file a video is needed")
    raise ValueError("JSON, but not a transcript")


def transcript_of(cues: Sequence[Cue]) -> Transcript:
    """What is usable of the cues of one video, sorted; the rest is counted."""
    readable = [cue for cue in cues if abs(cue.start_s) <= _LONGEST_S and cue.text]
    readable.sort(key=lambda cue: cue.start_s)
    segments = []
    for cue, end_s in zip(readable, _ends_s(readable), strict=True):
        start_s = max(0.0, cue.start_s)  # recognizers can put the first word a little before 0
        if start_s < end_s <= _LONGEST_S:
            span = Span(start_s, end_s)
            segments.append(TranscriptSegment(span, cue.text, timed_words(cue.words, span)))
    return Transcript(tuple(segments), dropped=len(cues) - len(segments))


def _ends_s(cues: Sequence[Cue]) -> list[float]:
    """The end of each, told or not: then where the next one starts. From the back: one pass."""
    ends: list[float] = []
    later_s = after_s = math.inf  # the next start, and the next that differs from it
    for cue in reversed(cues):
        if cue.start_s < after_s:
            later_s, after_s = after_s, cue.start_s
        spoken_s = len(cue.text.split()) / _WORDS_PER_S
        untold_s = later_s if later_s < math.inf else max(cue.start_s, 0.0) + spoken_s
        ends.append(untold_s if cue.end_s is None else cue.end_s)
    return ends[::-1]
