"""Whether what is said is what the caption says: words in common, and when they are said."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pseudolabel.captions.words import Tokens, content_word, words
from pseudolabel.evaluation.clips import Clips
from pseudolabel.evaluation.measuring.intervals import (
    Estimate,
    Floats,
    Videos,
    divided,
    interval,
    of_several,
)
from pseudolabel.evaluation.measuring.spoken import SpokenWords

FARTHEST_S = 30  # how far speech is moved against the picture
OFFSETS_S = np.arange(-FARTHEST_S, FARTHEST_S + 1)
# When a video's captions are said: while the clip plays, before it, after it, or at no time.
TIMINGS = ("in time", "earlier", "later", "not said")
_CLEARLY = 0.2  # how far the best offset's share of words must stand above the video's median
_FEWEST_WORDS = 4  # said at the best offset; fewer are chance


@dataclass(frozen=True, slots=True)
class Overlap:
    """Content words that two texts have in common: `(clips,)` each."""

    common: NDArray[np.int64]
    of_first: NDArray[np.int64]  # content words of the caption
    of_second: NDArray[np.int64]  # of what was said

    @property
    def jaccard(self) -> Floats:
        """Words in common over words in either; 0 where neither has one."""
        either = self.of_first + self.of_second - self.common
        found: Floats = np.divide(self.common, either, out=np.zeros(len(either)), where=either > 0)
        return found


def overlap(first: Tokens, second: Tokens) -> Overlap:
    """Count the words in common, text by text; both hold each word of a text once."""
    number = {word: at for at, word in enumerate(first.vocabulary)}
    known = np.array([number.get(word, -1) for word in second.vocabulary], np.int64)
    size = max(1, len(first.vocabulary))
    here = first.owners() * size + first.ids
    translated = known[second.ids] if len(known) else second.ids.astype(np.int64)
    is_known = translated >= 0
    there = second.owners()[is_known] * size + translated[is_known]
    shared = np.intersect1d(here, there, assume_unique=True) // size
    common = np.bincount(shared, minlength=len(first.counts))
    return Overlap(common.astype(np.int64), first.counts, second.counts)


@dataclass(frozen=True, slots=True)
class OffsetSearch:
    """How much of the captions' words is said when speech is moved in time.

    `shares[i]` is the share of the captions' content words that are said between a clip's borders
    moved by `OFFSETS_S[i]` seconds: where it is highest at +10, speech comes 10 s after the
    picture.
    """

    shares: tuple[Estimate, ...]  # one an offset
    best_s: Estimate  # the offset with the highest share
    gain: Estimate  # the highest share less that at 0; 0 at least
    chance: float  # the share that is said at any offset: the median over all
    timing: Mapping[str, Estimate]  # shares of the videos with speech, by `TIMINGS`


def search_offsets(
    clips: Clips, captions: Tokens, spoken: Mapping[int, SpokenWords], videos: Videos
) -> OffsetSearch | None:
    """Move speech against the picture by up to 30 s, in one pass over the words in common.

    A word that is said at time t is inside the clip moved by o where `start + o <= t < end + o`,
    which is a stretch of offsets; so every occurrence adds a step up and a step down, and all
    offsets are read off their running sum.

    Args:
        clips: The clips.
        captions: Their captions' content words, each once.
        spoken: What was said, by the number of the video.
        videos: Draws the videos, for intervals.

    Returns:
        None: no caption of a video with speech has a content word.
    """
    steps = np.zeros((videos.count, len(OFFSETS_S) + 1))
    wanted = np.zeros(videos.count)
    for video, said in spoken.items():
        if not said.words:
            continue  # a transcript of silence, as `transcribe` writes it
        times_s = _times_by_word(said)
        for clip in range(*clips.of_video(video).indices(len(clips))):
            content = captions.of(clip)
            wanted[video] += len(content)
            length_s = clips.end_s[clip] - clips.start_s[clip]
            for word in content:
                found = times_s.get(captions.vocabulary[word])
                if found is not None:
                    _add(steps[video], found, clips.start_s[clip], length_s)
    if not wanted.sum():
        return None
    said_at = np.cumsum(steps[:, :-1], axis=1)
    half_s = float(np.median(clips.end_s - clips.start_s)) / 2
    timing = _timing(said_at, wanted, half_s)
    return _found(said_at, wanted, timing, videos)


def _times_by_word(said: SpokenWords) -> dict[str, list[float]]:
    """When each content word is said, ascending."""
    times: dict[str, list[float]] = {}
    for time_s, text in zip(said.times_s.tolist(), said.words, strict=True):
        for word in words(text):
            content = content_word(word)
            if content is not None:
                times.setdefault(content, []).append(time_s)
    return times


def _add(steps: Floats, times_s: Sequence[float], start_s: float, length_s: float) -> None:
    """Add 1 to every offset at which one of the times lies in the clip moved by it."""
    at = bisect_left(times_s, start_s - FARTHEST_S)
    covered = 0  # offsets before this one have been counted for this word
    while at < len(times_s) and times_s[at] < start_s + length_s + FARTHEST_S:
        latest = times_s[at] - start_s
        # Offsets o with latest - length < o <= latest, as positions in OFFSETS_S.
        low = max(covered, int(np.floor(latest - length_s)) + 1 + FARTHEST_S)
        high = min(len(OFFSETS_S), int(np.floor(latest)) + 1 + FARTHEST_S)
        if low < high:
            steps[low] += 1
            steps[high] -= 1
            covered = high
        at += 1


def _timing(said: Floats, wanted: Floats, half_s: float) -> Floats:
    """Which of `TIMINGS` each video is: `(videos, 4)` of 0 and 1; all 0 without speech."""
    shares = np.nan_to_num(divided(said, wanted[:, None]))
    best = _best(shares)
    rows = np.arange(len(shares))
    is_clear = shares[rows, best] - np.median(shares, axis=1) >= _CLEARLY
    is_clear &= said[rows, best] >= _FEWEST_WORDS
    offset_s = OFFSETS_S[best]
    kind = np.select([~is_clear, offset_s < -half_s, offset_s > half_s], [3, 1, 2], 0)
    found = np.zeros((len(shares), len(TIMINGS)))
    found[rows, kind] = 1
    found[wanted == 0] = 0
    return found


def _found(said: Floats, wanted: Floats, timing: Floats, videos: Videos) -> OffsetSearch:
    has_speech = timing.sum(axis=1, keepdims=True)
    kinds = np.concatenate([timing, has_speech], axis=1)
    drawn_kinds = videos.drawn(kinds)
    kind_rounds = of_several(divided(drawn_kinds[:, :-1], drawn_kinds[:, -1:]), has_speech)
    kind_shares = timing.sum(axis=0) / has_speech.sum()
    by_video = np.concatenate([said, wanted[:, None]], axis=1)
    total, drawn = by_video.sum(axis=0), videos.drawn(by_video)
    shares = total[:-1] / total[-1]
    rounds = of_several(divided(drawn[:, :-1], drawn[:, -1:]), wanted[:, None])
    is_known = np.isfinite(rounds).all(axis=1)
    rounds = rounds[is_known]
    best_of_rounds = OFFSETS_S[_best(rounds)]
    here = FARTHEST_S  # the position of offset 0
    return OffsetSearch(
        shares=tuple(interval(s, r) for s, r in zip(shares, rounds.T, strict=True)),
        best_s=interval(float(OFFSETS_S[_best(shares[None])[0]]), best_of_rounds.astype(float)),
        gain=interval(shares.max() - shares[here], rounds.max(axis=1) - rounds[:, here]),
        chance=float(np.median(shares)),
        timing={
            name: interval(share, rounds_of_it)
            for name, share, rounds_of_it in zip(TIMINGS, kind_shares, kind_rounds.T, strict=True)
        },
    )


def _best(shares: Floats) -> NDArray[np.int64]:
    """The position of the highest share of each row; of several alike, the one nearest to 0."""
    nearest_first = np.argsort(np.abs(OFFSETS_S), kind="stable")
    best: NDArray[np.int64] = nearest_first[np.argmax(shares[:, nearest_first], axis=1)]
    return best
