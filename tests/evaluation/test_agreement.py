"""What is said is cut at the clips' borders, and compared with what the captions say."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pseudolabel.captions.words import content_tokens
from pseudolabel.evaluation.clips import Clips
from pseudolabel.evaluation.measuring.agreement import OFFSETS_S, overlap, search_offsets
from pseudolabel.evaluation.measuring.intervals import Videos
from pseudolabel.evaluation.measuring.spoken import SpokenWords, spoken_words
from pseudolabel.records import Span, TimedWord, TranscriptSegment

CLIP_S = 8.0
THINGS = [a + b for a in "bdfgklmnprt" for b in ("alo", "emi", "odu", "upa", "ano")]


def clips_of(captions: list[list[str]], clip_s: float = CLIP_S) -> Clips:
    """Videos, each with a caption a clip."""
    video = np.repeat(np.arange(len(captions)), [len(some) for some in captions])
    index = np.concatenate([np.arange(len(some)) for some in captions])
    return Clips(
        video_ids=tuple(f"v{i}" for i in range(len(captions))),
        video=video,
        clip_index=index,
        start_s=index * clip_s,
        end_s=(index + 1) * clip_s,
        frame_time_s=(index + 0.5) * clip_s,
        captions=tuple(text for some in captions for text in some),
        sources=(None,) * len(captions),
    )


def test_words_of_a_segment_fill_it_evenly_and_are_cut_at_borders() -> None:
    said = spoken_words([TranscriptSegment(Span(6.0, 10.0), "one two three four")])
    assert said.times_s.tolist() == [6.5, 7.5, 8.5, 9.5]
    assert said.between(0, 8) == "one two"
    assert said.between(8, 16) == "three four"
    assert said.between(16, 24) == ""


def test_times_of_words_are_used_where_there_are_some() -> None:
    timed = (TimedWord(Span(1.0, 2.0), "one"), TimedWord(Span(9.0, 10.0), " two "))
    said = spoken_words([TranscriptSegment(Span(0.0, 20.0), "one two", timed)])
    assert (said.between(0, 8), said.between(8, 16)) == ("one", "two")


def test_segments_that_overlap_give_all_their_words_in_order() -> None:
    segments = [TranscriptSegment(Span(0.0, 8.0), "a c"), TranscriptSegment(Span(2.0, 6.0), "b")]
    assert spoken_words(segments).words == ("a", "b", "c")
    assert spoken_words([]).between(0, 8) == ""


def test_overlap_counts_words_in_common() -> None:
    first = content_tokens(["a dog chases two dogs", "the cat", "", "a red car"])
    second = content_tokens(["my dog chased it", "a dog", "words", "um"])
    found = overlap(first, second)
    assert found.common.tolist() == [2, 0, 0, 0]
    assert found.of_first.tolist() == [2, 1, 0, 2]  # "two" says nothing of what is seen
    assert found.jaccard.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_overlap_is_that_of_sets() -> None:
    dice = random.Random(0)
    texts = [[" ".join(dice.choices(THINGS, k=dice.randrange(6))) for _ in range(50)] for _ in "ab"]
    found = overlap(content_tokens(texts[0]), content_tokens(texts[1]))
    expected = [len(set(a.split()) & set(b.split())) for a, b in zip(*texts, strict=True)]
    assert found.common.tolist() == expected


@pytest.mark.parametrize("late_s", [-20, -3, 0, 5, 10, 28])
def test_speech_that_comes_late_is_found_to_be_late(late_s: int) -> None:
    """Each clip's own word is said once, in its middle, so many seconds late."""
    dice = random.Random(late_s)
    captions = [[f"a {dice.choice(THINGS)}" for _ in range(8)] for _ in range(30)]
    clips = clips_of(captions)
    spoken = {}
    for video, some in enumerate(captions):
        at = [(i + 0.5) * CLIP_S + late_s for i in range(len(some))]
        spoken[video] = SpokenWords(np.array(at), tuple(text.split()[1] for text in some))
    found = search_offsets(clips, content_tokens(clips.captions), spoken, Videos(clips.video))
    assert found is not None
    # Anywhere in the clip counts as in it, so every offset within half a clip is as good.
    assert abs(found.best_s.value - late_s) <= CLIP_S / 2
    assert found.shares[OFFSETS_S.tolist().index(late_s)].value == 1.0
    assert (found.gain.value > 0.5) == (abs(late_s) > CLIP_S / 2)
    assert found.chance < 0.3


def test_the_one_pass_gives_what_moving_the_clips_one_by_one_gives() -> None:
    dice = random.Random(3)
    captions = [[" ".join(dice.choices(THINGS, k=3)) for _ in range(5)] for _ in range(6)]
    clips = clips_of(captions, clip_s=7.3)
    spoken = {}
    for video in range(5):  # the last one has no transcript
        at = np.sort([dice.uniform(-10, 60) for _ in range(60)])
        spoken[video] = SpokenWords(at, tuple(dice.choices(THINGS, k=60)))
    found = search_offsets(clips, content_tokens(clips.captions), spoken, Videos(clips.video))
    assert found is not None
    for place, offset in enumerate(OFFSETS_S.tolist()):
        said = wanted = 0
        for clip, caption in enumerate(clips.captions):
            video = int(clips.video[clip])
            if video in spoken:
                moved = (clips.start_s[clip] + offset, clips.end_s[clip] + offset)
                words = set(spoken[video].between(*moved).split())
                said += len(words & set(caption.split()))
                wanted += len(set(caption.split()))
        assert found.shares[place].value == pytest.approx(said / wanted)


def test_without_content_there_is_no_offset() -> None:
    clips = clips_of([["it is", ""]])
    spoken = {0: SpokenWords(np.array([1.0]), ("dog",))}
    assert (
        search_offsets(clips, content_tokens(clips.captions), spoken, Videos(clips.video)) is None
    )


def test_a_transcript_of_silence_is_no_speech_that_says_something_else() -> None:
    clips = clips_of([["a dog runs on grass", "a red car"], ["a cat sleeps", "two men"]])
    said = spoken_words([TranscriptSegment(Span(0.0, 16.0), "dog runs grass red car here")])
    silent = spoken_words([])
    content, videos = content_tokens(clips.captions), Videos(clips.video)
    with_silence = search_offsets(clips, content, {0: said, 1: silent}, videos)
    without = search_offsets(clips, content, {0: said}, videos)
    assert with_silence is not None and without is not None
    timing = {name: share.value for name, share in with_silence.timing.items()}
    assert timing["in time"] == 1.0 and timing["not said"] == 0.0
    assert [s.value for s in with_silence.shares] == [s.value for s in without.shares]
    assert search_offsets(clips, content, {0: silent, 1: silent}, videos) is None
