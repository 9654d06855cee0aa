"""A trained video captioner as a captioner of the pipeline: tiny, with random weights."""

# mypy: allow-untyped-calls

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pseudolabel.captioners.answers import Answer
from pseudolabel.captioners.load import identify, introduce, load_captioner
from pseudolabel.captioners.options import CaptionOptions
from pseudolabel.captioners.preparing import PreparingCaptioner
from pseudolabel.captioners.protocol import ClipCaptioner, Refusal
from pseudolabel.captioners.video_captioner import VideoModelCaptioner
from pseudolabel.captioners.video_model.pixels import normalized
from pseudolabel.errors import CaptionerError
from pseudolabel.records import Frame, FrameSize
from pseudolabel.videos.options import FrameOptions
from tiny_video_captioner import FRAMES, SIZE, captioner, write_checkpoint

Load = Callable[..., VideoModelCaptioner]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "it", clip_frames=FRAMES)


@pytest.fixture
def load(checkpoint: Path) -> Load:
    def made(folder: Path = checkpoint, **options: Any) -> VideoModelCaptioner:
        return VideoModelCaptioner.load(_options(folder, **options))

    return made


def _options(model: object, **options: Any) -> CaptionOptions:
    settings = {"device": "cpu", "dtype": "float32", "max_new_tokens": 6, **options}
    return CaptionOptions(model=f"video:{model}", **settings)


def _clip(
    index: int, frames: int = FRAMES, *, video_id: str = "v", size: int = SIZE
) -> list[Frame]:
    """A clip of noise of its own."""
    random = np.random.default_rng(index)
    pixels = random.integers(0, 256, (frames, size, size, 3), np.uint8)
    return [Frame("v", index, at, 8.0 * index + at, False, pixels[at]) for at in range(frames)]


def _texts(answers: Sequence[Answer]) -> list[list[str]]:
    return [[c.text for c in a] if not isinstance(a, Refusal) else [a.detail] for a in answers]


def _frames(*clips: list[Frame]) -> list[Frame]:
    return [frame for clip in clips for frame in clip]


def test_it_is_a_captioner_of_clips(load: Load, checkpoint: Path) -> None:
    loaded: object = load(batch_size=3)
    assert isinstance(loaded, ClipCaptioner)
    assert isinstance(loaded, PreparingCaptioner)
    assert (loaded.batch_size, loaded.largest_batch) == (3, 3)
    assert loaded.frame_size == FrameSize(SIZE, SIZE, "stretch")
    assert introduce(_options(checkpoint)).wanted_frames == loaded.wanted_frames
    assert loaded.wanted_frames == FrameOptions(count=FRAMES, snap="exact")
    assert identify(_options(checkpoint)) == loaded.identity
    assert loaded.identity.backend == "video"
    assert loaded.identity.revision.startswith("sha256:")
    assert loaded.caption([]) == []
    loaded.close()


def test_a_text_is_what_the_model_writes_of_all_its_frames(load: Load) -> None:
    loaded, clip = load(), _clip(3)
    answers = loaded.caption(clip)
    assert answers == [answers[0]] * FRAMES
    assert not isinstance(answers[0], Refusal)
    pixels = torch.from_numpy(np.stack([frame.pixels for frame in clip]))[None]
    model, tokenizer = loaded.generator.model, loaded.generator.tokenizer
    start = torch.tensor([[tokenizer.bos_token_id]])
    output = model.generate(normalized(pixels, model.config), start)
    (text,) = tokenizer.batch_decode(output.sequences[:, 1:], skip_special_tokens=True)
    assert answers[0][0].text == " ".join(text.split())
    assert answers[0][0].mean_logprob is not None
    assert answers[0][0].mean_logprob < 0


def test_which_frame_comes_first_tells(load: Load) -> None:
    clip = _clip(3)
    backwards = [replace(a, pixels=b.pixels) for a, b in zip(clip, clip[::-1], strict=True)]
    forwards, other = (_texts(load().caption(frames)) for frames in (clip, backwards))
    assert forwards != other


@pytest.mark.parametrize("options", [{}, {"beams": 3}, {"samples": 3, "seed": 5}], ids=str)
def test_a_text_does_not_depend_on_its_neighbours(load: Load, options: dict[str, Any]) -> None:
    clips = [_clip(n, frames=3 if n == 2 else FRAMES) for n in range(5)]
    alone = [_texts(load(batch_size=1, **options).caption(clip)) for clip in clips]
    together = load(batch_size=4, **options)
    frames = _frames(*clips)
    for prepared in (None, together.prepare(frames)):
        answers = together.caption(frames, prepared)
        assert _texts(answers) == [texts for of_clip in alone for texts in of_clip]
    assert len({str(texts) for texts in alone}) >= 4, "it looks"
    assert len(alone[0][0]) == options.get("samples", 1)


def test_samples_depend_on_the_seed_the_video_and_the_time(load: Load) -> None:
    def said(video_id: str = "v", time_s: float = 0.0, **options: int) -> list[list[str]]:
        clip = [replace(f, video_id=video_id, time_s=f.time_s + time_s) for f in _clip(0)]
        return _texts(load(samples=2, **options).caption(clip))

    assert said() == said()
    others = [said(video_id="w"), said(time_s=1.0), said(seed=1)]
    assert said() not in others


def test_a_clip_that_comes_twice_in_a_row_is_two(load: Load) -> None:
    clip = _clip(0)
    once = _texts(load().caption(clip))
    assert _texts(load().caption(clip + clip)) == once + once


def test_what_does_not_fit_is_refused_and_nothing_else(load: Load) -> None:
    loaded = load()
    good = _texts(loaded.caption(_frames(_clip(0), _clip(2))))
    answers = loaded.caption(_frames(_clip(0), _clip(1, size=SIZE - 8), _clip(2)))
    refused = answers[FRAMES : 2 * FRAMES]
    assert all(isinstance(answer, Refusal) for answer in refused)
    assert _texts([*answers[:FRAMES], *answers[-FRAMES:]]) == good


def test_the_middle_of_a_frame_is_seen_where_it_learned_from_that(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, clip_fit="crop")
    loaded = VideoModelCaptioner.load(_options(folder))
    assert loaded.frame_size == FrameSize(SIZE, SIZE, "cover")
    wide = [
        replace(frame, pixels=np.pad(frame.pixels, ((0, 0), (9, 9), (0, 0)))) for frame in _clip(1)
    ]
    assert loaded.caption(wide) == loaded.caption(_clip(1))


def test_running_out_of_memory_halves_the_batch(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(batch_size=4)
    frames = _frames(*map(_clip, range(6)))
    wanted = load(batch_size=4).caption(frames)
    generate, sizes = loaded.generator.model.generate, []

    def scarce(**given: Any) -> Any:
        sizes.append(len(given["pixel_values"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError
        return generate(**given)

    monkeypatch.setattr(loaded.generator.model, "generate", scarce)
    assert _texts(loaded.caption(frames, loaded.prepare(frames))) == _texts(wanted)
    assert sizes == [4, 2, 2, 2]
    assert loaded.batch_size == 2

    def none(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(loaded.generator.model, "generate", none)
    with pytest.raises(CaptionerError, match="out of memory at a single clip"):
        loaded.caption(frames)


def test_a_prompt_is_refused(checkpoint: Path) -> None:
    with pytest.raises(CaptionerError, match=r"--prompt 'a photo of' with .*no prompt"):
        identify(_options(checkpoint, prompt="a photo of"))


def test_it_is_named_with_its_kind(checkpoint: Path) -> None:
    with pytest.raises(CaptionerError, match="captions videos, not images") as raised:
        identify(CaptionOptions(model=str(checkpoint)))
    assert raised.value.hint == f"--model video:{checkpoint}"


def test_other_models_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "blip"}))
    with pytest.raises(CaptionerError, match=f"--model video:{folder}: .*'blip', not of 'pseudo"):
        identify(_options(folder))
    with pytest.raises(CaptionerError, match=r"--model video:\./none: not a folder"):
        identify(_options("./none"))


def test_half_a_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(checkpoint, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(CaptionerError, match=r"video:.*its tokenizer does not load"):
        load_captioner(_options(folder))
    (folder / "config.json").unlink()
    with pytest.raises(CaptionerError, match=f"--model video:{folder}: no config.json"):
        load_captioner(_options(folder))


def test_pixels_are_scaled_as_the_configuration_says() -> None:
    config = captioner(image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 0.25, 0.125]).config
    pixels = torch.randint(0, 256, (2, 3, 4, 5, 3), dtype=torch.uint8)
    found = normalized(pixels, config)
    assert (found.shape, found.dtype) == ((2, 3, 3, 4, 5), torch.float32)
    wanted = (pixels[1, 2, 3, 4].double() / 255 - torch.tensor([0.1, 0.2, 0.3])) / torch.tensor(
        [0.5, 0.25, 0.125]
    )
    assert torch.allclose(found[1, 2, :, 3, 4].double(), wanted, atol=1e-5)
