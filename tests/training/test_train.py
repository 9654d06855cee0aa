"""Training: whole checkpoints, exact resume, an end when asked, and errors of one line."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from footage_factory import video_id
from pseudolabel.captioners.video_model.model import VideoCaptioner
from pseudolabel.errors import CaptionerError, InputError, TrainingError
from pseudolabel.training.checkpoints import checkpoints
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.train import Trained, TrainStep, _one_line_on_memory, train
from pseudolabel.training.train_options import ModelOptions
from training_factory import QUICK, assert_same, started, tiny_data, weights


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, release: str, root: Path, parts: tuple[str, str]
) -> Path:
    """A training that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "captioner"
    data = tiny_data(release, root)
    train(data, str(out), model=ModelOptions(None, *parts), options=QUICK)
    return out


def test_it_learns_and_what_is_frozen_does_not(whole: Path, parts: tuple[str, str]) -> None:
    logged = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert logged[-1]["step"] == 6
    captioner = VideoCaptioner.from_pretrained(whole)
    assert (captioner.config.clip_frames, captioner.config.clip_size) == (2, 32)
    before = load_file(Path(parts[1]) / "model.safetensors")
    after = captioner.language_model.state_dict()
    frozen = [name for name in before if name in after]
    assert len(frozen) > 10
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    gates = [adapter.attention_gate for adapter in captioner.language_model.adapters() if adapter]
    assert all(gate.abs() > 0 for gate in gates)


def test_beside_the_weights_stands_what_they_are(whole: Path, release: str) -> None:
    provenance = json.loads((whole / "provenance.json").read_text())
    assert provenance["data"]["version"] == "1.0.0"
    assert provenance["clips"] > 0
    assert [part["architecture"] for part in provenance["models"]] == ["timesformer", "opt"]
    assert "in 6 steps" in (whole / "README.md").read_text()
    assert release in (whole / "config.toml").read_text()
    names = {path.name for path in whole.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert [path.name for path in checkpoints(whole)] == ["checkpoint-4", "checkpoint-6"]


@pytest.mark.parametrize("at", [1, 3])
def test_a_kill_and_the_same_command_again_give_the_same_weights(
    whole: Path, data: DataOptions, model: ModelOptions, tmp_path: Path, at: int
) -> None:
    """Killed in the middle of what comes after so many checkpoints; also of writing one."""
    out = tmp_path / "captioner"
    with started(data, model, out, QUICK) as process:
        while process.poll() is None and not checkpoints(out):
            pass
        while process.poll() is None and at == 3 and not (out / "checkpoint-6").exists():
            pass
        process.kill()
    assert not (out / "config.json").exists() or at == 3
    trained = train(data, str(out), model=model, options=QUICK)
    assert (trained.step, trained.is_ended) == (6, True)
    assert trained.first_step >= 2
    assert_same(out, whole)


def test_sigterm_saves_the_step_in_work_and_ends_well(
    whole: Path, data: DataOptions, model: ModelOptions, tmp_path: Path
) -> None:
    out = tmp_path / "captioner"
    with started(data, model, out, replace(QUICK, save_every=100)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "3\n":
                process.send_signal(signal.SIGTERM)
                break
        rest = process.stdout.read().split()
    assert process.returncode == 0
    assert rest[-1] == "False"
    (saved,) = checkpoints(out)
    assert saved.name in ("checkpoint-3", "checkpoint-4", "checkpoint-5")
    trained = train(data, str(out), model=model, options=replace(QUICK, save_every=100))
    assert f"checkpoint-{trained.first_step}" == saved.name
    assert_same(out, whole)


def test_half_a_checkpoint_is_never_gone_on_from(
    whole: Path, data: DataOptions, model: ModelOptions, tmp_path: Path
) -> None:
    out = tmp_path / "captioner"
    shutil.copytree(whole, out)
    shutil.rmtree(out / "checkpoint-6")
    half = out / "unfinished" / "checkpoint-6"
    shutil.copytree(out / "checkpoint-4", half)
    (half / "optimizer.pt").unlink()
    trained = train(data, str(out), model=model, options=QUICK)
    assert trained.first_step == 4
    assert_same(out, whole)


def test_accumulated_batches_go_on_exactly_too(
    data: DataOptions, model: ModelOptions, tmp_path: Path
) -> None:
    options = replace(QUICK, steps=4, accumulate=2, batch_size=1, save_every=2)
    train(data, str(tmp_path / "whole"), model=model, options=options)
    out = tmp_path / "again"
    shutil.copytree(tmp_path / "whole", out)
    shutil.rmtree(out / "checkpoint-4")
    assert train(data, str(out), model=model, options=options).first_step == 2
    assert_same(out, tmp_path / "whole")


def test_dropout_goes_on_exactly_too(
    data: DataOptions, parts: tuple[str, str], tmp_path: Path
) -> None:
    """What learns drops out activations by random numbers, of which none may be skipped."""
    model = ModelOptions(None, *parts, train_lm=True)
    options = replace(QUICK, steps=4)
    train(data, str(tmp_path / "whole"), model=model, options=options)
    out = tmp_path / "again"
    shutil.copytree(tmp_path / "whole", out)
    shutil.rmtree(out / "checkpoint-4")
    assert train(data, str(out), model=model, options=options).first_step == 2
    assert_same(out, tmp_path / "whole")


TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ACCELERATE = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")


@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_processes_that_train_together_learn_the_same(
    whole: Path, data: DataOptions, model: ModelOptions, tmp_path: Path, launcher: tuple[str, ...]
) -> None:
    """Each takes its share of every batch; sums in another order differ in the last digits."""
    out = tmp_path / "captioner"
    with started(
        data, model, out, replace(QUICK, batch_size=1), launcher=("-m", *launcher)
    ) as process:
        told, _ = process.communicate()
    assert process.returncode == 0
    assert told.split().count("6") == 1  # one of them speaks
    one, other = weights(out), weights(whole)
    assert all(torch.allclose(one[name], other[name], atol=1e-3) for name in other)


def test_a_launcher_does_not_choose_the_number_format(
    whole: Path,
    data: DataOptions,
    model: ModelOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")  # as `accelerate launch` sets it
    train(data, str(tmp_path / "captioner"), model=model, options=QUICK)
    assert_same(tmp_path / "captioner", whole)


def test_what_is_broken_in_any_process_is_told(
    data: DataOptions, model: ModelOptions, root: Path, tmp_path: Path
) -> None:
    shutil.copytree(root, tmp_path / "videos")
    (tmp_path / "videos" / video_id(0)).write_bytes(b"no video")
    data = replace(data, videos=str(tmp_path / "videos"), validation=0.0)
    told = []
    for launcher in ((), ("-m", *TORCHRUN)):
        size = 1 if launcher else 2
        options = replace(QUICK, steps=4, batch_size=size)
        out = tmp_path / f"captioner-{size}"
        with started(data, model, out, options, launcher=launcher) as process:
            told.append(process.communicate()[0].splitlines()[-2])
    assert told == [f"broken {video_id(0)}#0 {video_id(0)}#1"] * 2


def test_memory_that_runs_out_is_one_line() -> None:
    with (
        pytest.raises(TrainingError, match="--batch-size 2: a step does not fit") as caught,
        _one_line_on_memory(QUICK),
    ):
        torch.empty(1 << 50)
    assert "--accumulate" in str(caught.value.hint)


def test_it_is_evaluated_the_best_is_kept_and_patience_ends_it(
    data: DataOptions, model: ModelOptions, tmp_path: Path
) -> None:
    out = tmp_path / "captioner"
    options = replace(
        QUICK, steps=40, learning_rate=1e-9, evaluate_every=2, patience=2, evaluate_clips=3, keep=1
    )
    trained = train(data, str(out), model=model, options=options)
    assert trained.step == 6  # 2 is the best, 4 and 6 are no better
    assert trained.scores.keys() == {"CIDEr", "BLEU-4", "loss"}
    assert [path.name for path in checkpoints(out)] == ["checkpoint-2", "checkpoint-6"]
    assert_same(out, out / "checkpoint-2")
    again = train(data, str(out), model=model, options=options)
    assert (again.step, again.is_ended) == (6, True)


def test_a_captioner_is_trained_further(
    whole: Path, data: DataOptions, parts: tuple[str, str], tmp_path: Path
) -> None:
    options = replace(QUICK, steps=1)
    train(data, str(tmp_path / "more"), model=ModelOptions(init=str(whole)), options=options)
    before, after = weights(whole), weights(tmp_path / "more")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(".adapter." in name for name in changed)
    with pytest.raises(CaptionerError, match="timesformer"):
        train(data, str(tmp_path / "x"), model=ModelOptions(init=parts[0]), options=options)


def test_a_loss_that_is_no_number_stops_it_with_the_examples(
    data: DataOptions, parts: tuple[str, str], tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    broken = tmp_path / "writer"
    shutil.copytree(parts[1], broken)
    tensors = load_file(broken / "model.safetensors")
    tensors["model.decoder.embed_tokens.weight"][5:].fill_(float("nan"))
    save_file(tensors, broken / "model.safetensors", {"format": "pt"})
    model = ModelOptions(encoder=parts[0], language_model=str(broken))
    out = tmp_path / "captioner"
    with pytest.raises(TrainingError, match="step 1: the loss is nan"):
        train(data, str(out), model=model, options=QUICK)
    (written,) = out.glob("non-finite-*.json")
    told = json.loads(written.read_text())
    assert told["step"] == 1
    assert len(told["examples"]) == 2
    assert all("world-" in example for example in told["examples"])


def test_other_options_on_the_same_folder_are_refused_by_name(
    whole: Path, data: DataOptions, model: ModelOptions, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"batch_size was 2, now 3"):
        train(data, str(whole), model=model, options=replace(QUICK, batch_size=3))
    with pytest.raises(TrainingError, match="not the folder of a training"):
        (tmp_path / "file").touch()
        train(data, str(tmp_path), model=model, options=QUICK)
    done = train(replace(data, workers=1), str(whole), model=model, options=QUICK)
    assert done.first_step == 6


def test_no_video_there_is_one_line_and_leaves_nothing(
    data: DataOptions, model: ModelOptions, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    wrong = replace(data, videos=str(tmp_path / "empty"))
    with pytest.raises(InputError, match="no video found in"):
        train(wrong, str(tmp_path / "captioner"), model=model, options=QUICK)
    assert not (tmp_path / "captioner").exists()


def test_nothing_to_evaluate_on_is_one_line_and_leaves_nothing(
    data: DataOptions, model: ModelOptions, tmp_path: Path
) -> None:
    few = replace(data, validation=0.001)
    with pytest.raises(InputError, match="nothing to evaluate on") as caught:
        train(few, str(tmp_path / "out"), model=model, options=replace(QUICK, evaluate_every=2))
    assert "--evaluate-every 0" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()


def test_a_missing_video_is_told_and_no_stop(
    data: DataOptions, model: ModelOptions, root: Path, tmp_path: Path
) -> None:
    some = tmp_path / "videos"
    shutil.copytree(root, some)
    first = sorted(some.iterdir())[0]
    first.unlink()
    sorted(some.iterdir())[1].write_bytes(b"no video")
    told: list[str] = []
    steps: list[TrainStep] = []
    trained: Trained = train(
        replace(data, videos=str(some), validation=0.0),
        str(tmp_path / "captioner"),
        model=model,
        options=QUICK,
        on_found=lambda found: told.extend(found.lines()),
        on_step=steps.append,
    )
    assert any(first.name in line for line in told)
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert trained.broken.broken
    assert trained.is_ended
