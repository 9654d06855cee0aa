"""The captioner that ships, measured on files of a world that nothing was trained on."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import pseudolabel.demo
from pseudolabel.demo.grammar import WORDS
from pseudolabel.demo.world import DemoVideo

FOLDER = Path(pseudolabel.demo.__file__).parent / "captioner"
MOST_BYTES = 6_000_000
REQUIRED = 0.95  # share of unseen frames with exactly the true caption


@dataclass(frozen=True, eq=False)
class Captioner:
    """The saved folder as the Auto classes load it, and what they complained of."""

    model: Any
    processor: Any
    tokenizer: Any
    complaints: list[str]

    @torch.inference_mode()
    def tokens(self, frames: list[NDArray[np.uint8]], **how: Any) -> torch.Tensor:
        """Greedy token ids, int64 `(N, T)`."""
        pixels = self.processor(frames, return_tensors="pt").pixel_values
        written = self.model.generate(
            pixel_values=pixels, max_new_tokens=30, do_sample=False, **how
        )
        assert isinstance(written, torch.Tensor)
        return written

    def captions(self, frames: list[NDArray[np.uint8]]) -> list[str]:
        texts = self.tokenizer.batch_decode(self.tokens(frames), skip_special_tokens=True)
        return [str(text) for text in texts]


class Ear(logging.Handler):
    """Keeps what is logged at WARNING and above."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


@pytest.fixture(scope="module")
def captioner() -> Iterator[Captioner]:
    import transformers

    complaints: list[str] = []
    ear = Ear(complaints)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    logging.getLogger("transformers").addHandler(ear)
    auto: Any = transformers
    yield Captioner(
        auto.AutoModelForImageTextToText.from_pretrained(FOLDER, local_files_only=True),
        auto.AutoImageProcessor.from_pretrained(FOLDER, backend="pil", local_files_only=True),
        auto.AutoTokenizer.from_pretrained(FOLDER, local_files_only=True),
        complaints,
    )
    logging.getLogger("transformers").removeHandler(ear)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shown(world: tuple[DemoVideo, ...], world_folder: Path) -> list[tuple[NDArray[np.uint8], str]]:
    """Two frames a second of each file as FFmpeg scales them, each with its true caption."""
    pairs = []
    for video in world:
        with av.open(str(world_folder / video.video_id)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number % (video.fps // 2) == 0:
                    assert frame.time is not None
                    small = frame.reformat(64, 64, "rgb24", interpolation="BICUBIC").to_ndarray()
                    pairs.append((small.astype(np.uint8), video.caption_at(frame.time)))
    return pairs


def test_it_is_right_about_unseen_frames(
    captioner: Captioner, shown: list[tuple[NDArray[np.uint8], str]]
) -> None:
    said = captioner.captions([pixels for pixels, _ in shown])
    wrong = [(text, true) for text, (_, true) in zip(said, shown, strict=True) if text != true]
    assert len(shown) > 250
    assert len({true for _, true in shown}) > 15
    assert len(wrong) <= (1 - REQUIRED) * len(shown), wrong


def test_it_loads_and_writes_without_a_complaint(
    captioner: Captioner, shown: list[tuple[NDArray[np.uint8], str]]
) -> None:
    captioner.captions([pixels for pixels, _ in shown[::20]])
    assert captioner.complaints == []


def test_every_caption_ends_by_itself(
    captioner: Captioner, shown: list[tuple[NDArray[np.uint8], str]]
) -> None:
    written = captioner.tokens([pixels for pixels, _ in shown[::4]])
    config = captioner.model.generation_config
    assert written.eq(config.eos_token_id).sum(dim=1).eq(1).all()
    assert written.shape[1] <= 11  # the start, nine words at most, the end
    assert set(written[:, 0].tolist()) == {config.decoder_start_token_id}


def test_a_caption_does_not_depend_on_its_batch(
    captioner: Captioner, shown: list[tuple[NDArray[np.uint8], str]]
) -> None:
    frames = [pixels for pixels, _ in shown[::25]]
    one_by_one = [text for frame in frames for text in captioner.captions([frame])]
    assert captioner.captions(frames) == one_by_one


def test_its_words_are_the_grammars(captioner: Captioner) -> None:
    tokenizer = captioner.tokenizer
    assert set(tokenizer.get_vocab()) == {*WORDS, *tokenizer.all_special_tokens}
    sentence = " ".join(WORDS)
    assert tokenizer.decode(tokenizer.encode(sentence)) == sentence


def test_it_is_small_and_float32(captioner: Captioner) -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= MOST_BYTES
    assert {weights.dtype for weights in captioner.model.parameters()} == {torch.float32}


def test_its_training_is_on_record(captioner: Captioner) -> None:
    report = json.loads((FOLDER / "TRAINING.json").read_text())
    assert report["exact_match"] >= REQUIRED
    assert report["frames_scored"] >= 1000
    assert report["parameters"] == sum(weights.numel() for weights in captioner.model.parameters())
