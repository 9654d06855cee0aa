"""Text encoders: pooling as asked, batches, cut texts, and what is no encoder of text."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from loopback_hub import LoopbackHub, use_hub
from pseudolabel.captioners.text_encoder import TextEncoder, load_text_encoder
from pseudolabel.captioners.text_vectors import TextTokens, TextVectors
from pseudolabel.errors import CaptionerError, OptionError
from tiny_embedders import ENCODERS, LONGEST, add_recipe
from tiny_models import hf, word_tokenizer

TinyFolder = Callable[[str], Path]
TEXTS = ["a man", "person cuts the onion with a knife", "a photo of", "in a kitchen " * 9, "food"]
ROUNDING = 1e-5


def _load(folder: Path, **settings: Any) -> TextEncoder:
    return load_text_encoder(str(folder), **{"device": "cpu", "dtype": "float32", **settings})


def _refusal(name: object) -> str:
    """Message and hint of the error, one line each, which speak of `--text-encoder`."""
    with pytest.raises(CaptionerError) as raised:
        load_text_encoder(str(name), device="cpu")
    said = f"{raised.value} -> {raised.value.hint}"
    assert "\n" not in said
    assert "--model" not in said
    return said


@pytest.fixture
def folder(tiny_embedder: TinyFolder, tmp_path: Path) -> Path:
    """A copy of a tiny encoder, to change."""
    return Path(shutil.copytree(tiny_embedder("bert"), tmp_path / "encoder"))


def _states(folder: Path, text: str) -> NDArray[np.float32]:
    """The model's own last states of one text, `(tokens, D)`."""
    model = hf.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(text, truncation=True, max_length=LONGEST, return_tensors="pt")
    with torch.inference_mode():
        states: NDArray[np.float32] = model(**inputs).last_hidden_state[0].numpy()
    return states


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector / np.float32(np.linalg.norm(vector))


@pytest.mark.parametrize("kind", ENCODERS)
def test_vectors_are_means_of_the_models_own_states(kind: str, tiny_embedder: TinyFolder) -> None:
    folder = tiny_embedder(kind)
    wanted = [_unit(_states(folder, text).mean(axis=0)) for text in TEXTS]
    together, alone = _load(folder), _load(folder, batch_size=1)
    vectors = together.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), together.dimensions)
    np.testing.assert_allclose(vectors, np.stack(wanted), atol=1e-4)
    np.testing.assert_allclose(
        vectors, np.concatenate([alone.encode([text]) for text in TEXTS]), atol=ROUNDING
    )


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_text_may_fill_every_position(kind: str, tiny_embedder: TinyFolder) -> None:
    encoder = _load(tiny_embedder(kind))
    assert encoder.identity.longest == LONGEST
    assert encoder.is_cut("a photo of " * 20)
    assert not encoder.is_cut("a")
    assert np.isfinite(encoder.encode(["a photo of " * 20])).all()


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
        {"pooling_mode": "cls"},
    ],
)
def test_the_repositorys_pooling_is_used(folder: Path, pooling: dict[str, Any]) -> None:
    add_recipe(folder, "Pooling", "Normalize", pooling=pooling)
    encoder = _load(folder)
    assert encoder.identity.pooling == "cls"
    wanted = [_unit(_states(folder, text)[0]) for text in TEXTS]
    np.testing.assert_allclose(encoder.encode(TEXTS), np.stack(wanted), atol=1e-4)


def test_the_repositorys_limit_is_used(folder: Path) -> None:
    add_recipe(folder, "Pooling", longest=5, pooling={"pooling_mode_mean_tokens": True})
    encoder = _load(folder)
    assert (encoder.identity.pooling, encoder.identity.longest) == ("mean", 5)
    assert not encoder.is_cut("a man food")
    assert encoder.is_cut("a man food knife")


def test_a_limit_beyond_the_models_is_the_models(folder: Path) -> None:
    add_recipe(folder, "Pooling", longest=512, pooling={"pooling_mode_mean_tokens": True})
    assert _load(folder).identity.longest == LONGEST


def test_another_pooling_or_step_is_refused(folder: Path) -> None:
    add_recipe(folder, "Pooling", pooling={"pooling_mode_max_tokens": True})
    assert "its pooling is 'max_tokens'" in _refusal(folder)
    shutil.rmtree(folder / "1_Pooling")
    add_recipe(folder, "Pooling", "Dense", pooling={"pooling_mode_mean_tokens": True})
    assert "need a Dense layer" in _refusal(folder)
    (folder / "modules.json").write_text("[")
    assert "not valid JSON" in _refusal(folder)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub() as made:
        use_hub(monkeypatch, made, tmp_path / "home")
        monkeypatch.setattr("transformers.utils.hub._hf_api", None)  # it keeps the first endpoint
        yield made


def test_a_repository_on_the_hub_brings_its_recipe(
    folder: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = hub.create("tester/encoder", "models")
    plain = repository.write(_files(folder))
    add_recipe(folder, "Pooling", longest=5, pooling={"pooling_mode_cls_token": True})
    repository.write(_files(folder))
    online, pinned = (
        load_text_encoder(name, device="cpu", dtype="float32").identity
        for name in ("tester/encoder", f"tester/encoder@{plain}")
    )
    assert (online.model, online.pooling, online.longest) == ("tester/encoder", "cls", 5)
    assert (pinned.revision, pinned.pooling, pinned.longest) == (plain, "mean", LONGEST)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert _load(Path("tester/encoder")).identity == online
    assert _load(Path(f"tester/encoder@{plain}")).identity == pinned


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_pooler_may_be_missing_but_nothing_else(folder: Path) -> None:
    before = _load(folder).encode(TEXTS)
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("pooler.")}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    np.testing.assert_allclose(_load(folder).encode(TEXTS), before, atol=ROUNDING)
    kept.pop("encoder.layer.1.output.dense.weight")
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert "its weights lack 1 tensors" in _refusal(folder)


def test_what_is_no_text_encoder_is_refused(tiny: TinyFolder, tiny_embedder: TinyFolder) -> None:
    assert "'gpt2' writes texts" in _refusal(tiny_embedder("gpt2"))
    assert "'clip' does not encode texts alone" in _refusal(tiny_embedder("clip"))
    assert "'blip'" in _refusal(tiny("blip"))
    assert "--text-encoder PATH for a folder with a text encoder" in _refusal("nobody/bert")


def test_a_missing_or_broken_tokenizer_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    assert "its tokenizer does not load" in _refusal(folder)
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "its tokenizer knows no words" in _refusal(folder)


def test_settings_that_are_not_allowed_are_refused(folder: Path) -> None:
    with pytest.raises(OptionError, match="--batch-size 0"):
        _load(folder, batch_size=0)


def test_nothing_in_nothing_out(folder: Path) -> None:
    encoder = _load(folder)
    assert encoder.encode([]).shape == (0, encoder.dimensions)
    encoder.close()
    assert encoder._model is None


def _counting(kept: int) -> tuple[TextVectors, list[tuple[int, int]]]:
    """Vectors of no model, and the shapes of the batches that were computed."""
    shapes: list[tuple[int, int]] = []

    def embed(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        ids, mask = tensors["input_ids"], tensors["attention_mask"]
        shapes.append((ids.shape[0], ids.shape[1]))
        return torch.stack([(ids * mask).sum(dim=1), mask.sum(dim=1)], dim=1)

    tokens = TextTokens(word_tokenizer(), longest=20)
    vectors = TextVectors(
        tokens, embed, torch.device("cpu"), batch_size=4, named="--test", kept=kept
    )
    return vectors, shapes


def test_long_texts_go_with_long_ones() -> None:
    vectors, shapes = _counting(kept=100)
    texts = [("food " * (1 + 9 * (index % 2))).strip() + f" {index}" for index in range(8)]
    got = vectors(texts)
    assert shapes == [(4, 4), (4, 13)]
    np.testing.assert_allclose(got, np.concatenate([_counting(9)[0]([text]) for text in texts]))


def test_memory_is_bounded_and_keeps_the_latest() -> None:
    vectors, shapes = _counting(kept=3)
    assert vectors(["a", "food", "knife", "man", "onion"]).shape == (5, 2), "more than are kept"
    shapes.clear()
    vectors(["knife"])
    vectors(["food"])  # forgotten, and what was used longest ago goes for it
    assert shapes == [(1, 3)]
    vectors(["knife", "onion"])
    assert shapes == [(1, 3)]
    vectors(["man"])
    assert len(shapes) == 2
