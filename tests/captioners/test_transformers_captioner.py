"""Every architecture, through the one captioner: texts, log-probabilities, batches, refusals."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from pseudolabel.captioners.load import identify, load_captioner
from pseudolabel.captioners.protocol import Refusal
from pseudolabel.captioners.transformers_captioner import TransformersCaptioner
from pseudolabel.errors import CaptionerError
from pseudolabel.records import Caption, Frame
from tiny_models import KINDS, noise_frame

Load = Callable[..., TransformersCaptioner]
FRAMES = [noise_frame(seed, height=40 + 4 * seed, width=60 - 3 * seed) for seed in range(6)]


def _captions(captioner: TransformersCaptioner, frames: list[Frame]) -> list[tuple[Caption, ...]]:
    answers = captioner.caption(frames)
    assert len(answers) == len(frames)
    for answer in answers:
        assert not isinstance(answer, Refusal), answer
    return [answer for answer in answers if not isinstance(answer, Refusal)]


def _texts(captioner: TransformersCaptioner, frames: list[Frame]) -> list[tuple[str, ...]]:
    return [tuple(c.text for c in row) for row in _captions(captioner, frames)]


def _texts_one_by_one(captioner: TransformersCaptioner) -> list[tuple[str, ...]]:
    return [_texts(captioner, [frame])[0] for frame in FRAMES]


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gives_the_texts_that_single_frames_give(kind: str, captioner: Load) -> None:
    loaded = captioner(kind)
    together = _captions(loaded, FRAMES)
    alone = [_captions(loaded, [frame])[0] for frame in FRAMES]
    assert [row[0].text for row in together] == [row[0].text for row in alone]
    for (batched,), (single,) in zip(together, alone, strict=True):
        assert batched.mean_logprob == pytest.approx(single.mean_logprob, abs=1e-4)
    assert len({row[0].text for row in together}) > 1, "the frames must tell texts apart"


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_captions(kind: str, captioner: Load) -> None:
    loaded = captioner(kind, dtype="bfloat16")
    assert loaded.identity.dtype == "bfloat16"
    for (caption,) in _captions(loaded, FRAMES):
        assert caption.mean_logprob is not None
        assert caption.mean_logprob < 0


@pytest.mark.parametrize("kind", KINDS)
def test_samples_do_not_depend_on_the_batch(kind: str, captioner: Load) -> None:
    loaded = captioner(kind, samples=3, temperature=1.5)
    together = _texts(loaded, FRAMES)
    assert all(len(row) == 3 for row in together)
    assert _texts_one_by_one(loaded) == together
    assert _texts(loaded, FRAMES[::-1]) == together[::-1]
    assert any(len(set(row)) > 1 for row in together), "samples of one frame must differ"


def test_the_seed_decides_the_samples(captioner: Load) -> None:
    settings = {"samples": 3, "temperature": 1.5}
    first = _texts(captioner("vit_gpt2", seed=1, **settings), FRAMES)
    assert _texts(captioner("vit_gpt2", seed=1, **settings), FRAMES) == first
    assert _texts(captioner("vit_gpt2", seed=2, **settings), FRAMES) != first


def _forced_logits(kind: str, model: Any, inputs: dict[str, Any], tokens: Any) -> Any:
    """Logits `(1, length, vocabulary)` of a model that reads `tokens`, its own prompt included."""
    if kind == "blip":
        vision = model.vision_model(pixel_values=inputs["pixel_values"])[0]
        return model.text_decoder(input_ids=tokens, encoder_hidden_states=vision).logits
    if model.config.is_encoder_decoder:
        given = {name: inputs[name] for name in inputs if name != "decoder_input_ids"}
        return model(**given, decoder_input_ids=tokens).logits
    added = tokens.shape[1] - inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
    read = {**inputs, "input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    for name, of_text in (("mm_token_type_ids", 0), ("token_type_ids", 1)):
        if name in read:
            read[name] = torch.nn.functional.pad(read[name], (0, added), value=of_text)
    return model(**read).logits[:, -tokens.shape[1] :]


@pytest.mark.parametrize("decoding", [{}, {"beams": 3}, {"samples": 3, "top_p": 0.5}])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_logprob_is_the_models_own(
    kind: str, decoding: dict[str, Any], captioner: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = captioner(kind, **decoding)
    model, outputs = loaded.generator.model, []
    generate = model.generate

    def spy(**given: Any) -> Any:
        outputs.append(generate(**given))
        return outputs[-1]

    monkeypatch.setattr(model, "generate", spy)
    for frame in FRAMES[:3]:
        (captions,) = _captions(loaded, [frame])
        for caption, tokens in zip(captions, outputs[-1].sequences[:, None], strict=True):
            mean, has_end = _forced_mean(kind, loaded, frame, tokens)
            assert caption.mean_logprob == pytest.approx(mean, abs=1e-4)
            assert caption.truncated == (not has_end)


def _forced_mean(
    kind: str, loaded: TransformersCaptioner, frame: Frame, tokens: Any
) -> tuple[float, bool]:
    """Mean log-probability of the written tokens `(1, length)`, and whether they end by an end."""
    with torch.inference_mode():
        inputs = loaded._inputs([frame.pixels])
        prompt = _prompt_length(inputs, loaded)
        if kind == "blip2" and tokens[0, :prompt].tolist() != inputs["input_ids"][0].tolist():
            tokens = torch.cat([inputs["input_ids"], tokens], dim=1)  # it returns no prompt
        logits = _forced_logits(kind, loaded.generator.model, inputs, tokens)
    taken = logits.float().log_softmax(-1)[:, :-1].gather(2, tokens[:, 1:, None])[0, :, 0]
    written, ends = tokens[0, prompt:].tolist(), set(loaded.generator.tokens.ends)
    length = next((n + 1 for n, token in enumerate(written) if token in ends), len(written))
    return taken[prompt - 1 :][:length].mean().item(), written[length - 1] in ends


def _prompt_length(inputs: dict[str, Any], loaded: TransformersCaptioner) -> int:
    for name in ("decoder_input_ids", "input_ids"):
        if name in inputs and (name == "decoder_input_ids" or not loaded.generator.tokens.start):
            return int(inputs[name].shape[1])
    return 1


def test_a_text_that_ends_by_itself_is_not_truncated(captioner: Load) -> None:
    loaded = captioner("git", samples=5, temperature=2.0, max_new_tokens=12)
    captions = [caption for row in _captions(loaded, FRAMES) for caption in row]
    assert {caption.truncated for caption in captions} == {True, False}
    for caption in captions:  # a word is a token; the end token is one as well, and not shown
        assert caption.truncated or len(caption.text.split()) < 12


@pytest.mark.parametrize("kind", ["blip", "git", "vit_gpt2"])
def test_a_prompt_is_a_beginning_that_the_text_keeps(kind: str, captioner: Load) -> None:
    loaded = captioner(kind, prompt="a photo of")
    assert loaded.identity.prompt == "a photo of"
    together = _texts(loaded, FRAMES)
    assert all(row[0].startswith("a photo of") for row in together)
    assert _texts_one_by_one(loaded) == together
    assert together != _texts(captioner(kind), FRAMES)


@pytest.mark.parametrize("kind", ["blip2", "paligemma", "smolvlm", "qwen3_vl"])
def test_a_prompt_changes_the_text_and_is_not_in_it(kind: str, captioner: Load) -> None:
    loaded = captioner(kind, prompt="a man is cooking")
    together = _texts(loaded, FRAMES)
    assert not any("cooking food" in row[0] or "<image>" in row[0] for row in together)
    assert _texts_one_by_one(loaded) == together
    assert together != _texts(captioner(kind), FRAMES)


def test_florence_takes_tasks_only(captioner: Load) -> None:
    assert captioner("florence2").identity.prompt == "<CAPTION>"
    detailed = captioner("florence2", prompt="<DETAILED_CAPTION>")
    assert _texts(detailed, FRAMES)
    with pytest.raises(CaptionerError, match="takes a task") as raised:
        captioner("florence2", prompt="describe")
    assert "<DETAILED_CAPTION>" in (raised.value.hint or "")


@pytest.mark.parametrize("kind", ["blip", "blip2", "florence2"])
def test_decoding_is_ours_whatever_the_checkpoint_ships(kind: str, captioner: Load) -> None:
    loaded = captioner(kind)
    generator = getattr(
        loaded.generator.model, {"blip": "text_decoder"}.get(kind, ""), loaded.generator.model
    )
    settings = generator.generation_config
    assert (settings.num_beams, settings.do_sample, settings.max_new_tokens) == (1, False, 8)
    assert not settings.no_repeat_ngram_size
    assert settings.forced_eos_token_id is None


def test_frames_at_the_models_size_and_others_agree_with_the_processor(captioner: Load) -> None:
    loaded = captioner("blip")
    size = loaded.frame_size
    assert (size.width, size.height, size.fit) == (32, 32, "stretch")
    ready = noise_frame(3, height=32, width=32)
    mixed = [FRAMES[0], ready, FRAMES[1]]
    assert _texts(loaded, mixed) == [_texts(loaded, [frame])[0] for frame in mixed]
    pixels = loaded._inputs([frame.pixels for frame in mixed])["pixel_values"]
    wanted = loaded._inputs._processors.image(
        [frame.pixels for frame in mixed], return_tensors="pt"
    )["pixel_values"]
    assert (pixels - wanted).abs().max() <= 1e-2


def test_a_frame_that_fails_is_refused_and_its_neighbours_are_not(captioner: Load) -> None:
    loaded = captioner("qwen2_5_vl")
    thin = noise_frame(9, height=2, width=600)  # an aspect ratio that the processor refuses
    answers = loaded.caption([FRAMES[0], thin, FRAMES[1]])
    assert isinstance(answers[1], Refusal)
    assert "aspect ratio" in answers[1].detail
    texts = [answer[0].text for answer in answers if not isinstance(answer, Refusal)]
    assert texts == [text for (text,) in _texts(loaded, FRAMES[:2])]


def test_scores_that_are_no_numbers_are_refusals(captioner: Load) -> None:
    for settings in ({}, {"samples": 2}, {"beams": 2}):
        loaded = captioner("vit_gpt2", **settings)
        (answer,) = loaded.caption(FRAMES[:1])
        assert not isinstance(answer, Refusal)
        with torch.no_grad():
            loaded.generator.model.decoder.lm_head.weight.fill_(math.nan)
        (refusal,) = loaded.caption(FRAMES[:1])
        assert isinstance(refusal, Refusal)
        assert "finite" in refusal.detail


def test_when_nothing_ever_works_it_is_an_error(captioner: Load) -> None:
    loaded = captioner("blip", max_new_tokens=200)  # it has 64 positions
    with pytest.raises(CaptionerError, match="refuses every frame") as raised:
        loaded.caption(FRAMES)
    assert "--max-new-tokens" in (raised.value.hint or "")


def test_no_frames_give_no_answers(captioner: Load) -> None:
    assert captioner("blip").caption([]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_identity_is_known_before_loading(kind: str, captioner: Load) -> None:
    loaded = captioner(kind)
    assert identify(loaded.generator.options) == loaded.identity
    assert loaded.identity.revision.startswith("sha256:")
    assert loaded.identity.backend == "transformers"


def test_load_and_caption_print_nothing(captioner: Load, capfd: pytest.CaptureFixture[str]) -> None:
    loaded = captioner("vit_gpt2")
    capfd.readouterr()
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        again = load_captioner(loaded.generator.options)
        again.caption(FRAMES)
        again.close()
    assert (stderr.getvalue(), capfd.readouterr()) == ("", ("", ""))
