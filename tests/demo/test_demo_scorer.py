"""The scorer that ships, measured on files of a world that nothing was trained on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import pseudolabel.demo
from pseudolabel.captioners.scorer import Scorer, load_scorer
from pseudolabel.demo.grammar import COLORS, SHAPES, WORDS, Thing, describe
from pseudolabel.demo.world import DemoVideo

FOLDER = Path(pseudolabel.demo.__file__).parent / "scorer"
MOST_BYTES = 4_000_000
REQUIRED_RANDOM, REQUIRED_CHANGED, REQUIRED_AREA = 0.99, 0.97, 0.98
REQUIRED_EACH = 0.93  # of each kind of change; shapes are the hardest to see
OTHER_TALK = (
    "so today we are going to make a quick pasta",
    "thanks for watching, and please subscribe to the channel",
    "I left the keys at home, of course",
    "a glass of orange juice and a slice of bread",
    "he was the star of a film about the sea",
    "turn left at the next light, then cross the bridge",
    "that was a long day, and a lot of work",
    "we bought a white van last year",
    "um, yeah",
    "日本語の話です",
)
UNKNOWN_ONLY = "thanks for watching"


@dataclass(frozen=True, eq=False)
class Shown:
    """Frames of unseen videos, what is true of each, and how well each text fits."""

    scorer: Scorer
    images: NDArray[np.float32]  # (N, D)
    captions: list[str]

    def similarity(self, texts: list[str]) -> NDArray[np.float32]:
        """Of each frame with its own text, `(N,)`."""
        cosines: NDArray[np.float32] = (self.images * self.scorer.texts(texts)).sum(axis=1)
        return cosines


@pytest.fixture(scope="module")
def shown(world: tuple[DemoVideo, ...], world_folder: Path) -> Shown:
    """A frame a second of each file, as FFmpeg scales them for the scorer."""
    scorer = load_scorer("demo", device="cpu")
    size = scorer.frame_size
    frames, captions = [], []
    for video in world:
        with av.open(str(world_folder / video.video_id)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number % video.fps == 0:
                    assert frame.time is not None
                    small = frame.reformat(
                        size.width, size.height, "rgb24", interpolation="BICUBIC"
                    )
                    frames.append(small.to_ndarray().astype(np.uint8, copy=False))
                    captions.append(video.caption_at(frame.time))
    assert len(frames) > 140
    assert len(set(captions)) > 15
    return Shown(scorer, scorer.images(frames), captions)


def _changes(caption: str) -> dict[str, list[str]]:
    """Every caption that differs in one thing, by what that is."""
    things: tuple[Thing, ...] = tuple(
        (color, shape)
        for part in caption.split(" left of ")
        for color in COLORS
        for shape in SHAPES
        if part.endswith(f" {color} {shape}")
    )
    assert describe(things) == caption
    made: dict[str, list[str]] = {"color": [], "shape": []}
    for place, (color, shape) in enumerate(things):
        before, after = things[:place], things[place + 1 :]
        made["color"] += [
            describe((*before, (other, shape), *after)) for other in COLORS if other != color
        ]
        made["shape"] += [
            describe((*before, (color, other), *after)) for other in SHAPES if other != shape
        ]
    if len(things) == 2:
        made["order"] = [describe(things[::-1])]
        made["fewer"] = [describe(things[:1]), describe(things[1:])]
    else:
        others = [(color, shape) for color in COLORS for shape in SHAPES]
        made["more"] = [describe((*things, other)) for other in others if (other,) != things]
    return made


def _area(high: NDArray[np.float32], low: NDArray[np.float32]) -> float:
    """The chance that one of `high` exceeds one of `low`."""
    return float((high[:, None] > low.ravel()).mean())


def test_the_true_caption_beats_every_other(shown: Shown) -> None:
    every = sorted(set(shown.captions))
    true = shown.similarity(shown.captions)
    all_of_them = shown.images @ shown.scorer.texts(every).T  # (N, captions)
    is_other = np.asarray(shown.captions)[:, None] != np.asarray(every)
    won = (true[:, None] > all_of_them)[is_other]
    assert won.mean() >= REQUIRED_RANDOM


def test_the_true_caption_beats_one_with_a_thing_changed(shown: Shown) -> None:
    true = shown.similarity(shown.captions)
    won: dict[str, list[NDArray[np.bool_]]] = {}
    for score, image, caption in zip(true, shown.images, shown.captions, strict=True):
        for what, texts in _changes(caption).items():
            won.setdefault(what, []).append(score > shown.scorer.texts(texts) @ image)
    shares = {what: float(np.concatenate(of_frames).mean()) for what, of_frames in won.items()}
    assert set(shares) == {"color", "shape", "order", "fewer", "more"}
    assert np.mean(list(shares.values())) >= REQUIRED_CHANGED, shares
    assert min(shares.values()) >= REQUIRED_EACH, shares


def test_other_talk_lies_far_below(shown: Shown) -> None:
    true = shown.similarity(shown.captions)
    other = shown.images @ shown.scorer.texts(OTHER_TALK).T
    assert _area(true, other) >= REQUIRED_AREA
    unknown = shown.images @ shown.scorer.texts([UNKNOWN_ONLY])[0]
    assert unknown.mean() < true.mean() - 0.3


def test_a_speaker_who_describes_the_picture_is_understood(shown: Shown) -> None:
    said = [f"And here you can see {caption}, right?" for caption in shown.captions]
    said = [text.replace(" left of ", " to the left of ") for text in said]
    other = shown.images @ shown.scorer.texts(OTHER_TALK).T
    assert _area(shown.similarity(said), other) >= REQUIRED_AREA


def test_its_words_are_the_grammars(shown: Shown) -> None:
    tokenizer = shown.scorer._tokens.tokenizer
    assert set(tokenizer.get_vocab()) == {*WORDS, *tokenizer.all_special_tokens}
    read = tokenizer.tokenize("Well, look: the RED circle left of it all. A crossing!")
    assert read == ["<unk>", "red", "circle", "left", "of", "<unk>", "a", "<unk>"]


def test_it_is_small_safe_and_float32(shown: Shown) -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MOST_BYTES
    assert {path.suffix for path in FOLDER.iterdir()} == {".json", ".safetensors"}
    assert shown.scorer.identity.model == "demo"
    assert shown.scorer.identity.architecture == "clip"
    assert shown.scorer.identity.dtype == "float32"
    assert {weights.dtype for weights in shown.scorer._model.parameters()} == {torch.float32}


def test_its_training_is_on_record(shown: Shown) -> None:
    report = json.loads((FOLDER / "scores.json").read_text())
    assert report["scores"]["frames"] >= 1000
    assert report["scores"]["beats_random"] >= REQUIRED_RANDOM
    assert report["scores"]["beats_changed"] >= REQUIRED_CHANGED
    assert report["scores"]["off_topic_auc"] >= REQUIRED_AREA
    parameters = sum(weights.numel() for weights in shown.scorer._model.parameters())
    assert report["parameters"] == parameters
