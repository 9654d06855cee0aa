"""WebVTT and SRT: cues from text, YouTube's rolling captions undone."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pseudolabel.speech.cues import Cue, CueWord, clean_text, clock_s

_TIMING = re.compile(r"\s*([\d:.,]+)\s*-->\s*([\d:.,]+)(?:\s|$)")
_COMMENT = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
_WORD_TIME = re.compile(r"<(\d+:[\d:.]+)>")
_MOST_CARRIED_LINES = 8  # a screen of rolling captions has two to four
_ROLL_GAP_S = 0.05  # rolling cues follow each other at once, or after 10 ms


@dataclass(frozen=True, slots=True)
class _Block:
    """A cue as lines: rolling captions repeat whole lines."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]  # clean, none empty
    raw_lines: tuple[str, ...] = ()  # the same ones with their markup, where it times words


def parse_subtitles(text: str) -> list[Cue]:
    """Cues of a WebVTT or SRT file, in file order.

    YouTube's automatic captions show each line twice, first as the lower and then as the upper
    one; such a repeated line is not a cue of its own here, and a cue that only repeats is none.

    Args:
        text: The file's text.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    blocks = list(_vtt_blocks(lines) if lines[0].startswith("WEBVTT") else _srt_blocks(lines))
    if _is_rolling(text, blocks):
        blocks = list(_unrolled(blocks))
    return [
        Cue(block.start_s, block.end_s, " ".join(block.lines), _words(block)) for block in blocks
    ]


def _vtt_blocks(lines: Sequence[str]) -> Iterator[_Block]:
    """Cues end at an empty line. A line of one space is not empty: YouTube pads with it."""
    at = 0
    while at < len(lines):
        end = next((i for i in range(at, len(lines)) if not lines[i]), len(lines))
        if not _COMMENT.match(lines[at]):
            timings = [i for i in range(at, end) if "-->" in lines[i]]
            for timing, after in itertools.pairwise([*timings, end]):
                yield _block(lines[timing], lines[timing + 1 : after])
        at = end + 1


def _srt_blocks(lines: Sequence[str]) -> Iterator[_Block]:
    """Cues end at the next timing line: texts with an empty line inside are common."""
    timings = [i for i in range(len(lines)) if _is_srt_timing(lines, i)]
    for timing, after in itertools.pairwise([*timings, len(lines)]):
        has_number = after < len(lines) and lines[after - 1].strip().isdigit()
        yield _block(lines[timing], lines[timing + 1 : after - has_number])


def _is_srt_timing(lines: Sequence[str], at: int) -> bool:
    """An arrow may stand in a text; times before it, or a cue's number above, tell."""
    if "-->" not in lines[at]:
        return False
    before_arrow = lines[at].partition("-->")[0].split()
    is_time_like = len(before_arrow) == 1 and any(map(str.isdigit, before_arrow[0]))
    return is_time_like or (at > 0 and lines[at - 1].strip().isdigit())


def _block(timing: str, body: Sequence[str]) -> _Block:
    match = _TIMING.match(timing)
    start_s, end_s = map(clock_s, match.groups()) if match else (math.nan, math.nan)
    said = [(text, line) for line in body if (text := clean_text(line))]
    are_timed = any(_WORD_TIME.search(line) for _, line in said)
    raw_lines = tuple(line for _, line in said) if are_timed else ()
    return _Block(start_s, end_s, tuple(text for text, _ in said), raw_lines)


def _words(block: _Block) -> tuple[CueWord, ...]:
    """What stands before the first time inside a cue is said from its start on."""
    words: list[CueWord] = []
    for line in block.raw_lines:
        before, *timed = _WORD_TIME.split(line)
        start_s = math.nan if words else block.start_s
        words.append(CueWord(start_s, None, clean_text(before)))
        times, texts = timed[0::2], timed[1::2]
        words += [
            CueWord(clock_s(time), None, clean_text(text))
            for time, text in zip(times, texts, strict=True)
        ]
    return tuple(words)


def _carried(before: _Block, block: _Block) -> int:
    """How many of the block's first lines are the last lines of the one before."""
    if not block.start_s <= before.end_s + _ROLL_GAP_S:
        return 0
    most = min(len(before.lines), len(block.lines), _MOST_CARRIED_LINES)
    return next((n for n in range(most, 0, -1) if before.lines[-n:] == block.lines[:n]), 0)


def _is_rolling(text: str, blocks: Sequence[_Block]) -> bool:
    """Whether lines are carried from cue to cue, rather than said twice.

    Word times give YouTube's captions away. Converted to SRT they have none; there, most cues
    begin with lines of the one before, and some then go on, which a refrain does not.
    """
    if _WORD_TIME.search(text):
        return True
    carried = [(_carried(a, b), len(b.lines)) for a, b in itertools.pairwise(blocks)]
    goes_on = any(0 < count < lines for count, lines in carried)
    return goes_on and 2 * sum(count > 0 for count, _ in carried) > len(carried)


def _unrolled(blocks: Sequence[_Block]) -> Iterator[_Block]:
    before = _Block(math.nan, math.nan, ())
    for block in blocks:
        count = _carried(before, block)
        if not count or count < len(block.lines):
            raw_lines = block.raw_lines[count:]
            yield _Block(block.start_s, block.end_s, block.lines[count:], raw_lines)
        before = block if block.lines else before
