"""Data that a page carries: JSON in `<script>` elements that no browser takes for code or markup.

A block holds `CLIPS_A_BLOCK` clips. Texts and numbers of all blocks are read when the page opens,
pictures and frames of a block only when one of its clips is looked at.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any, SupportsFloat

from pseudolabel.evaluation.page.parts import (
    Column,
    FrameText,
    PageClip,
    Pair,
    Rating,
    Value,
)

CLIPS_A_BLOCK = 32  # a row far down the list costs the parsing of one block
PAIRS_A_BLOCK = 16
_JPEG = b"\xff\xd8"
_INERT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def block(part: str, value: object) -> str:
    """A `<script>` element with JSON in it: ASCII, and no `<`, `>` or `&` in the JSON."""
    return f'<script type="application/json" data-part="{part}">{inert_json(value)}</script>\n'


def inert_json(value: object) -> str:
    """JSON that stays what it is inside HTML; also of lone surrogates and line separators."""
    # ensure_ascii escapes all that is not ASCII, so U+2028 and half characters with it.
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_INERT)


def clip_blocks(columns: Sequence[Column], clips: Iterable[PageClip]) -> Iterator[str]:
    """Blocks of clips, in order; holds `CLIPS_A_BLOCK` clips and the keys of all.

    Raises:
        ValueError: If two clips have one key, or a picture is no JPEG.
        TypeError: If a value is not of its column's kind.
    """
    iterator, seen = iter(clips), set[str]()
    while batch := list(itertools.islice(iterator, CLIPS_A_BLOCK)):
        for clip in batch:
            if clip.key in seen:
                raise ValueError(f"two clips have the key {clip.key!r}")
            seen.add(clip.key)
        yield block("clips", [_clip(columns, clip) for clip in batch])
        yield block("images", [_base64(clip.image) for clip in batch])
        yield block("frames", [_frames(clip) for clip in batch])


def rating_blocks(rating: Rating) -> Iterator[str]:
    """The sheet: its questions and texts, each pair's sides in a drawn order, then pictures."""
    pairs = [[pair.clip, pair.title, _shuffled(pair, rating.seed)] for pair in rating.pairs]
    sheet = {"questions": list(rating.questions), "pairs": pairs}
    # Answers kept by the browser belong to these very texts in this very order.
    name = sha256(inert_json(sheet).encode()).hexdigest()[:16]
    yield block("rating", {"sheet": name, "block": PAIRS_A_BLOCK, **sheet})
    for start in range(0, len(rating.pairs), PAIRS_A_BLOCK):
        batch = rating.pairs[start : start + PAIRS_A_BLOCK]
        yield block("pair-images", [_base64(pair.image) for pair in batch])


def _shuffled(pair: Pair, seed: int) -> list[tuple[str, str]]:
    sides = sorted(pair.texts.items())
    # Seeded by the clip too, so that a pair keeps its order when others join the sample.
    random.Random(f"{seed} {pair.clip}".encode("utf-8", "surrogatepass")).shuffle(sides)
    return sides


def _clip(columns: Sequence[Column], clip: PageClip) -> list[Any]:
    return [clip.key, clip.title, *(_value(column, clip.values) for column in columns)]


def _value(column: Column, values: Mapping[str, Value]) -> Any:
    value = values.get(column.key)
    if column.kind == "flags":
        if isinstance(value, str | float | int):
            raise TypeError(f"{column.key}: {value!r}, expected a sequence of flags")
        return list(value or ())
    if value is None:
        return None
    if column.kind in ("text", "clip"):
        if not isinstance(value, str):
            raise TypeError(f"{column.key}: {value!r}, expected a text")
        return value
    if not isinstance(value, SupportsFloat):
        raise TypeError(f"{column.key}: {value!r}, expected a number")
    return _number(float(value))


def _number(value: float | None) -> float | None:
    """As JSON can say it, nine digits long: a float32 in full takes twenty characters."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.9g}")


def _frames(clip: PageClip) -> list[Any] | dict[str, Any]:
    """Frames in time order; with the timeline that they lie on, if there is one."""
    frames = [_frame(frame) for frame in clip.frames]
    if clip.timeline is None:
        return frames
    timeline = asdict(clip.timeline)
    return {**timeline, "frames": frames}


def _frame(frame: FrameText) -> list[Any]:
    scores = [_number(score) for score in frame.scores]
    image = _base64(frame.image)
    more: dict[str, Any] = {"note": frame.note, "marks": list(frame.marks)}
    more["logprobs"] = [_number(logprob) for logprob in frame.logprobs]
    more = {name: value for name, value in more.items() if value}
    line = [_number(frame.time_s), list(frame.texts), frame.chosen, scores, image]
    return [*line, more] if more else line


def _base64(image: bytes | None) -> str | None:
    if image is None:
        return None
    if not image.startswith(_JPEG):
        raise ValueError(f"a picture starts with {image[:4]!r}, expected a JPEG")
    return base64.b64encode(image).decode("ascii")
