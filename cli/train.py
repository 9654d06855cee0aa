"""`pseudolabel train`: a video captioner from pseudolabels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pseudolabel.training.data.options import Augmentation, DataOptions, Mix
from pseudolabel.training.train_options import ModelOptions, TrainOptions

from ._progress import steps_bar
from ._shared import echo_json, option, read_config, say

if TYPE_CHECKING:
    from pseudolabel.training.train import Trained

DATA, PICTURES, MODEL, STEPS, RUN = "Data", "Pictures", "Model", "Steps", "Running"


def train(
    out: Annotated[str, option(help="The captioner's folder.")],
    data: Annotated[
        str | None,
        option(rich_help_panel=DATA, help="A release or run: a folder, or USER/REPO\\[@VERSION]."),
    ] = None,
    videos: Annotated[
        str | None,
        option(rich_help_panel=DATA, help="Their videos' folder, or one of `pseudolabel frames`."),
    ] = None,
    images: Annotated[
        str | None,
        option(
            rich_help_panel=DATA,
            help="With captions: a dataset USER/NAME\\[@REVISION]\\[:split], a folder, or tars.",
        ),
    ] = None,
    mix: Annotated[
        str | None,
        option(rich_help_panel=DATA, help="Batches of each, such as video=1,image=1."),
    ] = None,
    text: Annotated[
        str,
        option(rich_help_panel=DATA, help="caption, samples (one at random), or asr (the speech)."),
    ] = "caption",
    transcripts: Annotated[
        str | None, option(rich_help_panel=DATA, help="With --text asr: a folder or file of them.")
    ] = None,
    validation: Annotated[
        float,
        option(rich_help_panel=DATA, help="Videos held out, where the data has no such split."),
    ] = 0.05,
    frames: Annotated[int, option(rich_help_panel=PICTURES, help="Of a clip.")] = 8,
    frame_size: Annotated[
        int | None, option(rich_help_panel=PICTURES, help="Pixels; the encoder's own.")
    ] = None,
    fit: Annotated[
        str, option(rich_help_panel=PICTURES, help="stretch (all of it) or crop (its middle).")
    ] = "stretch",
    flip: Annotated[
        bool,
        option("--flip", rich_help_panel=PICTURES, help="Mirror half of them; words stay."),
    ] = False,
    crop: Annotated[
        float, option(rich_help_panel=PICTURES, help="The least share that is kept, at random.")
    ] = 1.0,
    color: Annotated[
        float, option(rich_help_panel=PICTURES, help="Change light and color by up to this share.")
    ] = 0.0,
    init: Annotated[
        str | None, option(rich_help_panel=MODEL, help="Go on with a captioner of `train`.")
    ] = None,
    encoder: Annotated[
        str | None, option(rich_help_panel=MODEL, help="A TimeSformer, NAME_OR_PATH\\[@revision].")
    ] = None,
    language_model: Annotated[
        str | None, option(rich_help_panel=MODEL, help="An OPT, NAME_OR_PATH\\[@revision].")
    ] = None,
    adapter_every: Annotated[
        int | None, option(rich_help_panel=MODEL, help="Layers of the language model.")
    ] = None,
    train_encoder: Annotated[
        bool, option("--train-encoder", rich_help_panel=MODEL, help="Let the encoder learn.")
    ] = False,
    train_lm: Annotated[
        bool, option("--train-lm", rich_help_panel=MODEL, help="Let the language model learn.")
    ] = False,
    steps: Annotated[
        int | None, option(rich_help_panel=STEPS, help="Of the optimizer; else by --epochs.")
    ] = None,
    epochs: Annotated[float, option(rich_help_panel=STEPS, help="Times through all data.")] = 1.0,
    batch_size: Annotated[
        int, option(rich_help_panel=STEPS, help="Examples of a process at a time.")
    ] = 32,
    accumulate: Annotated[int, option(rich_help_panel=STEPS, help="Batches of a step.")] = 1,
    learning_rate: Annotated[
        float, option(rich_help_panel=STEPS, help="The highest; then it falls as a cosine.")
    ] = 1e-4,
    warmup: Annotated[
        float, option(rich_help_panel=STEPS, help="Share of the steps in which it rises.")
    ] = 0.03,
    weight_decay: Annotated[float, option(rich_help_panel=STEPS, help="Of AdamW.")] = 0.01,
    max_norm: Annotated[float, option(rich_help_panel=STEPS, help="Of the gradient.")] = 1.0,
    max_tokens: Annotated[int, option(rich_help_panel=STEPS, help="Of a caption.")] = 40,
    checkpointing: Annotated[
        bool,
        option("--checkpointing", rich_help_panel=STEPS, help="Less memory, some slower."),
    ] = False,
    dtype: Annotated[
        str, option(rich_help_panel=STEPS, help="auto, float32 or bfloat16; weights are float32.")
    ] = "auto",
    seed: Annotated[int, option(rich_help_panel=STEPS, help="Of weights, order and changes.")] = 0,
    evaluate_every: Annotated[int, option(rich_help_panel=RUN, help="Steps; 0 for never.")] = 500,
    evaluate_clips: Annotated[
        int, option(rich_help_panel=RUN, help="At most so many of the held-out ones.")
    ] = 200,
    patience: Annotated[
        int, option(rich_help_panel=RUN, help="Stop after so many without a better CIDEr.")
    ] = 0,
    save_every: Annotated[
        int, option(rich_help_panel=RUN, help="Steps, where nothing is evaluated.")
    ] = 500,
    keep: Annotated[
        int, option(rich_help_panel=RUN, help="Newest checkpoints that stay, beside the best.")
    ] = 2,
    workers: Annotated[
        int | None, option(rich_help_panel=RUN, help="Processes that read; one a core.")
    ] = None,
    clip_timeout: Annotated[
        float, option(rich_help_panel=RUN, help="Seconds until a clip is given up.")
    ] = 60.0,
    device: Annotated[str, option(rich_help_panel=RUN, help="auto, cpu, cuda, mps.")] = "auto",
    as_json: Annotated[
        bool, option("--json", rich_help_panel=RUN, help="The summary as JSON on stdout.")
    ] = False,
    config: Annotated[
        Path | None,
        option(
            rich_help_panel=RUN,
            callback=read_config,
            is_eager=True,
            help="TOML file of these options.",
        ),
    ] = None,
) -> None:
    """Train a video captioner on a release, a run, or images with captions.

    The same command on the same folder goes on where it stopped.

    Example: pseudolabel train --data releases/1.0.0 --videos my_videos --out captioner
    """
    chosen: dict[str, Any] = {} if workers is None else {"workers": workers}
    data_options = DataOptions(
        data=data,
        videos=videos,
        images=images,
        text=text,  # type: ignore[arg-type]  # the record checks it
        transcripts=transcripts,
        mix=None if mix is None else Mix.parse(mix),
        frames=frames,
        frame_size=frame_size,
        fit=fit,  # type: ignore[arg-type]
        augmentation=Augmentation(flip, crop, color),
        validation=validation,
        clip_timeout_s=clip_timeout,
        seed=seed,
        **chosen,
    )
    model_options = ModelOptions(
        init, encoder, language_model, adapter_every, train_encoder, train_lm
    )
    options = TrainOptions(
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        accumulate=accumulate,
        learning_rate=learning_rate,
        warmup=warmup,
        weight_decay=weight_decay,
        max_norm=max_norm,
        max_tokens=max_tokens,
        checkpointing=checkpointing,
        dtype=dtype,  # type: ignore[arg-type]
        device=device,
        evaluate_every=evaluate_every,
        evaluate_clips=evaluate_clips,
        patience=patience,
        save_every=save_every,
        keep=keep,
        seed=seed,
    )
    from pseudolabel.training.train import train as train_captioner

    with steps_bar("loading") as on_step:
        trained = train_captioner(
            data_options,
            out,
            model=model_options,
            options=options,
            on_step=lambda now: on_step(now.step, now.steps, now.loss),
            on_found=lambda found: _tell(found.lines()),
            on_notice=say,
        )
    if not trained.is_first_process:
        return
    if as_json:
        echo_json(_object(trained))
    else:
        _tell(_lines(trained))


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def _object(trained: Trained) -> dict[str, Any]:
    return {
        "captioner": trained.out,
        "step": trained.step,
        "steps": trained.steps,
        "first_step": trained.first_step,
        "is_ended": trained.is_ended,
        "scores": trained.scores,
        "broken": trained.broken.broken,
        "data": asdict(trained.found),
    }


def _lines(trained: Trained) -> list[str]:
    began = f", from {trained.first_step:,} on" if trained.first_step else ""
    lines = [f"{trained.out}: {trained.step:,} of {trained.steps:,} steps{began}"]
    lines += trained.broken.lines()
    if trained.scores:
        told = ", ".join(f"{name} {value:.3f}" for name, value in trained.scores.items())
        lines.append(f"  held out       {told}")
    if not trained.is_ended:
        lines.append("stopped when asked; the same command goes on from here")
    return lines
