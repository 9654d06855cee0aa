"""What is wrong with a clip's caption, as far as its own row tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pseudolabel.captions.consolidate import chosen, timeline
from pseudolabel.captions.health import HealthRules, flags_of, rules
from pseudolabel.records import (
    Caption,
    CaptionedClip,
    ClipPlan,
    Consolidated,
    Flag,
    FrameCaption,
    FrameLook,
    Part,
    Span,
    Video,
    VideoInfo,
)

FINE = FrameLook("0123456789abcdef", brightness=120, contrast=40, change=9, text_share=0.0)
OTHER = replace(FINE, perceptual_hash="fedcba9876543210")
BLACK = replace(FINE, brightness=3, contrast=1)
BLANK = replace(FINE, brightness=200, contrast=2)
WHOLE_RUN = {Flag.REPEATED, Flag.LOW_SIMILARITY, Flag.NEAR_DUPLICATE}


def clip_of(*frames: FrameCaption, cuts_s: tuple[float, ...] | None = None) -> CaptionedClip:
    info = VideoInfo(640, 360, "h264", "yuv420p", 0, 25.0, 8.0, 0.0, 8.0)
    plan = ClipPlan(0, Span(0, 8), tuple(frame.time_s for frame in frames), cuts_s)
    return CaptionedClip(Video("v", "v.mp4"), info, plan, frames)


def frame_of(
    *captions: Caption | str, time_s: float = 4.0, look: FrameLook | None = FINE
) -> FrameCaption:
    made = (Caption(some) if isinstance(some, str) else some for some in captions)
    return FrameCaption(time_s, True, tuple(made), look)


def flags_of_text(text: str) -> tuple[Flag, ...]:
    frame = frame_of(text)
    return flags_of(clip_of(frame), chosen([frame], 0, 0))


def flags_of_caption(caption: Caption) -> tuple[Flag, ...]:
    frame = frame_of(caption)
    return flags_of(clip_of(frame), chosen([frame], 0, 0))


def flags_of_looks(
    looks: Sequence[FrameLook | None], parts: Sequence[int] = (0,)
) -> tuple[Flag, ...]:
    frames = [frame_of("a dog", time_s=at, look=look) for at, look in enumerate(looks)]
    made = Consolidated("a dog", tuple(Part(at, 0, at) for at in parts))
    return flags_of(clip_of(*frames), made)


def test_a_good_caption_has_no_flag() -> None:
    assert flags_of_text("A man rides a horse along the beach.") == ()


def test_every_flag_of_a_row_has_its_rule_in_words() -> None:
    assert list(rules()) == [flag.value for flag in Flag if flag not in WHOLE_RUN]
    assert all(rule and not rule.endswith(".") for rule in rules().values())


def test_a_rule_in_words_says_its_threshold() -> None:
    assert "-2 nats" in rules()["low_logprob"]
    assert "-3.5 nats" in rules(HealthRules(low_logprob_nats=-3.5))["low_logprob"]


@pytest.mark.parametrize("text", ["", " ", "...", "🐈", "_"])
def test_empty(text: str) -> None:
    assert flags_of_text(text) == (Flag.EMPTY,)


@pytest.mark.parametrize(
    "text",
    [
        "dog dog dog",
        "a red, Red. red circle",
        "a man in a hat in a hat in a hat",
        "the dog on the left the dog on the left the dog on the left the dog on the left",
        "there is a man that is riding a horse and there is a man that is riding a horse and"
        " there is a man that is riding a horse",
    ],
)
def test_loop(text: str) -> None:
    assert flags_of_text(text) == (Flag.LOOP,)


@pytest.mark.parametrize(
    "text",
    [
        "a dog, a cat and a cow",
        "a very very old car",
        "a red circle left of a red square left of a red star",
        "a man in a red shirt and a man in a blue shirt and a woman in a green dress",
        "a a",
        "a dog and a dog and a dog",
    ],
)
def test_saying_a_word_again_is_no_loop(text: str) -> None:
    assert flags_of_text(text) == ()


def test_what_happens_again_is_no_loop() -> None:
    frames = [
        frame_of(text, time_s=at, look=OTHER if at % 2 else FINE)
        for at, text in enumerate(["a red circle", "a blue square"] * 4)
    ]
    made = timeline(Span(0, 8), frames)
    assert flags_of(clip_of(*frames), made) == ()


def test_a_rewritten_text_that_loops() -> None:
    made = Consolidated("a dog " * 9, (Part(0, 0, 0),), is_rewritten=True)
    assert flags_of(clip_of(frame_of("a dog")), made) == (Flag.LOOP,)


def test_boilerplate_and_none_of_it_once_it_is_stripped() -> None:
    frame = frame_of("a photo of a dog")
    made = chosen([frame], 0, 0)
    assert flags_of(clip_of(frame), made) == (Flag.BOILERPLATE,)
    assert flags_of(clip_of(frame), replace(made, text="a dog")) == ()


@pytest.mark.parametrize(
    ("caption", "flags"),
    [
        (Caption("a dog", truncated=True), (Flag.TRUNCATED,)),
        (Caption("a dog", truncated=False), ()),
        (Caption("a dog", mean_logprob=-2.0), ()),
        (Caption("a dog", mean_logprob=-2.0078125), (Flag.LOW_LOGPROB,)),
        (Caption("a dog", is_cut=True), (Flag.SCORER_CUT,)),
        (Caption("a dog", is_cut=False), ()),
    ],
)
def test_what_the_models_say_of_a_caption(caption: Caption, flags: tuple[Flag, ...]) -> None:
    assert flags_of_caption(caption) == flags


def test_the_weakest_part_counts() -> None:
    frames = [frame_of(Caption("a", -1.0)), frame_of(Caption("b", -3.0, truncated=True))]
    made = Consolidated("A, then b.", (Part(0, 0, 0), Part(1, 0, 1)))
    clip = clip_of(*frames, cuts_s=(4.0,))
    found = flags_of(clip, made)
    assert {Flag.TRUNCATED, Flag.LOW_LOGPROB} <= set(found)
    rewritten = flags_of(clip, replace(made, is_rewritten=True))
    assert not {Flag.TRUNCATED, Flag.LOW_LOGPROB} & set(rewritten)


@pytest.mark.parametrize(
    "text",
    [
        "a sign with the words open",
        "a screen with text on it",
        "a card that says welcome",
        "the logo of a company",
        "a man speaking with subtitles",
    ],
)
def test_a_caption_that_speaks_of_text(text: str) -> None:
    assert flags_of_text(text) == (Flag.TEXT_OVERLAY,)


@pytest.mark.parametrize("text", ["a woman texting", "a textile shop", "a textbook", "she says no"])
def test_a_caption_that_does_not_speak_of_text(text: str) -> None:
    assert flags_of_text(text) == ()


@pytest.mark.parametrize(
    ("look", "flags"),
    [
        (BLACK, (Flag.BLACK,)),
        (replace(FINE, brightness=20, contrast=10), (Flag.BLACK,)),
        (replace(FINE, brightness=21, contrast=10), ()),
        (replace(FINE, brightness=20, contrast=10, text_share=0.5), (Flag.TEXT_OVERLAY,)),
        (BLANK, (Flag.BLANK,)),
        (replace(FINE, change=1.5), (Flag.FROZEN,)),
        (replace(FINE, change=1.56), ()),
        (replace(FINE, change=None), ()),
        (replace(FINE, text_share=0.5), (Flag.TEXT_OVERLAY,)),
        (None, ()),
    ],
)
def test_what_the_picture_says(look: FrameLook | None, flags: tuple[Flag, ...]) -> None:
    assert flags_of_looks([look]) == flags


def test_one_black_frame_of_several_does_not_make_a_caption_black() -> None:
    assert flags_of_looks([BLACK, FINE], parts=(0, 1)) == ()
    assert flags_of_looks([BLACK, FINE], parts=(0,)) == (Flag.BLACK,)
    assert flags_of_looks([BLACK, BLACK], parts=(0, 1)) == (Flag.BLACK,)


def test_static_needs_two_frames_and_all_of_them_known() -> None:
    still = replace(FINE, change=5.0)
    assert flags_of_looks([still]) == ()
    assert flags_of_looks([FINE, still, still]) == (Flag.STATIC,)
    assert flags_of_looks([still, still, FINE]) == ()
    assert flags_of_looks([FINE, replace(FINE, change=None)]) == ()
    assert flags_of_looks([FINE, None]) == ()


def contradicts(
    one: FrameCaption, other: FrameCaption, *, cuts_s: tuple[float, ...] | None = None
) -> bool:
    frames = [one, replace(other, time_s=one.time_s + 1)]
    made = chosen(frames, 0, 0)
    return Flag.CONTRADICTION in flags_of(clip_of(*frames, cuts_s=cuts_s), made)


def test_frames_that_look_alike_and_share_no_word() -> None:
    assert contradicts(frame_of("a red circle"), frame_of("a dog runs"))
    assert not contradicts(frame_of("a red circle"), frame_of("a red square"))
    assert not contradicts(frame_of("a red circle"), frame_of("a dog runs", look=OTHER))
    assert not contradicts(frame_of("a red circle"), frame_of("a dog runs", look=None))
    assert not contradicts(frame_of("a red circle"), frame_of(""))


@pytest.mark.parametrize(("bits", "expected"), [(12, True), (13, False)])
def test_how_alike_frames_must_look(bits: int, expected: bool) -> None:
    near = f"{int(FINE.perceptual_hash, 16) ^ ((1 << bits) - 1):016x}"
    other = frame_of("a dog runs", look=replace(FINE, perceptual_hash=near))
    assert contradicts(frame_of("a red circle"), other) is expected


@pytest.mark.parametrize("look", [BLACK, BLANK])
def test_pictures_of_nothing_do_not_look_alike(look: FrameLook) -> None:
    assert not contradicts(frame_of("a red circle", look=look), frame_of("a dog runs", look=look))


def test_one_odd_sample_is_no_contradiction() -> None:
    right, odd = "a red circle", "a dog runs"
    assert not contradicts(frame_of(right, odd), frame_of(right, right))
    assert not contradicts(frame_of(odd, right), frame_of(right, "a cat"))
    assert contradicts(frame_of(right, right), frame_of(odd, "a cat"))


def test_a_cut_between_two_frames_excuses_them() -> None:
    one, other = frame_of("a red circle"), frame_of("a dog runs")  # at 4 s and 5 s
    assert not contradicts(one, other, cuts_s=(4.5,))
    assert not contradicts(one, other, cuts_s=(5.0,))
    assert contradicts(one, other, cuts_s=(2.0, 4.0, 6.0))


def test_flags_come_in_the_order_of_the_vocabulary_each_once() -> None:
    frame = frame_of(Caption("a photo of text text text", truncated=True), look=BLACK)
    made = replace(chosen([frame], 0, 0), flags=(Flag.MERGE_REJECTED, Flag.TRUNCATED))
    assert flags_of(clip_of(frame), made) == (
        Flag.TRUNCATED,
        Flag.LOOP,
        Flag.BOILERPLATE,
        Flag.BLACK,
        Flag.TEXT_OVERLAY,
        Flag.MERGE_REJECTED,
    )


@pytest.mark.parametrize(
    ("looks", "flags"),
    [
        ([BLACK, FINE, FINE], ()),
        ([BLACK, BLACK, BLACK], (Flag.BLACK,)),
        ([FINE, FINE, replace(FINE, text_share=0.5)], (Flag.TEXT_OVERLAY,)),
        ([FINE, replace(FINE, change=1), replace(FINE, change=1)], (Flag.STATIC,)),
    ],
)
def test_of_a_clip_that_was_seen_as_a_whole_every_frame_counts(
    looks: Sequence[FrameLook], flags: tuple[Flag, ...]
) -> None:
    frames = [frame_of("a dog", time_s=at, look=look) for at, look in enumerate(looks)]
    clip = replace(clip_of(*frames), seen_together=True)
    assert flags_of(clip, Consolidated("a dog", (Part(0, 0, 2),))) == flags
