"""Which text stands for a clip, and where it came from."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pseudolabel.captions.consolidate import Strategy, best, center, medoid, timeline
from pseudolabel.captions.words import words
from pseudolabel.errors import OptionError
from pseudolabel.records import Caption, Consolidated, FrameCaption, Part, Span

CLIP = Span(0, 8)
VOCABULARY = ["a", "red", "blue", "circle", "square", "left", "of", "dog", ".", "A"]
ALL = pytest.mark.parametrize("strategy", [center, medoid, best, timeline])


def frame(time_s: float, *logprobs: float | None) -> FrameCaption:
    return FrameCaption(time_s, True, tuple(Caption(f"{p}", mean_logprob=p) for p in logprobs))


def said(*samples: str | Sequence[str]) -> list[FrameCaption]:
    """A frame for each argument: its text, or its samples' texts."""
    texts = [[some] if isinstance(some, str) else some for some in samples]
    return [
        FrameCaption(at + 0.5, True, tuple(Caption(text, clip_similarity=0.25) for text in some))
        for at, some in enumerate(texts)
    ]


def random_frames(seed: int) -> list[FrameCaption]:
    draw = random.Random(seed)
    pool = [" ".join(draw.choices(VOCABULARY, k=draw.randrange(6))) for _ in range(4)]

    def caption() -> Caption:
        logprob = draw.choice([None, -0.5, -1.0])
        return Caption(draw.choice(pool), logprob, clip_similarity=draw.choice([0.1, 0.2]))

    samples, frames = draw.randrange(1, 4), draw.randrange(1, 6)
    return [
        FrameCaption(at + 0.5, True, tuple(caption() for _ in range(samples)))
        for at in range(frames)
    ]


def text_of(frames: Sequence[FrameCaption], part: Part) -> str:
    return frames[part.frame].captions[part.sample].text


def test_center_takes_the_frame_nearest_the_center() -> None:
    frames = [frame(1.0, -1.0), frame(3.9, -9.0), frame(7.0, -1.0)]
    assert center(CLIP, frames).parts == (Part(1, 0, 1),)


def test_center_takes_the_earlier_of_two_frames_as_near() -> None:
    assert center(CLIP, [frame(3.0, -2.0), frame(5.0, -1.0)]).parts == (Part(0, 0, 0),)


def test_center_takes_the_likeliest_of_several_samples() -> None:
    assert center(CLIP, [frame(4.0, -2.0, -0.5, -1.0)]).parts == (Part(0, 1, 0),)


def test_center_takes_the_first_sample_where_likelihoods_are_not_known() -> None:
    assert center(CLIP, [frame(4.0, None, None)]).parts == (Part(0, 0, 0),)


@ALL
@pytest.mark.parametrize("text", ["a red circle", "A red circle.", "", "...", "犬"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (4, 1), (8, 5)])
def test_where_all_say_the_same_it_is_said_once(
    strategy: Strategy, text: str, shape: tuple[int, int]
) -> None:
    frames = said(*[[text] * shape[1]] * shape[0])
    assert strategy(CLIP, frames).text == text


@ALL
@pytest.mark.parametrize("seed", range(20))
def test_parts_are_captions_of_the_clip_in_order(strategy: Strategy, seed: int) -> None:
    frames = random_frames(seed)
    made = strategy(CLIP, frames)
    assert not made.is_rewritten
    covered = [at for part in made.parts for at in range(part.frame, part.last_frame + 1)]
    assert covered == sorted(set(covered))
    assert covered[-1] < len(frames)
    if len(made.parts) == 1:
        assert made.text == text_of(frames, made.parts[0])


@pytest.mark.parametrize("strategy", [medoid, best, timeline])
@pytest.mark.parametrize("seed", range(20))
def test_a_text_without_words_never_stands_beside_one_with(strategy: Strategy, seed: int) -> None:
    frames = random_frames(seed)
    if any(words(caption.text) for each in frames for caption in each.captions):
        made = strategy(CLIP, frames)
        assert all(words(text_of(frames, part)) for part in made.parts)


@pytest.mark.parametrize("seed", range(30))
def test_the_medoid_does_not_depend_on_the_order_of_the_frames(seed: int) -> None:
    draw = random.Random(seed)
    frames = [
        replace(
            each, captions=tuple(replace(c, mean_logprob=-draw.random()) for c in each.captions)
        )
        for each in random_frames(seed)
    ]
    shuffled = draw.sample(frames, len(frames))
    (here,), (there,) = medoid(CLIP, frames).parts, medoid(CLIP, shuffled).parts
    assert (
        frames[here.frame].captions[here.sample] == (shuffled[there.frame].captions[there.sample])
    )


def test_the_medoid_is_what_most_say() -> None:
    frames = said("a red circle", "a blue square", "a red circle", "a red circle")
    assert medoid(CLIP, frames) == Consolidated("a red circle", (Part(0, 0, 0),))


def test_the_medoid_counts_samples_as_votes() -> None:
    slip, right = "a blue circle left of a star", "a red circle left of a star"
    frames = said([slip, right, right], [slip, slip, right], [right, slip, right])
    assert medoid(CLIP, frames).text == right


def test_the_medoid_may_be_a_text_that_occurs_once() -> None:
    frames = said("a red circle left of a dog", "a red square left of a star", "a red circle", "")
    frames += said("a red circle left of a star")
    assert medoid(CLIP, frames).text == "a red circle left of a star"


def test_the_medoid_keeps_sides_apart() -> None:
    right, swapped = "a red circle left of a blue square", "a blue square left of a red circle"
    assert medoid(CLIP, said(swapped, right, right)).text == right


@pytest.mark.parametrize(
    ("logprobs", "part"),
    [
        ([(-2.0, -1.0), (-0.5, -3.0)], Part(1, 0, 1)),
        ([(None, -1.0), (None, None)], Part(0, 1, 0)),
        ([(-1.0, -1.0), (-1.0, -1.0)], Part(0, 0, 0)),
        ([(None, None), (None, None)], Part(0, 0, 0)),
    ],
)
@pytest.mark.parametrize("strategy", [medoid, best])
def test_ties_go_to_the_likeliest_then_the_earliest(
    strategy: Strategy, logprobs: list[tuple[float | None, ...]], part: Part
) -> None:
    frames = [
        FrameCaption(at, True, tuple(Caption("a dog", p, clip_similarity=0.5) for p in some))
        for at, some in enumerate(logprobs)
    ]
    assert strategy(CLIP, frames).parts == (part,)


def likes(favorite: str) -> Callable[[Sequence[str]], NDArray[np.float64]]:
    def similarity(texts: Sequence[str]) -> NDArray[np.float64]:
        liked = np.array([text == favorite for text in texts], float)
        return np.asarray(liked[:, None] + liked[None])

    return similarity


def test_the_medoid_by_another_similarity() -> None:
    frames = said("a dog", "a dog", "a cat", "")
    assert medoid(CLIP, frames, likes("a cat")).text == "a cat"


def test_how_like_itself_a_text_is_says_nothing() -> None:
    def similarity(texts: Sequence[str]) -> NDArray[np.float64]:
        return np.asarray(np.diag([9.0 if text == "a dog" else 1.0 for text in texts]) + 0.1)

    assert medoid(CLIP, said("a cat", "a dog"), similarity).text == "a cat"


def test_best_is_the_text_most_like_all_pictures() -> None:
    frames = [
        FrameCaption(0.5, True, (Caption("a", -1.0, similarity=0.9, clip_similarity=0.2),)),
        FrameCaption(1.5, True, (Caption("b", -9.0, similarity=0.1, clip_similarity=0.3),)),
        FrameCaption(2.5, True, (Caption("", -0.1, similarity=0.9, clip_similarity=0.9),)),
    ]
    assert best(CLIP, frames) == Consolidated("b", (Part(1, 0, 1),))


def test_best_needs_scores() -> None:
    with pytest.raises(OptionError, match=r"at 4 s has no score") as caught:
        best(CLIP, [frame(4.0, -1.0)])
    assert "--scorer" in (caught.value.hint or "")


def test_a_timeline_says_each_thing_once_in_order() -> None:
    frames = said("a red circle", "A red circle.", "a dog runs", "", "a dog is running", "a star")
    made = timeline(CLIP, frames)
    assert made.text == "A red circle, then a dog runs, and at the end a star."
    assert made.parts == (Part(0, 0, 1), Part(2, 0, 4), Part(5, 0, 5))


def test_a_timeline_says_what_comes_back_again() -> None:
    assert timeline(CLIP, said("a dog", "a cat", "a dog")).text == (
        "A dog, then a cat, and at the end a dog."
    )


def test_a_frame_speaks_through_what_most_of_its_samples_say() -> None:
    frames = said(["a cat", "a dog", "a dog"], ["a star", "a cow", "a cow"])
    made = timeline(CLIP, frames)
    assert made == Consolidated("A dog, then a cow.", (Part(0, 1, 0), Part(1, 1, 1)))


def test_a_slow_change_does_not_pass_as_none() -> None:
    things = ["dog", "cat", "cow", "pig", "hen", "fox", "owl", "ant", "bee", "elk", "yak", "emu"]
    frames = said(*[" ".join(things[at : at + 10]) for at in range(3)])
    assert timeline(CLIP, frames).parts == (Part(0, 0, 1), Part(2, 0, 2))


@pytest.mark.parametrize("seed", range(30))
def test_a_timeline_covers_every_frame_that_says_something(seed: int) -> None:
    frames = random_frames(seed)
    covered = {
        at for part in timeline(CLIP, frames).parts for at in range(part.frame, part.last_frame + 1)
    }
    for at, each in enumerate(frames):
        if any(words(caption.text) for caption in each.captions):
            assert at in covered


@pytest.mark.parametrize("strategy", [medoid, best, timeline])
def test_what_is_decided_of_a_clip_never_depends_on_another(strategy: Strategy) -> None:
    clips = [random_frames(seed) for seed in range(40)]
    together = [strategy(CLIP, clip) for clip in clips]
    backwards = [strategy(CLIP, clip) for clip in reversed(clips)]
    assert together == backwards[::-1]
