"""A transcript as files: WebVTT for people and players, JSON with words, and their names.

The JSON is one that readers of faster-whisper's know, with a header on its first line: who made
it, and from what. That line alone says whether the work is done, without parsing an hour of words.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pseudolabel.records import TranscriptSegment
from pseudolabel.speech.sentences import HeardSegment

_LONGEST_PART_BYTES = 200  # of a path; file systems allow 255, and suffixes come on top
_LONGEST_NAME_BYTES = 1_000
_WRITTEN_SUFFIXES = (".vtt", ".json", ".tmp")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_OPEN, _CLOSE = '"segments": [', "]}"


def transcript_name(video_id: str) -> str:
    """The relative path, less its suffix, of a video's transcript: its id, wherever that is safe.

    An id that would leave the folder, or that is no file name (`..`, an empty part, control
    characters, too long), becomes readable characters of its last part and a hash of all of it.
    """
    parts = video_id.split("/")
    is_safe = (
        all(map(_is_safe_part, parts))
        and not any(part.lower().endswith(_WRITTEN_SUFFIXES) for part in parts[:-1])
        and len(video_id.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME_BYTES
    )
    if is_safe:
        return video_id
    digest = hashlib.sha256(video_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    readable = _UNSAFE.sub("_", parts[-1])[:60].lstrip(".")
    return f"{readable or 'video'}~{digest}"


def _is_safe_part(part: str) -> bool:
    try:
        length = len(part.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return False
    fits = 0 < length <= _LONGEST_PART_BYTES and part not in (".", "..")
    return fits and not _CONTROL.search(part)


def webvtt(segments: Iterable[TranscriptSegment]) -> str:
    """A transcript as WebVTT, a cue a segment, each on one line."""
    cues = (
        f"{_clock(segment.span.start_s)} --> {_clock(segment.span.end_s)}\n"
        f"{_escaped(segment.text)}\n"
        for segment in segments
    )
    return "\n".join(["WEBVTT\n", *cues])


def _clock(time_s: float) -> str:
    milliseconds = round(time_s * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def _escaped(text: str) -> str:
    """One line of cue text: no markup and no arrow, which would start a cue, is left in it."""
    text = " ".join(text.split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("{\\", "&#123;\\")  # which readers of SRT take for a position


def transcript_json(header: Mapping[str, Any], segments: Iterable[HeardSegment]) -> str:
    """A transcript as JSON: the header on the first line, then a segment a line.

    Args:
        header: Facts about the transcript, all of them JSON; not `segments`.
        segments: What was heard.
    """
    head = json.dumps(dict(header), ensure_ascii=False)
    lines = ",\n".join(json.dumps(_segment(heard), ensure_ascii=False) for heard in segments)
    text = f"{head[:-1]}, {_OPEN}\n{lines}\n{_CLOSE}\n"
    return text.encode("utf-8", "backslashreplace").decode()  # a path may not be Unicode


def _segment(heard: HeardSegment) -> dict[str, Any]:
    segment = heard.segment
    words = zip(segment.words or (), heard.probabilities, strict=True)
    return {
        "start": segment.span.start_s,
        "end": segment.span.end_s,
        "text": segment.text,
        "words": [
            {
                "word": word.text,
                "start": word.span.start_s,
                "end": word.span.end_s,
                "probability": round(probability, 4),
            }
            for word, probability in words
        ],
    }


def read_header(path: Path) -> dict[str, Any] | None:
    """The header of a transcript that `transcript_json` made; None if there is none."""
    try:
        with path.open(encoding="utf-8") as file:
            line = file.readline()
            try:
                found = json.loads(line.rstrip() + _CLOSE)
            except ValueError:  # somebody wrote it anew, in a layout of their own
                found = json.loads(line + file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
