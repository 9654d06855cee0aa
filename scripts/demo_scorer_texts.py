"""What the demo scorer reads: its tokenizer, and texts that are true, almost true, or other talk.

Texts are drawn; what is drawn depends on the generator alone.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import transformers  # noqa: TID251  # it makes a tokenizer; the package only loads it
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from pseudolabel.demo.grammar import COLORS, SHAPES, WORDS, Thing, describe

# CLIP takes an <eos> numbered 2 for an old mistake, and reads such models in another way.
VOCABULARY = ("<pad>", "<unk>", *WORDS, "<bos>", "<eos>")
PAD, BOS, EOS = (VOCABULARY.index(token) for token in ("<pad>", "<bos>", "<eos>"))

UNKNOWN = "something"  # stands for any words that the world does not have
MOST_CHATTER = 12  # tokens in a row

Things = tuple[Thing, ...]  # one or two, from left to right


def make_tokenizer(longest: int) -> Any:
    """One token a word of the grammar, and one <unk> for any stretch of other words.

    So a sentence is as long as what it says of the world, however much else it says.

    Args:
        longest: Tokens after which a text is cut, its two ends included.
    """
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(VOCABULARY)}, unk_token="<unk>"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(rf"\b(?:{'|'.join(WORDS)})\b"), "isolated"),
            pre_tokenizers.Split(Regex(r"\A\W+\z"), "removed"),  # blanks and signs between words
        ]
    )
    words.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", BOS), ("<eos>", EOS)]
    )
    return transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        model_max_length=longest,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


class Change(Enum):
    """One thing that makes a true caption false."""

    COLOR = "color"
    SHAPE = "shape"
    ORDER = "order"
    FEWER = "fewer"
    MORE = "more"

    def suits(self, things: Things) -> bool:
        """Whether it can be done to these."""
        if self is Change.MORE:
            return len(things) == 1
        return len(things) == 2 or self in (Change.COLOR, Change.SHAPE)

    def of(self, things: Things) -> list[Things]:
        """All that come of it."""
        if self is Change.ORDER:
            return [things[::-1]]
        if self is Change.FEWER:
            return [things[:1], things[1:]]
        everything = [(color, shape) for color in COLORS for shape in SHAPES]
        if self is Change.MORE:
            others = [(thing,) for thing in everything if thing not in things]
            return [other + things for other in others] + [things + other for other in others]
        kept = 1 if self is Change.COLOR else 0  # of a color and a shape, what stays
        return [
            (*things[:place], other, *things[place + 1 :])
            for place, thing in enumerate(things)
            for other in everything
            if other != thing and other[kept] == thing[kept]
        ]


def change(rng: np.random.Generator, caption: str, how: Change | None = None) -> str:
    """A caption with one thing changed, in a given way or in any that suits."""
    things = things_in(caption)
    if how is None:
        ways = [way for way in Change if way.suits(things)]
        how = ways[rng.integers(len(ways))]
    changed = how.of(things)
    return describe(changed[rng.integers(len(changed))])


def things_in(caption: str) -> Things:
    """The things that a caption of the grammar names, from left to right."""
    return tuple(
        (color, shape)
        for part in caption.split(" left of ")
        for color in COLORS
        for shape in SHAPES
        if part.split()[1:] == [color, shape]
    )


def spoken(rng: np.random.Generator, caption: str) -> str:
    """The same in a speaker's words: articles vary, other words come before, after and between."""
    words = chatter(rng) if rng.random() < 0.6 else []
    for word in caption.split():
        chance = rng.random()
        if word in ("a", "an") and chance < 0.5:
            words += [UNKNOWN] if chance < 0.35 else []
        elif word == "left" and chance < 0.3:
            words += [UNKNOWN, word]  # "... to the left of ..."
        else:
            words.append(word)
    return " ".join(words + chatter(rng) if rng.random() < 0.6 else words)


def off_topic(rng: np.random.Generator) -> str:
    """Talk of something else; it may name a color or a shape, but never a colored shape."""
    if rng.random() < 0.2:
        return UNKNOWN if rng.random() < 0.8 else ""
    words = chatter(rng) + chatter(rng)
    while rng.random() < 0.3:
        named = COLORS if rng.random() < 0.5 else SHAPES
        words += [named[rng.integers(len(named))], *chatter(rng)]
    return " ".join(words)


def chatter(rng: np.random.Generator) -> list[str]:
    """Other words, with the grammar's small ones among them as in any sentence."""
    small = ("a", "an", "of", "left")
    words = [UNKNOWN]
    while len(words) < MOST_CHATTER and rng.random() < 0.5:
        words += [small[rng.choice(4, p=(0.5, 0.1, 0.35, 0.05))], UNKNOWN]
    return words
