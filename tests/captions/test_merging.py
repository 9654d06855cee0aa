"""What a language model is asked, and which of its answers may stand."""

from __future__ import annotations

import random
import string

import pytest

from pseudolabel.captions.consolidate import timeline
from pseudolabel.captions.merging import captioned_by_merge, cleaned, prompt, refused
from pseudolabel.records import Caption, FrameCaption, Part, Span

CLIP = Span(10, 18)


def said(*texts: str) -> list[FrameCaption]:
    return [FrameCaption(11.0 + 2 * at, True, (Caption(text),)) for at, text in enumerate(texts)]


SHAPES = said("a red circle", "A red circle.", "a blue square left of a star", "a green cross")
PEOPLE = said("a man cutting an onion", "a man is frying vegetables in a pan")


def test_the_prompt_tells_each_moment_once_with_its_time_in_the_clip() -> None:
    *_, asked = prompt(CLIP, SHAPES).split("\n\n")
    assert asked.splitlines() == [
        "Captions:",
        "1.0 s: a red circle",
        "5.0 s: a blue square left of a star",
        "7.0 s: a green cross",
        "Sentence:",
    ]


def test_a_caption_is_one_line_of_the_prompt() -> None:
    assert "1.0 s: a dog runs" in prompt(CLIP, said("a dog\n\nruns", "a cat")).splitlines()


@pytest.mark.parametrize("texts", [[""], ["", "..."], ["a dog"], ["犬", "猫"]])
def test_any_clip_has_a_prompt(texts: list[str]) -> None:
    assert prompt(CLIP, said(*texts))


@pytest.mark.parametrize(
    "text",
    [
        "A red circle, then a blue square left of a star, followed by a green cross.",
        "First a red circle appears, while at the end a green cross is shown.",
        "red circles and a green cross",
        "A red circle, then a star, and at the end there is a green cross.",
        "A red circle changes into a big green cross.",  # one word of its own
    ],
)
def test_a_sentence_that_says_what_the_captions_say(text: str) -> None:
    assert refused(text, SHAPES, truncated=False) is None


@pytest.mark.parametrize("frames", [SHAPES, PEOPLE, said("a dog"), said("犬が走る", "猫が眠る")])
def test_what_the_timeline_says_would_stand(frames: list[FrameCaption]) -> None:
    assert refused(timeline(CLIP, frames).text, frames, truncated=False) is None


def test_words_of_any_sample_may_be_used() -> None:
    samples = tuple(map(Caption, ["a man cooks", "a man cooks", "a chef stirs a soup"]))
    frames = [FrameCaption(11.0, True, samples), *said("a pan")]
    assert refused("A chef stirs a soup in a pan.", frames, truncated=False) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("...", "empty"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I cannot describe a red circle.", "refusal"),
        ("As an AI, a red circle and a green cross.", "refusal"),
        ("Please provide the red circle.", "refusal"),
        ("1.0 s: a red circle 5.0 s: a blue square", "repeats"),
        ("Frame 1: a red circle, Frame 2: a blue square", "repeats"),
        ("The captions say a red circle, then a green cross.", "repeats"),
        ("At 5 seconds, a green cross.", "repeats"),
        ("Keep the order, say only what they say: a red circle.", "repeats"),
        ("A boy opens a gift, then a red circle.", "no caption says: boy, open, gift"),
        ("1. a red circle\n2. a green cross", "list"),
        ("- a red circle\n- a green cross", "list"),
        ("* a red circle", "list"),
        ("red, circle, blue, square, left, star, green, cross, red, circle", "list"),
        ('{"sentence": "a red circle"}', "list"),
        ("a red circle<end_of_turn>", "list"),
        ("a red circle " * 30, "words, more than"),
        ("Красный круг", "script"),
        ("红色圆圈", "script"),
        ("Ein roter Kreis, dann ein blaues Quadrat.", "no caption says: ein, roter"),
        ("A red circle drifts over purple mountains.", "no caption says: drift"),
        ("A dog.", "no caption says: dog"),
        ("And so it goes.", "no caption says"),
        ("Then the scene changes.", "nothing of the clip"),
        ("A green cross, then a red circle.", "another order"),
        ("A red circle, then a cross, and at the end a blue square.", "another order"),
        ("Two red circles, not one blue square.", "no caption says: two, not, one"),
    ],
)
def test_a_sentence_that_may_not_stand(text: str, reason: str) -> None:
    assert reason in (refused(cleaned(text), SHAPES, truncated=False) or "")


def test_a_sentence_that_did_not_end() -> None:
    text = "A red circle, then a blue square"
    assert refused(text, SHAPES, truncated=True) == "it does not end"


def test_a_sentence_that_ended_before_the_model_did() -> None:
    answer = "A red circle, then a green cross.\n\nCaptions:\n1.0 s: a red circle\n3.0 s: a re"
    assert refused(cleaned(answer), SHAPES, truncated=True) is None


def test_what_comes_back_may_be_said_where_it_first_was() -> None:
    frames = said("a dog", "a cat", "a dog")
    assert refused("A dog, and a cat in between.", frames, truncated=False) is None


def test_captions_may_speak_of_what_the_request_speaks_of() -> None:
    frames = said("a picture frame on a wall", "a runner at 10 s on a clock")
    assert refused("A frame on a wall, then a runner at 10 s.", frames, truncated=False) is None


def test_captions_may_say_what_the_request_says() -> None:
    frames = said("a note: keep their order, say only what they say", "a dog")
    text = "A note: keep their order, say only what they say, then a dog."
    assert refused(text, frames, truncated=False) is None


def test_captions_in_another_script_may_be_merged_in_it() -> None:
    frames = said("красный круг", "зелёный крест")
    assert refused("красный круг и зелёный крест", frames, truncated=False) is None


@pytest.mark.parametrize("seed", range(30))
def test_noise_never_stands_and_never_breaks_it(seed: int) -> None:
    draw = random.Random(seed)
    letters = string.printable + "äß犬🐈\u0000\u2028"
    noise = "".join(draw.choices(letters, k=draw.randrange(400)))
    assert refused(cleaned(noise), SHAPES, truncated=False)
    assert refused(cleaned(noise), said("", "..."), truncated=False)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("A dog runs.", "A dog runs."),
        (' "A dog runs."\n', "A dog runs."),
        ("\u201cA dog runs.\u201d", "A dog runs."),
        ("**A dog runs.**", "A dog runs."),
        ("'A dog's ball.'", "A dog's ball."),
        ('"Stop" and "go"', '"Stop" and "go"'),
        ("Caption: A dog runs.", "A dog runs."),
        ('The final sentence: "A dog runs."', "A dog runs."),
        ("Here's a one-sentence caption: A dog runs.", "A dog runs."),
        ("Sure! Here is the sentence:\n\nA dog runs.\n\nI hope this helps!", "A dog runs."),
        ("A dog runs.\n\nNote: it is brown.", "A dog runs."),
        ("A dog\n  runs.", "A dog runs."),
        ("- a dog\n- a cat", "- a dog\n- a cat"),
        ('A sign says "stop"', 'A sign says "stop"'),
        ("", ""),
        ("\n \n", ""),
        ("Caption:", ""),
    ],
)
def test_cleaned(answer: str, sentence: str) -> None:
    assert cleaned(answer) == sentence


def test_a_merge_is_made_of_all_moments() -> None:
    made = captioned_by_merge("A red circle, then a green cross.", SHAPES)
    assert made.is_rewritten
    assert made.parts == (Part(0, 0, 1), Part(2, 0, 2), Part(3, 0, 3))
