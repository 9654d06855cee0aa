"""What was said during each clip: words of a transcript, cut at the clip's borders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pseudolabel.records import TranscriptSegment


@dataclass(frozen=True, slots=True)
class SpokenWords:
    """The words of one video, by the middle of the time in which each was said."""

    times_s: NDArray[np.float64]  # (words,), ascending
    words: tuple[str, ...]

    def between(self, start_s: float, end_s: float) -> str:
        """What was said in a stretch: the words whose middle lies in it."""
        first, end = np.searchsorted(self.times_s, [start_s, end_s])
        return " ".join(self.words[first:end])


def spoken_words(segments: Iterable[TranscriptSegment]) -> SpokenWords:
    """The words of a transcript.

    Where the transcript has no times of words, those of a segment are taken to be as long as each
    other, and to fill it.
    """
    said: list[tuple[float, str]] = []
    for segment in segments:
        if segment.words is not None:
            said += [(word.span.center_s, word.text.strip()) for word in segment.words]
            continue
        texts = segment.text.split()
        length_s = (segment.span.end_s - segment.span.start_s) / max(1, len(texts))
        said += [
            (segment.span.start_s + (i + 0.5) * length_s, text) for i, text in enumerate(texts)
        ]
    said.sort(key=lambda word: word[0])
    return SpokenWords(np.array([time_s for time_s, _ in said]), tuple(text for _, text in said))
