"""How the captions of a clip's frames become the caption of the clip.

A strategy is a pure function of one clip; it says which frame and sample each piece of the caption
is from, so that every caption can be traced to its pictures. Of texts that a strategy finds
equally good, the one the model finds likeliest stands for the clip, then the earliest. But for
`center`, the paper's, only the soundest texts of a clip are candidates: one without words, in a
loop, cut off, or of a black frame stands only where there is nothing better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from pseudolabel.captions.health import is_black, is_blank, is_loop, look_alike
from pseudolabel.captions.joining import joined
from pseudolabel.captions.similarity import (
    DIGITS,
    Similarity,
    weighted_similarity,
    word_similarity,
)
from pseudolabel.captions.words import words
from pseudolabel.errors import OptionError
from pseudolabel.records import Caption, Consolidated, FrameCaption, Part, Span

Strategy = Callable[[Span, Sequence[FrameCaption]], Consolidated]
Place = tuple[int, int]  # frame, sample

NEAR_EQUAL = 0.8  # word similarity from which neighbouring frames say the same


def center(span: Span, frames: Sequence[FrameCaption]) -> Consolidated:
    """The caption of the frame nearest the clip's center: the paper's recipe (figure 1).

    Of several samples, the one the model finds likeliest. Ties go to the earlier.

    Args:
        span: The clip.
        frames: Its captioned frames, in time order; at least one.
    """
    frame = min(range(len(frames)), key=lambda i: abs(frames[i].time_s - span.center_s))
    captions = frames[frame].captions
    return chosen(frames, frame, max(range(len(captions)), key=lambda i: _likelihood(captions[i])))


def medoid(
    span: Span, frames: Sequence[FrameCaption], similarity: Similarity | None = None
) -> Consolidated:
    """The text that is closest to all others of the clip, over frames and samples.

    Equal texts count as often as they occur: what is seen longest, and what the model says again
    and again, wins over a slip.

    Args:
        span: The clip.
        frames: Its captioned frames, in time order; at least one.
        similarity: Of the texts with words, pairwise; None: by words, weighted within the clip.
    """
    return chosen(frames, *_closest(frames, similarity or weighted_similarity))


def best(span: Span, frames: Sequence[FrameCaption]) -> Consolidated:
    """The text most like the pictures of the clip, all of them, by the scorer.

    Args:
        span: The clip.
        frames: Its captioned frames, in time order; at least one.

    Raises:
        OptionError: If a caption was not scored.
    """
    places = _places(frames)
    scores = [_at(frames, place).clip_similarity for place in places]
    for (frame, sample), score in zip(places, scores, strict=True):
        if score is None and words(frames[frame].captions[sample].text):
            raise OptionError(
                f"--strategy best: the caption at {frames[frame].time_s:g} s has no score",
                hint="caption with --scorer MODEL",
            )
    # What has no words has no score; it stands only where no other caption does.
    known = [-math.inf if score is None else score for score in scores]
    return chosen(frames, *_highest(frames, places, known))


def timeline(span: Span, frames: Sequence[FrameCaption]) -> Consolidated:
    """What the frames say, one after the other, each thing once, in one English sentence.

    Where all say the same it is said in the words of the first, as they are.

    Args:
        span: The clip.
        frames: Its captioned frames, in time order; at least one.
    """
    parts = moments(frames)
    texts = [_at(frames, (part.frame, part.sample)).text for part in parts]
    return Consolidated(texts[0] if len(texts) == 1 else joined(texts), parts)


def moments(frames: Sequence[FrameCaption]) -> tuple[Part, ...]:
    """The frames' captions in order, neighbours that are nearly equal told by their first.

    A frame speaks through the medoid of its samples. Each is held against the first of its
    moment, not against its neighbour, so that a slow change does not pass as none. Frames whose
    texts are less sound than others are left out; where no frame has words, the first stands for
    all.
    """
    picks = [_closest([frame], weighted_similarity)[1] for frame in frames]
    sound = [_soundness(f, f.captions[pick]) for f, pick in zip(frames, picks, strict=True)]
    if not max(sound):
        return (Part(0, picks[0], len(frames) - 1),)
    spoken = [at for at, soundness in enumerate(sound) if soundness == max(sound)]
    texts = [frame.captions[pick].text for frame, pick in zip(frames, picks, strict=True)]
    alike = word_similarity(texts) >= NEAR_EQUAL
    parts: list[Part] = []
    for frame in spoken:
        if parts and alike[parts[-1].frame, frame]:
            parts[-1] = replace(parts[-1], last_frame=frame)
        else:
            parts.append(Part(frame, picks[frame], frame))
        if len(parts) > 2 and alike[parts[-3].frame, frame] and _is_slip(frames, *parts[-3:]):
            parts[-3:] = [replace(parts[-3], last_frame=frame)]
    return tuple(parts)


def _is_slip(frames: Sequence[FrameCaption], before: Part, between: Part, after: Part) -> bool:
    """Whether one frame alone says something else, and looks like one beside it."""
    if between.frame != between.last_frame:
        return False
    own = frames[between.frame]
    return look_alike(frames[before.last_frame], own) or look_alike(own, frames[after.frame])


def chosen(frames: Sequence[FrameCaption], frame: int, sample: int) -> Consolidated:
    """One of the captions, as it is."""
    return Consolidated(frames[frame].captions[sample].text, (Part(frame, sample, frame),))


def _closest(frames: Sequence[FrameCaption], similarity: Similarity) -> Place:
    places = _places(frames)
    matrix = similarity([_at(frames, place).text for place in places])
    to_others = matrix.sum(axis=1, dtype=np.float64) - np.diagonal(matrix)
    return _highest(frames, places, np.round(to_others, DIGITS - 2).tolist())


def _places(frames: Sequence[FrameCaption]) -> list[Place]:
    """Where the soundest captions are, in order."""
    sound = {
        (at, sample): _soundness(frame, caption)
        for at, frame in enumerate(frames)
        for sample, caption in enumerate(frame.captions)
    }
    return [place for place, soundness in sound.items() if soundness == max(sound.values())]


def _soundness(frame: FrameCaption, caption: Caption) -> int:
    """0: no words; 1: a loop, or cut off; 2: of a frame that shows nothing; 3: sound."""
    if not words(caption.text):
        return 0
    if caption.truncated or is_loop(caption.text):
        return 1
    shows_nothing = frame.look is not None and (is_black(frame.look) or is_blank(frame.look))
    return 2 if shows_nothing else 3


def _at(frames: Sequence[FrameCaption], place: Place) -> Caption:
    frame, sample = place
    return frames[frame].captions[sample]


def _highest(
    frames: Sequence[FrameCaption], places: Sequence[Place], scores: Sequence[float]
) -> Place:
    """The caption of the highest score; of several, the likeliest, then the earliest."""
    ranks = [
        (score, _likelihood(_at(frames, place)))
        for place, score in zip(places, scores, strict=True)
    ]
    return places[ranks.index(max(ranks))]


def _likelihood(caption: Caption) -> float:
    return -math.inf if caption.mean_logprob is None else caption.mean_logprob
