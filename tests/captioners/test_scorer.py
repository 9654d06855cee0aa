"""Every kind of scorer, through the one loader: vectors, batches, cut texts, memory, refusals."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pseudolabel.captioners import scorer as scorer_module
from pseudolabel.captioners.scorer import Scorer, load_scorer
from pseudolabel.errors import CaptionerError, OptionError, PseudolabelError
from tiny_embedders import LONGEST, PATCHES, SCORERS
from tiny_models import hf, noise_frame

TinyFolder = Callable[[str], Path]
FRAMES = [noise_frame(seed, height=40 + 4 * seed, width=60 - 3 * seed).pixels for seed in range(6)]
TEXTS = ["a man", "person cuts the onion with a knife", "a photo of", "in a kitchen " * 9, ""]
ROUNDING = 1e-5


def _load(folder: Path, **settings: Any) -> Scorer:
    return load_scorer(str(folder), **{"device": "cpu", "dtype": "float32", **settings})


def _refusal(name: object, kind: type[PseudolabelError] = CaptionerError, **settings: Any) -> str:
    """Message and hint of the error, which must be one line each, and speak of `--scorer`."""
    with pytest.raises(kind) as raised:
        load_scorer(str(name), device="cpu", **settings)
    said = f"{raised.value} -> {raised.value.hint}"
    assert raised.value.hint
    assert "\n" not in said
    assert "--model" not in said
    return said


@pytest.mark.parametrize("kind", SCORERS)
def test_vectors_are_of_unit_length_and_do_not_depend_on_the_batch(
    kind: str, tiny_embedder: TinyFolder
) -> None:
    together, alone = _load(tiny_embedder(kind)), _load(tiny_embedder(kind), batch_size=1)
    for vectors, single in (
        (together.images(FRAMES), [alone.images([frame]) for frame in FRAMES]),
        (together.texts(TEXTS), [alone.texts([text]) for text in TEXTS]),
    ):
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(single), together.dimensions)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=ROUNDING)
        np.testing.assert_allclose(vectors, np.concatenate(single), atol=ROUNDING)
        assert vectors.std(axis=0).max() > 0.05, "the inputs must tell vectors apart"


@pytest.mark.parametrize("kind", SCORERS)
def test_similarity_is_the_models_own_without_its_scale(
    kind: str, tiny_embedder: TinyFolder
) -> None:
    folder, texts = tiny_embedder(kind), TEXTS[:3]
    model = hf.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = hf.AutoProcessor.from_pretrained(folder, backend="pil")
    processor.tokenizer.padding_side = "right"  # Siglip2Tokenizer's own default is not as trained
    fills = kind.startswith("siglip")
    inputs = processor(
        images=[_image(frame) for frame in FRAMES],
        text=texts,
        return_tensors="pt",
        padding="max_length" if fills else True,
        max_length=LONGEST,
        truncation=True,
        **(PATCHES if kind == "siglip2" else {}),
    )
    if fills:
        del inputs["attention_mask"]
    with torch.inference_mode():
        outputs = model(**inputs)
    ours = _load(folder)
    got = ours.images(FRAMES) @ ours.texts(texts).T
    np.testing.assert_allclose(got, outputs.image_embeds @ outputs.text_embeds.T, atol=1e-3)
    unscaled = outputs.logits_per_image - getattr(model, "logit_bias", 0)
    np.testing.assert_allclose(got, (unscaled / model.logit_scale.exp()).detach(), atol=1e-3)


def _image(pixels: NDArray[np.uint8]) -> Any:
    from PIL import Image

    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", ["siglip", "siglip2"])
def test_siglip_reads_lower_case_and_no_mask(
    kind: str, tiny_embedder: TinyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = _load(tiny_embedder(kind))
    embed, given = scorer._model.get_text_features, list[dict[str, Any]]()

    def spy(**tensors: Any) -> Any:
        given.append(tensors)
        return embed(**tensors)

    monkeypatch.setattr(scorer._model, "get_text_features", spy)
    lower, upper = scorer.texts(["a man", "A MAN"])
    np.testing.assert_allclose(lower, upper, atol=ROUNDING)
    assert [set(tensors) for tensors in given] == [{"input_ids"}]
    assert given[0]["input_ids"].shape == (2, LONGEST), "padded to the length it was trained at"
    assert given[0]["input_ids"][:, 0].all(), "on the right"


@pytest.mark.parametrize("kind", SCORERS)
def test_a_long_text_is_cut_and_said_to_be(kind: str, tiny_embedder: TinyFolder) -> None:
    scorer = _load(tiny_embedder(kind))
    long = "a man is cooking food in a kitchen with a knife, a person cuts the onion"
    assert scorer.is_cut(long)
    assert not scorer.is_cut("a man")
    assert not scorer.is_cut("")
    vectors = scorer.texts([long, long + " " + "food " * 500, "food"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=ROUNDING)
    assert not np.allclose(vectors[0], vectors[2], atol=0.01)


def test_the_limit_is_where_it_is_said_to_be(tiny_embedder: TinyFolder) -> None:
    scorer = _load(tiny_embedder("clip"))
    fits = " ".join(["food"] * (LONGEST - 2))  # and a start and an end
    assert not scorer.is_cut(fits)
    assert scorer.is_cut(fits + " food")


@pytest.mark.parametrize("kind", SCORERS)
def test_bfloat16_is_near_float32(kind: str, tiny_embedder: TinyFolder) -> None:
    half, full = _load(tiny_embedder(kind), dtype="bfloat16"), _load(tiny_embedder(kind))
    assert half.identity.dtype == "bfloat16"
    assert half.images(FRAMES).dtype == np.float32
    assert (half.images(FRAMES) * full.images(FRAMES)).sum(axis=1).min() > 0.95
    assert (half.texts(TEXTS) * full.texts(TEXTS)).sum(axis=1).min() > 0.95


def test_frames_that_the_decoder_scaled_need_no_processor(tiny_embedder: TinyFolder) -> None:
    scorer = _load(tiny_embedder("clip"))
    assert (scorer.frame_size.width, scorer.frame_size.fit) == (32, "cover")
    frame = noise_frame(3, height=32, width=45).pixels
    through_processor = hf.AutoImageProcessor.from_pretrained(tiny_embedder("clip"), backend="pil")
    model = hf.AutoModel.from_pretrained(tiny_embedder("clip"), dtype=torch.float32)
    with torch.inference_mode():
        pixels = through_processor(_image(frame), return_tensors="pt").pixel_values
        wanted = model.get_image_features(pixel_values=pixels).pooler_output.numpy()
    wanted /= np.linalg.norm(wanted)
    np.testing.assert_allclose(scorer.images([frame]), wanted, atol=1e-3)
    # Beside one that is not yet scaled, it is treated no differently.
    np.testing.assert_allclose(scorer.images([frame, FRAMES[0]])[:1], wanted, atol=1e-3)


def test_a_text_is_computed_once(
    tiny_embedder: TinyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = _load(tiny_embedder("clip"))
    seen = _count_rows(scorer, monkeypatch)
    first = scorer.texts(["a man", "food", "a man"])
    assert sum(seen) == 2
    again = scorer.texts(["food", "a man", "knife"])
    assert sum(seen) == 3
    np.testing.assert_array_equal(first[[1, 0]], again[:2])
    first[:] = 0  # the caller's own
    assert scorer.texts(["food"]).any()


def _count_rows(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Filled with the number of texts of each batch."""
    model, seen = scorer._model, list[int]()
    embed = model.get_text_features

    def spy(**tensors: Any) -> Any:
        seen.append(len(tensors["input_ids"]))
        return embed(**tensors)

    monkeypatch.setattr(model, "get_text_features", spy)
    return seen


def test_memory_ends_and_scoring_goes_on(
    tiny_embedder: TinyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = _load(tiny_embedder("siglip"))
    texts = [f"a man {'food ' * (index % 7)}{index}" for index in range(20)]
    wanted = _load(tiny_embedder("siglip")).texts(texts), scorer.images(FRAMES)
    model = scorer._model
    for name, given in (
        ("get_text_features", "input_ids"),
        ("get_image_features", "pixel_values"),
    ):
        monkeypatch.setattr(model, name, _failing_above(3, getattr(model, name), given))
    np.testing.assert_allclose(scorer.texts(texts), wanted[0], atol=ROUNDING)
    np.testing.assert_allclose(scorer.images(FRAMES), wanted[1], atol=ROUNDING)


def _failing_above(most: int, embed: Callable[..., Any], given: str) -> Callable[..., Any]:
    def embeds(**tensors: Any) -> Any:
        if len(tensors[given]) > most:
            raise torch.OutOfMemoryError("injected")
        return embed(**tensors)

    return embeds


def test_a_device_that_fails_is_an_error(
    tiny_embedder: TinyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = _load(tiny_embedder("clip"))

    def fails(**_: object) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(scorer._model, "get_image_features", fails)
    with pytest.raises(CaptionerError, match="the device failed: CUDA error: device-side"):
        scorer.images([np.zeros((8, 8, 3), np.uint8)])


def test_one_text_that_does_not_fit_is_an_error(
    tiny_embedder: TinyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = _load(tiny_embedder("clip"))
    model = scorer._model
    monkeypatch.setattr(
        model, "get_text_features", _failing_above(0, model.get_text_features, "input_ids")
    )
    with pytest.raises(CaptionerError, match=r"--scorer .*out of memory at a single text"):
        scorer.texts(["a man", "food"])


def test_nothing_in_nothing_out(tiny_embedder: TinyFolder) -> None:
    scorer = _load(tiny_embedder("clip"))
    assert scorer.images([]).shape == scorer.texts([]).shape == (0, scorer.dimensions)


def test_strange_texts_are_texts(tiny_embedder: TinyFolder) -> None:
    for kind in ("clip", "altclip"):
        vectors = _load(tiny_embedder(kind)).texts(["\ud800 broken", "\0", "日本語", "\u2028"])
        assert np.isfinite(vectors).all()


def test_its_identity_names_its_files(tiny_embedder: TinyFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_embedder("clip"), tmp_path / "clip"))
    identity = _load(folder).identity
    assert (identity.model, identity.architecture, identity.dtype) == (
        str(folder),
        "clip",
        "float32",
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        identity.model = "another"  # type: ignore[misc]
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "a_note": 1}))
    assert _load(folder).identity.revision != identity.revision


def test_no_scorer_is_refused(tiny: TinyFolder, tiny_embedder: TinyFolder) -> None:
    said = _refusal(tiny_embedder("bert"))
    assert "'bert' does not compare images with texts" in said
    assert "CLIP, SigLIP" in said
    assert "'blip' does not compare" in _refusal(tiny("blip"))


def test_what_cannot_be_found_is_refused(tmp_path: Path) -> None:
    assert "not a folder" in _refusal(tmp_path / "nowhere")
    assert "no config.json" in _refusal(tmp_path)
    said = _refusal("nobody/clip")
    assert "cannot be reached" in said
    assert "--scorer PATH for a folder with an image-text model" in said


def test_settings_that_are_not_allowed_are_refused(tiny_embedder: TinyFolder) -> None:
    folder = tiny_embedder("clip")
    assert "one of: auto, float32" in _refusal(folder, OptionError, dtype="float8")
    assert "--batch-size 0" in _refusal(folder, OptionError, batch_size=0)
    assert "float16 on a CPU" in _refusal(folder, dtype="float16")


def test_pickled_weights_are_refused(tiny_embedder: TinyFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_embedder("clip"), tmp_path / "clip"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "no safetensors weights" in _refusal(folder)


def test_a_tokenizer_without_words_is_refused(tiny_embedder: TinyFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_embedder("clip"), tmp_path / "clip"))
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "its tokenizer knows no words" in _refusal(folder)


def test_a_missing_package_is_named(tiny_embedder: TinyFolder, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_embedder("siglip"), tmp_path / "siglip"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "SiglipTokenizer"  # as Google's first ones have it
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert "pip install sentencepiece protobuf" in _refusal(folder)


def test_parts_that_do_not_belong_together_are_refused(
    tiny_embedder: TinyFolder, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_embedder("chinese_clip"), tmp_path / "clip"))
    side = {"height": 48, "width": 48}
    hf.ChineseCLIPImageProcessorPil(size=side, crop_size=side).save_pretrained(folder)
    (folder / "processor_config.json").unlink()
    assert "loads, but does not work" in _refusal(folder)


def test_numbers_that_are_not_finite_are_an_error(tiny_embedder: TinyFolder) -> None:
    scorer = _load(tiny_embedder("clip"))
    with torch.no_grad():
        scorer._model.text_projection.weight.fill_(float("nan"))
    with pytest.raises(CaptionerError, match="not finite"):
        scorer.texts(["a man"])


def test_a_closed_scorer_holds_no_model(tiny_embedder: TinyFolder) -> None:
    scorer = _load(tiny_embedder("clip"))
    scorer.close()
    assert scorer._model is None


def test_the_demo_is_in_the_package() -> None:
    assert (scorer_module.DEMO_SCORER_FOLDER / "model.safetensors").is_file()
