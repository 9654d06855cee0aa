"""`generate` as users of transformers know it: cache, beams, samples, prompts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pseudolabel.captioners.video_model.adapter import VideoKeys
from pseudolabel.captioners.video_model.model import VideoCaptioner
from tiny_video_captioner import LIKE_350M, captioner, clips, texts

LONG: dict[str, Any] = {"max_new_tokens": 12, "min_new_tokens": 12, "do_sample": False}


@pytest.fixture(scope="module", params=[{}, LIKE_350M], ids=["opt", "opt-350m"])
def model(request: pytest.FixtureRequest) -> VideoCaptioner:
    return captioner(text=request.param)


def test_it_begins_as_texts_of_opt_do_and_speaks_of_the_video(model: VideoCaptioner) -> None:
    written = model.generate(clips(4), **LONG)
    assert written.shape == (4, 13)
    assert written[:, 0].tolist() == [2] * 4
    assert len({tuple(row) for row in written.tolist()}) > 1


@pytest.mark.parametrize("beams", [1, 3])
def test_a_cache_changes_no_token(model: VideoCaptioner, beams: int) -> None:
    kept = model.generate(clips(3), num_beams=beams, **LONG)
    anew = model.generate(clips(3), num_beams=beams, use_cache=False, **LONG)
    assert torch.equal(kept, anew)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_batch_writes_what_its_videos_do_alone(model: VideoCaptioner, beams: int) -> None:
    settings = {**LONG, "num_beams": beams, "num_return_sequences": beams}
    together = model.generate(clips(3), **settings)
    alone = [model.generate(clip[None], **settings) for clip in clips(3)]
    assert torch.equal(together, torch.cat(alone))


def test_a_static_cache_changes_no_token(model: VideoCaptioner) -> None:
    static = model.generate(clips(), cache_implementation="static", **LONG)
    assert torch.equal(static, model.generate(clips(), **LONG))


def test_samples_differ_and_come_again_by_seed(model: VideoCaptioner) -> None:
    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        drawn: torch.Tensor = model.generate(
            clips(), max_new_tokens=8, do_sample=True, num_return_sequences=4
        )
        return drawn

    assert len({tuple(row) for row in draw(0).tolist()}) > 1
    assert torch.equal(draw(0), draw(0))
    assert len(draw(0)) == 8


def test_a_prompt_is_gone_on_from(model: VideoCaptioner) -> None:
    prompt = texts(2, 4)
    written = model.generate(clips(), prompt, **LONG)
    assert torch.equal(written[:, :4], prompt)
    again = model.generate(
        clips(), written[:, :10], max_new_tokens=6, min_new_tokens=6, do_sample=False
    )
    assert torch.equal(again, written[:, :16])


def test_padding_on_the_left_changes_no_token(model: VideoCaptioner) -> None:
    prompt = texts(2, 4)
    padded = torch.cat([torch.ones_like(prompt[:, :3]), prompt], dim=1)
    mask = (padded != 1).long()
    written = model.generate(clips(), padded, mask, **LONG)
    assert torch.equal(written[:, 3:], model.generate(clips(), prompt, **LONG))


@pytest.mark.parametrize("frames", [1, 3, 9])
def test_images_and_videos_of_any_length_are_described(model: VideoCaptioner, frames: int) -> None:
    assert model.generate(clips(frames=frames), **LONG).shape == (2, 13)


def test_the_encoder_runs_once_and_beams_share_its_keys(model: VideoCaptioner) -> None:
    looks: list[int] = []
    rows: list[tuple[int, int]] = []

    def attended(module: Any, inputs: tuple[torch.Tensor, VideoKeys]) -> None:
        rows.append((len(inputs[0]), len(inputs[1].keys)))

    first = next(model.language_model.adapters())
    assert first is not None
    hooks = [
        model.encoder.register_forward_pre_hook(lambda module, inputs: looks.append(1)),
        first.attention.register_forward_pre_hook(attended),
    ]
    model.generate(clips(2), num_beams=3, **LONG)
    for hook in hooks:
        hook.remove()
    assert looks == [1]
    assert set(rows) == {(6, 2)}  # three beams of two videos


def test_what_was_seen_can_be_used_again(model: VideoCaptioner) -> None:
    video = model.encode(clips(), with_keys=True)
    assert torch.equal(model.generate(video=video, **LONG), model.generate(clips(), **LONG))


def test_scores_come_on_request(model: VideoCaptioner) -> None:
    found = model.generate(
        clips(), num_beams=3, return_dict_in_generate=True, output_scores=True, **LONG
    )
    assert found.sequences_scores.shape == (2,)


def test_no_video_is_refused(model: VideoCaptioner) -> None:
    with pytest.raises(ValueError, match="no video"):
        model.generate(input_ids=texts())
