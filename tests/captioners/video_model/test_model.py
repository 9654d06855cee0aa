"""The captioner learns by its adapters alone, unless told otherwise."""

# mypy: allow-untyped-calls

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import OPTForCausalLM, Trainer, TrainingArguments

from pseudolabel.captioners.video_model.model import VideoCaptioner
from tiny_video_captioner import LIKE_350M, captioner, clips, text_config, texts


def part_of(name: str) -> str:
    if ".adapter." in name:
        return "adapters"
    return name.partition(".")[0]


def copied(model: VideoCaptioner) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def moved(model: VideoCaptioner, before: dict[str, torch.Tensor]) -> set[str]:
    """The parts of which any weight changed."""
    now = dict(model.named_parameters())
    return {part_of(name) for name in before if not torch.equal(now[name], before[name])}


def gradients(model: VideoCaptioner) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model(clips(), texts(), labels=texts()).loss.backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("text", [{}, LIKE_350M], ids=["opt", "opt-350m"])
@pytest.mark.parametrize("is_training", [False, True])
@torch.no_grad()
def test_a_new_captioner_is_its_language_model(text: dict[str, Any], is_training: bool) -> None:
    model = captioner(text=text, is_open=False)
    alone = OPTForCausalLM(text_config(**text)).eval()
    alone.load_state_dict(
        {n: v for n, v in model.language_model.state_dict().items() if ".adapter." not in n}
    )
    model.train(is_training)
    assert torch.equal(model(clips(), texts()).logits, alone(texts()).logits)


def test_open_gates_show_the_video() -> None:
    model = captioner()
    one, other = model(clips(seed=0), texts()).logits, model(clips(seed=1), texts()).logits
    assert (one - other).abs().max() > 0.1


@pytest.mark.parametrize(
    ("choice", "learns"),
    [
        ({}, {"adapters"}),
        ({"train_encoder": True}, {"adapters", "encoder"}),
        ({"train_lm": True}, {"adapters", "language_model"}),
        ({"train_lm": True, "train_encoder": True}, {"adapters", "encoder", "language_model"}),
    ],
)
def test_what_is_frozen_does_not_move(choice: dict[str, bool], learns: set[str]) -> None:
    model = captioner()
    model.freeze(**choice)
    model.train()
    before = copied(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(clips(), texts(), labels=texts()).loss.backward()
        optimizer.step()
    assert moved(model, before) == learns


def test_closed_gates_open_by_themselves() -> None:
    model = captioner(is_open=False)
    found = gradients(model)
    gates = {n for n, g in found.items() if g.abs().max() > 0}
    assert gates == {n for n in found if n.endswith("_gate")}
    assert len(gates) == 2 * 3


def test_every_adapter_weight_learns_once_gates_are_open() -> None:
    model = captioner()
    found = gradients(model)
    assert {n for n, p in model.named_parameters() if p.requires_grad} == set(found)
    assert {n for n, g in found.items() if g.abs().max() == 0} == set()


def test_no_weight_is_left_out_when_all_may_learn() -> None:
    model = captioner()  # a weight without a gradient would stop training on several GPUs
    model.freeze(train_encoder=True, train_lm=True)
    assert set(gradients(model)) == {n for n, _ in model.named_parameters()}


def test_half_precision_training_takes_a_step() -> None:
    model = captioner().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(clips(), texts(), labels=texts()).loss
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    with torch.no_grad():
        exact = model(clips(), texts(), labels=texts()).loss
    assert abs(loss.item() - exact.item()) < 0.1 * exact.item()


def test_frozen_parts_stay_in_evaluation_mode() -> None:
    model = captioner().train()
    assert model.training
    assert not model.encoder.training
    assert not any(layer.self_attn.training for layer in model.language_model.model.decoder.layers)
    assert all(adapter.training for adapter in model.language_model.adapters() if adapter)
    assert torch.equal(model(clips(), texts()).logits, model(clips(), texts()).logits)
    model.freeze(train_lm=True)
    assert model.language_model.training
    assert not torch.equal(model(clips(), texts()).logits, model(clips(), texts()).logits)
    assert not model.eval().language_model.training


@pytest.mark.parametrize("choice", [{}, {"train_lm": True, "train_encoder": True}])
def test_checkpointing_recomputes_and_changes_no_gradient(choice: dict[str, bool]) -> None:
    model = captioner(text={"dropout": 0.0})
    model.freeze(**choice)
    model.train()
    wanted = gradients(model)
    calls: dict[str, int] = {"adapter": 0, "encoder": 0}

    def count(name: str) -> Any:
        def hook(module: Any, inputs: Any) -> None:
            calls[name] += 1

        return hook

    model.activation_checkpointing_enable()
    adapter = next(model.language_model.adapters())
    assert adapter is not None
    adapter.attention.register_forward_pre_hook(count("adapter"))
    layers: Any = model.encoder.encoder["layer"]
    layers[0].temporal_attention.output.register_forward_pre_hook(count("encoder"))
    found = gradients(model)
    assert calls == {"adapter": 2, "encoder": 2 if choice else 1}
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert torch.allclose(found[name], wanted[name], atol=1e-6), name


def test_checkpointing_that_would_lose_gradients_is_refused() -> None:
    with pytest.raises(ValueError, match="use_reentrant=False"):
        captioner().activation_checkpointing_enable({"use_reentrant": True})


def test_padding_and_what_is_marked_are_no_targets() -> None:
    model = captioner()
    ids = texts(2, 6)
    ids[1, 4:] = 1  # padding
    labels = ids.clone()
    labels[0, 2] = -100
    mask = (ids != 1).long()
    out = model(clips(), ids, mask, labels)
    logits = out.logits[:, :-1]
    keep = torch.tensor([[1, 0, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
    wanted = functional.cross_entropy(logits[keep], ids[:, 1:][keep])
    assert torch.allclose(out.loss, wanted)
    assert torch.allclose(model(clips(), ids, labels=labels).loss, wanted)
    of_step = model(clips(), ids, mask, labels, num_items_in_batch=14).loss
    assert torch.allclose(of_step, wanted / 2)


@torch.no_grad()
def test_several_texts_of_a_video_are_scored_at_once() -> None:
    model = captioner()
    rows = texts(4)
    together = model(clips(2), rows).logits
    apart = model(clips(2).repeat_interleave(2, dim=0), rows).logits
    assert torch.allclose(together, apart, atol=1e-4)


@torch.no_grad()
def test_a_cache_goes_on_where_it_ended() -> None:
    model = captioner()
    video = model.encode(clips(), with_keys=True)
    ids = texts(2, 6)
    start = model(input_ids=ids[:, :4], video=video, use_cache=True)
    rest = model(input_ids=ids[:, 4:], video=video, past_key_values=start.past_key_values)
    assert torch.allclose(rest.logits, model(clips(), ids).logits[:, 4:], atol=1e-4)


def test_outputs_are_those_of_transformers() -> None:
    model = captioner()
    found = model(clips(), texts(), output_hidden_states=True, labels=texts())
    assert len(found.hidden_states) == 4
    assert found.past_key_values is None
    loss, logits = model(clips(), texts(), labels=texts(), return_dict=False)
    assert torch.equal(loss, found.loss)
    assert torch.equal(logits, found.logits)


def test_no_video_is_refused() -> None:
    with pytest.raises(ValueError, match="no video: pass pixel_values"):
        captioner()(input_ids=texts())


def test_the_vocabulary_grows() -> None:
    model = captioner()
    model.resize_token_embeddings(64)
    assert model(clips(), texts()).logits.shape[-1] == 64
    assert model(clips(), texts(), labels=texts()).loss.isfinite()


class Pairs(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = texts(8, seed=5)[index]
        return {"pixel_values": clips(8, seed=5)[index], "input_ids": ids, "labels": ids}


@pytest.mark.parametrize("saves_memory", [False, True])
def test_transformers_trainer_trains_the_adapters(tmp_path: Path, saves_memory: bool) -> None:
    model = captioner(is_open=False)
    before = copied(model)
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=6,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        activation_checkpointing=saves_memory,
        learning_rate=0.05,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=Pairs(), eval_dataset=Pairs())
    worse = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < worse
    assert moved(model, before) == {"adapters"}
    trainer.save_model()
    loaded = VideoCaptioner.from_pretrained(tmp_path).eval()
    model.eval()
    with torch.no_grad():
        assert torch.equal(loaded(clips(), texts()).logits, model(clips(), texts()).logits)
