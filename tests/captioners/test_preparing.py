"""Batches prepared ahead: the same captions, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from pseudolabel.captioners.preparing import PreparingCaptioner
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.captioners.transformers_captioner import TransformersCaptioner
from tiny_models import KINDS, noise_frame

Load = Callable[..., TransformersCaptioner]


def _ready(captioner: TransformersCaptioner, count: int = 6) -> list[Any]:
    """Frames as the decoder delivers them."""
    sizes = [captioner.frame_size.of(64 + 8 * n, 48 + 5 * n) for n in range(count)]
    return [noise_frame(n, width=w, height=h) for n, (w, h) in enumerate(sizes)]


def _texts(answers: list[Any]) -> list[str | None]:
    return [None if isinstance(answer, Refusal) else answer[0].text for answer in answers]


@pytest.mark.parametrize("kind", KINDS)
def test_captions_are_those_without_preparation(kind: str, captioner: Load) -> None:
    loaded = captioner(kind)
    frames = _ready(loaded)
    prepared = loaded.prepare(frames)
    adapts = loaded.frame_size.fit == "contain"
    assert (prepared is None) == adapts, "only what a processor must see is not prepared"
    assert loaded.caption(frames, prepared) == loaded.caption(frames)


@pytest.mark.parametrize("kind", ["blip", "vit_gpt2"])
def test_prepared_bytes_are_scaled_to_the_very_same_input(kind: str, captioner: Load) -> None:
    loaded = captioner(kind)
    pixels = [frame.pixels for frame in _ready(loaded)]
    prepared = loaded.prepare(_ready(loaded))
    assert prepared is not None
    assert prepared.pixels.dtype == torch.uint8
    wanted = loaded._inputs(pixels[2:5])
    got = loaded._inputs(pixels[2:5], prepared.rows(2, 5))
    assert wanted.keys() == got.keys()
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)


def test_frames_of_other_sizes_are_not_prepared(captioner: Load) -> None:
    loaded = captioner("blip")
    assert loaded.prepare([*_ready(loaded), noise_frame(1, height=40, width=60)]) is None


def test_a_batch_that_does_not_fit_is_halved_with_what_was_prepared(
    captioner: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = captioner("vit_gpt2", batch_size=8)
    frames = _ready(loaded, 20)
    wanted = _texts(loaded.caption(frames))
    generate = loaded.generator.model.generate

    def fails_above_three(**inputs: Any) -> Any:
        if len(inputs["pixel_values"]) > 3:
            raise torch.OutOfMemoryError("injected")
        return generate(**inputs)

    monkeypatch.setattr(loaded.generator.model, "generate", fails_above_three)
    assert _texts(loaded.caption(frames, loaded.prepare(frames))) == wanted
    assert len(set(wanted)) > 1, "the frames must tell texts apart"


def test_a_frame_that_fails_is_found_among_the_prepared(
    captioner: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = captioner("vit_gpt2")
    frames = _ready(loaded)
    wanted = _texts(loaded.caption(frames))
    bad = loaded._inputs([frames[4].pixels])["pixel_values"]
    generate = loaded.generator.model.generate

    def fails_on_one(**inputs: Any) -> Any:
        if any(torch.equal(row[None], bad) for row in inputs["pixel_values"]):
            raise ValueError("this one")
        return generate(**inputs)

    monkeypatch.setattr(loaded.generator.model, "generate", fails_on_one)
    texts = _texts(loaded.caption(frames, loaded.prepare(frames)))
    assert texts == [*wanted[:4], None, wanted[5]]


def test_no_memory_to_prepare_is_no_failure(
    captioner: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = captioner("blip")

    def full(_: object) -> Any:
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr(loaded._copying, "start", full)
    assert loaded.prepare(_ready(loaded)) is None


def test_it_tells_where_its_time_went(captioner: Load) -> None:
    loaded = captioner("blip")
    assert isinstance(loaded, PreparingCaptioner)
    loaded.caption(_ready(loaded))
    times = loaded.times
    assert min(times.preparing_s, times.generating_s, times.reading_s) > 0
