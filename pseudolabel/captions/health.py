"""What is wrong with a clip's caption, as far as its own row tells.

Each flag has one rule, and each rule its thresholds in `HealthRules`; `rules` says them in words
for the record of a run. A flag is a warning, not a verdict: no row is dropped for it until someone
asks. What only other rows can tell (repeats, near-duplicates, chance) is found over a finished run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pseudolabel.captions.boilerplate import has_boilerplate
from pseudolabel.captions.similarity import word_similarity
from pseudolabel.captions.words import words
from pseudolabel.records import Caption, CaptionedClip, Consolidated, Flag, FrameCaption, FrameLook
from pseudolabel.videos.looks import TEXT_SHARE

HEALTH_VERSION = 1  # higher when a rule or a threshold changes


@dataclass(frozen=True, slots=True)
class HealthRules:
    """The thresholds of the flags.

    Those of values that are stored as float32 are sums of few powers of two, so that a row read
    back says what it said.
    """

    loop_words: int = 4  # the longest group of words that is looked for in a row
    loop_times: int = 3  # how often it stands there
    loop_from_words: int = 12  # in texts this long, repeats that are apart are looked for too
    loop_share: float = 0.5  # of the groups of three words, how many were there before
    low_logprob_nats: float = -2.0  # a token, on average
    alike_bits: int = 12  # of 64: frames whose hashes differ in no more look alike
    unlike_similarity: float = 0.125  # captions below share next to nothing
    black_brightness: float = 20.0  # mean luma, 0..255
    black_contrast: float = 10.0  # of red, green and blue
    blank_contrast: float = 3.0
    frozen_change: float = 1.5  # of luma, 0..255, in the box of 32 x 32 that changes most
    static_change: float = 6.0
    text_share: float = TEXT_SHARE  # of the picture


DEFAULT_RULES = HealthRules()

_OF_TEXT = re.compile(
    r"\bwith the words?\b|\btexts?\b|\bthat (?:says?|reads?)\b|\blogos?\b|\bsub-?titles?\b"
    r"|\bcaptions? (?:says?|reads?|reading|saying)\b|\bwatermarks?\b|\blettering\b",
    re.IGNORECASE,
)


def rules(by: HealthRules = DEFAULT_RULES) -> dict[str, str]:
    """What each flag of a row means, with its thresholds: one sentence a flag."""
    by_flag = {
        Flag.EMPTY: "the caption has no word",
        Flag.TRUNCATED: "a part of it stopped at the captioner's token limit",
        Flag.LOOP: f"one to {by.loop_words} words stand {by.loop_times} times or more in a row, or"
        f" in {by.loop_from_words} words or more at least {by.loop_share:.0%} of the groups of"
        " three words were there before",
        Flag.BOILERPLATE: 'it begins with words about the picture, such as "a photo of"',
        Flag.LOW_LOGPROB: "the mean log-probability of its least likely part is under"
        f" {by.low_logprob_nats:g} nats a token",
        Flag.CONTRADICTION: "neighbouring frames, neither of them black or blank, differ in"
        f" {by.alike_bits} bits of their hash or fewer, without a cut between them, and no two of"
        f" their captions have a word similarity of {by.unlike_similarity:g} or more",
        Flag.BLACK: f"the frames of all its parts have a brightness of {by.black_brightness:g} or"
        f" less and a contrast of {by.black_contrast:g} or less, of 255, and no text",
        Flag.BLANK: f"the frames of all its parts have a contrast of {by.blank_contrast:g} or"
        " less, and are not black",
        Flag.FROZEN: "in no place do the frames of all its parts differ from the frame decoded"
        f" before by more than {by.frozen_change:g}, of 255",
        Flag.STATIC: "there are several frames, and in no place does one differ from the frame"
        f" before by more than {by.static_change:g}, of 255",
        Flag.TEXT_OVERLAY: f"text covers {by.text_share:.2%} or more of the frame of one of its"
        " parts, or the caption speaks of text",
        Flag.SCORER_CUT: "a part of it is longer than the scorer reads",
        Flag.MERGE_REJECTED: "the language model's sentence was refused; a medoid stands for it",
    }
    return {flag.value: rule for flag, rule in by_flag.items()}


def flags_of(
    clip: CaptionedClip, made: Consolidated, by: HealthRules = DEFAULT_RULES
) -> tuple[Flag, ...]:
    """What is to be known of a clip's caption, in the order of the vocabulary.

    Args:
        clip: The clip.
        made: Its caption; flags it has already stay.
        by: The thresholds.
    """
    found = {*made.flags, *_of_words(clip, made, by), *_of_pictures(clip, made, by)}
    if _contradicts(clip, by):
        found.add(Flag.CONTRADICTION)
    return tuple(flag for flag in Flag if flag in found)


def _of_words(clip: CaptionedClip, made: Consolidated, by: HealthRules) -> set[Flag]:
    captions = [clip.frames[part.frame].captions[part.sample] for part in made.parts]
    # A rewritten text has no part that it is made of, word by word.
    own: Sequence[Caption] = () if made.is_rewritten else captions
    # A text joined from moments may say a thing again: it is as it happened.
    texts = [caption.text for caption in own] if len(own) > 1 else [made.text]
    said = {
        Flag.EMPTY: not words(made.text),
        Flag.BOILERPLATE: has_boilerplate(made.text),
        Flag.LOOP: any(is_loop(text, by) for text in texts),
        Flag.TRUNCATED: any(caption.truncated for caption in own),
        Flag.LOW_LOGPROB: any(_is_unlikely(caption, by) for caption in own),
        Flag.SCORER_CUT: any(caption.is_cut for caption in own),
        Flag.TEXT_OVERLAY: _OF_TEXT.search(made.text) is not None,
    }
    return {flag for flag, is_so in said.items() if is_so}


def _is_unlikely(caption: Caption, by: HealthRules) -> bool:
    return caption.mean_logprob is not None and caption.mean_logprob < by.low_logprob_nats


def is_loop(text: str, by: HealthRules = DEFAULT_RULES) -> bool:
    """Whether a text says the same words again and again."""
    said = words(text)
    return any(
        _is_repeated(said, length, by.loop_times) for length in range(1, by.loop_words + 1)
    ) or (len(said) >= by.loop_from_words and _repeated_share(said) >= by.loop_share)


def _is_repeated(said: Sequence[str], length: int, times: int) -> bool:
    """Whether a group of `length` words stands `times` times in a row."""
    run = 0  # words that are as those `length` before them
    for before, now in zip(said, said[length:], strict=False):
        run = run + 1 if before == now else 0
        if run >= length * (times - 1):
            return True
    return False


def _repeated_share(said: Sequence[str]) -> float:
    """Of the groups of three words, how many were there before: 0..1."""
    groups = list(zip(said, said[1:], said[2:], strict=False))
    return 1 - len(set(groups)) / len(groups)


def _of_pictures(clip: CaptionedClip, made: Consolidated, by: HealthRules) -> set[Flag]:
    looks = [frame.look for part in made.parts for frame in clip.seen_for(part)]

    def all_are(holds: Callable[[FrameLook], bool]) -> bool:
        return all(look is not None and holds(look) for look in looks)

    seen = {
        Flag.BLACK: all_are(lambda look: is_black(look, by)),
        Flag.BLANK: all_are(lambda look: is_blank(look, by)),
        Flag.FROZEN: all_are(lambda look: _changes_little(look, by.frozen_change)),
        Flag.STATIC: len(clip.frames) > 1
        and all(_changes_little(frame.look, by.static_change) for frame in clip.frames[1:]),
        Flag.TEXT_OVERLAY: any(look and look.text_share >= by.text_share for look in looks),
    }
    return {flag for flag, is_so in seen.items() if is_so}


def _is_black(look: FrameLook, by: HealthRules) -> bool:
    return look.brightness <= by.black_brightness and look.contrast <= by.black_contrast


def _is_blank(look: FrameLook, by: HealthRules) -> bool:
    return look.contrast <= by.blank_contrast


def _changes_little(look: FrameLook | None, most: float) -> bool:
    return look is not None and look.change is not None and look.change <= most


def _contradicts(clip: CaptionedClip, by: HealthRules) -> bool:
    cuts = clip.plan.cuts_s or ()
    return any(
        not any(one.time_s < cut <= other.time_s for cut in cuts)
        and look_alike(one, other, by)
        and _share_nothing(one, other, by)
        for one, other in pairwise(clip.frames)
    )


def is_black(look: FrameLook, by: HealthRules = DEFAULT_RULES) -> bool:
    """Whether a frame is black, and not a title on black."""
    is_dark = look.brightness <= by.black_brightness and look.contrast <= by.black_contrast
    return is_dark and look.text_share < by.text_share


def is_blank(look: FrameLook, by: HealthRules = DEFAULT_RULES) -> bool:
    """Whether a frame is of one color, which is not black."""
    return look.contrast <= by.blank_contrast and not is_black(look, by)


def look_alike(one: FrameCaption, other: FrameCaption, by: HealthRules = DEFAULT_RULES) -> bool:
    """Whether two frames are likely of one scene; not, where that was not measured."""
    if one.look is None or other.look is None:
        return False
    # All plain pictures have one hash.
    if any(_is_black(look, by) or _is_blank(look, by) for look in (one.look, other.look)):
        return False
    bits = int(one.look.perceptual_hash, 16) ^ int(other.look.perceptual_hash, 16)
    return bits.bit_count() <= by.alike_bits


def _share_nothing(one: FrameCaption, other: FrameCaption, by: HealthRules) -> bool:
    """Whether even the two most alike of their samples are unlike."""
    here, there = ([c.text for c in frame.captions if words(c.text)] for frame in (one, other))
    if not here or not there:
        return False
    between = word_similarity([*here, *there])[: len(here), len(here) :]
    return bool(between.max() < by.unlike_similarity)
