"""Transcripts in JSON: YouTube's json3, the Whisper family, transformers, HowTo100M."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pseudolabel.speech.cues import Cue, CueWord, clean_text, number_s


def parse_json(document: object) -> list[Cue] | None:
    """Cues of one video's transcript, in file order; None if the document is no known form.

    Args:
        document: What `json.loads` gave. Known forms: YouTube json3 (`events`), Whisper,
            WhisperX and faster-whisper (`segments`, or a bare list of them), transformers'
            speech recognition (`chunks`), HowTo100M (`text`, `start` and `end` in parallel).
    """
    if isinstance(document, list):
        is_known = not document or any(isinstance(i, dict) and "text" in i for i in document)
        return [_segment(item) for item in document] if is_known else None
    if not isinstance(document, dict):
        return None
    if isinstance(events := document.get("events"), list):
        return list(_json3(events))
    if isinstance(segments := document.get("segments"), list):
        return [_segment(item) for item in segments]
    if isinstance(chunks := document.get("chunks"), list):
        return [_chunk(item) for item in chunks]
    if is_howto100m(document):
        columns = (document["start"], document["end"], document["text"])
        return [
            Cue(number_s(start), number_s(end), _text(text))
            for start, end, text in itertools.zip_longest(*columns)
        ]
    return None


def is_howto100m(document: object) -> bool:
    """Whether it is one video of HowTo100M: parallel lists of texts, starts and ends."""
    return isinstance(document, dict) and all(
        isinstance(document.get(name), list) for name in ("text", "start", "end")
    )


def _segment(item: object) -> Cue:
    """Of `start`, `end` and `text`; some tools write `duration` in place of `end`."""
    fields: Mapping[str, Any] = item if isinstance(item, dict) else {}
    start_s, end = number_s(fields.get("start")), fields.get("end")
    if end is None and fields.get("duration") is not None:
        end = start_s + number_s(fields["duration"])
    end_s = None if end is None else number_s(end)
    return Cue(start_s, end_s, _text(fields.get("text")), _words(fields.get("words")))


def _words(items: object) -> tuple[CueWord, ...]:
    """Of `word`, `start` and `end`; WhisperX leaves numerals without times."""
    found = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return tuple(
        CueWord(
            start_s=number_s(item.get("start")),
            end_s=None if item.get("end") is None else number_s(item["end"]),
            text=_text(item.get("word", item.get("text"))),
        )
        for item in found
    )


def _chunk(item: object) -> Cue:
    """Of `timestamp: [start, end]` and `text`; where speech is cut off, `end` is null."""
    fields: Mapping[str, Any] = item if isinstance(item, dict) else {}
    times = fields.get("timestamp")
    start, end = times if isinstance(times, list) and len(times) == 2 else (None, None)
    return Cue(number_s(start), None if end is None else number_s(end), _text(fields.get("text")))


def _json3(events: Sequence[object]) -> Iterator[Cue]:
    """Events without words set up windows or break lines: they are no cues.

    An automatic caption stays until its line has scrolled away, over the ones after it; it ends
    where the next begins. Captions made by hand overlap on purpose.
    """
    spoken = [(event, text) for event in events if (text := _json3_text(event))]
    cues = [_json3_cue(event, text) for event, text in spoken]
    if not any(_is_automatic(event) for event in events):
        yield from cues
        return
    for cue, after in itertools.zip_longest(cues, cues[1:]):
        if after and cue.end_s is not None and cue.start_s < after.start_s < cue.end_s:
            yield replace(cue, end_s=after.start_s)
        else:
            yield cue


def _json3_segs(event: object) -> list[Mapping[str, Any]]:
    segs = event.get("segs") if isinstance(event, dict) else None
    return [seg for seg in segs if isinstance(seg, dict)] if isinstance(segs, list) else []


def _json3_text(event: object) -> str:
    return clean_text("".join(_raw(seg.get("utf8")) for seg in _json3_segs(event)))


def _json3_cue(event: Any, text: str) -> Cue:
    start_s = number_s(event.get("tStartMs", 0)) / 1000  # left out where it is 0
    duration = event.get("dDurationMs")
    end_s = None if duration is None else start_s + number_s(duration) / 1000
    return Cue(start_s, end_s, text, _json3_words(event, start_s))


def _json3_words(event: object, start_s: float) -> tuple[CueWord, ...]:
    """Automatic captions tell how long after the line's start each word but the first is said."""
    segs = _json3_segs(event)
    if not any("tOffsetMs" in seg for seg in segs):
        return ()
    offsets = (0 if i == 0 else math.nan for i in range(len(segs)))
    return tuple(
        CueWord(
            start_s + number_s(seg.get("tOffsetMs", offset)) / 1000, None, _text(seg.get("utf8"))
        )
        for seg, offset in zip(segs, offsets, strict=True)
    )


def _is_automatic(event: object) -> bool:
    appends = isinstance(event, dict) and "aAppend" in event
    return appends or any("tOffsetMs" in seg for seg in _json3_segs(event))


def _text(value: object) -> str:
    return clean_text(_raw(value))


def _raw(value: object) -> str:
    """A text, or a number for one; anything else is no text."""
    if isinstance(value, str):
        return value
    return str(value) if math.isfinite(number_s(value)) else ""
