"""Training's steps against the same steps with their batches in memory; generation with a cache."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.machine import warn_if_busy
from benchmarks.reporting import Report, Table, median, spread
from pseudolabel import CaptionOptions, caption_videos
from pseudolabel.demo.files import write_world
from pseudolabel.training.data.frames import FramesOptions, extract_frames
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.session import Session
from pseudolabel.training.train_options import ModelOptions, TrainOptions

SIDE = 112  # pixels
FRAMES = 8
BATCH = 8
WARM = 3  # steps that are not timed
TOKENS = 20
VISION = {
    **{"image_size": SIDE, "patch_size": 16, "num_frames": FRAMES, "hidden_size": 384},
    **{"num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 1536},
}
TEXT = {
    **{"hidden_size": 384, "ffn_dim": 1536, "num_hidden_layers": 6, "num_attention_heads": 6},
    **{"word_embed_proj_dim": 384, "max_position_embeddings": 64, "vocab_size": 50272},
}
BASE_VISION = {  # TimeSformer-base
    **{**VISION, "image_size": 224, "hidden_size": 768, "num_hidden_layers": 12},
    **{"num_attention_heads": 12, "intermediate_size": 3072},
}
OPT_125M = {
    **{**TEXT, "hidden_size": 768, "word_embed_proj_dim": 768, "ffn_dim": 3072},
    **{"num_hidden_layers": 12, "num_attention_heads": 12},
}
OPT_350M = {
    **{**TEXT, "hidden_size": 1024, "word_embed_proj_dim": 512, "ffn_dim": 4096},
    **{"num_hidden_layers": 24, "num_attention_heads": 16, "do_layer_norm_before": False},
}


def run(data: Path, *, quick: bool) -> Report:
    """Steps from videos, from tars, and from memory, by turns; then generation."""
    import torch

    report = Report("training", quick)
    warn_if_busy()
    steps, rounds = (6, 1) if quick else (23, 3)
    folder = _prepared(data, videos=4 if quick else 24)
    sources = {"from videos": folder / "videos", "from tars": folder / "frames"}
    taken: dict[str, list[float]] = {name: [] for name in (*sources, "from memory")}
    for _ in range(rounds):
        for name in taken:
            where = sources.get(name, folder / "frames")
            taken[name].append(_seconds(folder, where, steps, in_memory=name == "from memory"))
    rates = {name: BATCH * (steps - WARM) / median(each) for name, each in taken.items()}
    light = rates["from memory"]
    table = Table(
        f"clips/s learned from; {FRAMES} frames at {SIDE} px, batches of {BATCH}, float32 on "
        f"the CPU, {torch.get_num_threads()} torch threads",
        ("batches", "clips/s", "of the speed of light", "seconds, low-high"),
        [(name, rate, rate / light, spread(taken[name])) for name, rate in rates.items()],
    )
    table.notes = ["the speed of light is the same steps with their batches in memory; goal 0.90"]
    report.add(table)
    report.results = {"clips_per_s": rates, "of_light": {n: r / light for n, r in rates.items()}}
    generated = _generation(quick=quick)
    report.results["generation"] = generated
    report.add(_generation_table(generated))
    return report


def _prepared(data: Path, *, videos: int) -> Path:
    """Videos of the demo world, a run of them, their frames as tars, and two models to join."""
    folder = data / f"training-{videos}"
    if (folder / "frames").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    write_world(folder / "videos", videos)
    demo = CaptionOptions(model="demo", device="cpu")
    caption_videos([str(folder / "videos")], str(folder / "run"), captioner=demo)
    _write_parts(folder)
    options = FramesOptions(frames=FRAMES, size=SIDE)
    extract_frames(
        str(folder / "run"), str(folder / "frames"), options, videos=str(folder / "videos")
    )
    return folder


def _write_parts(folder: Path) -> None:
    import torch
    import transformers

    from pseudolabel.captioners.sources import DEMO_FOLDER

    hf: Any = transformers
    torch.manual_seed(0)
    encoder = hf.TimesformerModel(hf.TimesformerConfig(**VISION))
    encoder.save_pretrained(folder / "encoder")
    tokenizer = hf.AutoTokenizer.from_pretrained(DEMO_FOLDER)
    special = {"bos_token": "[SEP]", "eos_token": "[SEP]"}
    tokenizer.add_special_tokens(special)
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    config = hf.OPTConfig(**TEXT, bos_token_id=end, eos_token_id=end, pad_token_id=pad)
    hf.OPTForCausalLM(config).save_pretrained(folder / "writer")
    tokenizer.save_pretrained(folder / "writer")


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A feed whose batches were read before."""

    held: list[Any]
    tally: Any

    def batches(self, **_: int) -> Iterator[Any]:
        return iter(self.held)


def _seconds(folder: Path, videos: Path, steps: int, *, in_memory: bool) -> float:
    """What the steps after the first few take."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    session = Session(
        DataOptions(data=str(folder / "run"), videos=str(videos), frames=FRAMES, validation=0),
        ModelOptions(encoder=str(folder / "encoder"), language_model=str(folder / "writer")),
        TrainOptions(
            steps=steps,
            batch_size=BATCH,
            evaluate_every=0,
            save_every=10_000,
            dtype="float32",
            device="cpu",
        ),
        out,
    )
    if in_memory:
        held = list(session.feed.batches(first=0, last=steps, rank=0, ranks=1))
        session.__dict__["feed"] = _Remembered(held, session.feed.tally)
    ends_s: list[float] = []
    trainer, _ = session.trainer(0, lambda _step, _loss: ends_s.append(time.perf_counter()))
    trainer.train()
    return ends_s[-1] - ends_s[WARM - 1]


def _generation(*, quick: bool) -> dict[str, dict[str, float]]:
    """Seconds of `generate` with and without a cache, and of the encoder alone."""
    import torch

    sizes = {"that of the training": (VISION, TEXT)}
    if not quick:
        sizes["TimeSformer-base + OPT-125m"] = (BASE_VISION, OPT_125M)
        sizes["TimeSformer-base + OPT-350m, the default"] = (BASE_VISION, OPT_350M)
    forced = {"min_new_tokens": TOKENS, "max_new_tokens": TOKENS, "do_sample": False}
    found = {}
    for name, (vision, text) in sizes.items():
        model = _random_captioner(vision, text)
        clip = torch.randn(1, FRAMES, 3, vision["image_size"], vision["image_size"])
        with torch.no_grad():
            model.generate(clip, **forced)
            found[name] = {
                "encoder": _best(partial(model.encode, clip)),
                "cached": _best(partial(model.generate, clip, **forced)),
                "uncached": _best(partial(model.generate, clip, use_cache=False, **forced)),
                "parameters": sum(weights.numel() for weights in model.parameters()),
            }
    return found


def _random_captioner(vision: dict[str, int], text: dict[str, int]) -> Any:
    import torch
    import transformers

    from pseudolabel.captioners.video_model.config import VideoCaptionerConfig
    from pseudolabel.captioners.video_model.model import VideoCaptioner

    hf: Any = transformers
    torch.manual_seed(0)
    config = VideoCaptionerConfig(
        vision_config=hf.TimesformerConfig(**vision), text_config=hf.OPTConfig(**text)
    )
    return VideoCaptioner(config).eval()


def _best(ask: Any) -> float:
    taken = []
    for _ in range(3):
        began_s = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - began_s)
    return min(taken)


def _generation_table(found: dict[str, dict[str, float]]) -> Table:
    table = Table(
        f"one clip, {TOKENS} tokens, float32, seconds",
        ("model", "M weights", "encoder", "generate", "no cache", "ratio", "of tokens alone"),
    )
    for name, each in found.items():
        words, slow = (each[way] - each["encoder"] for way in ("cached", "uncached"))
        ratio = each["uncached"] / each["cached"]
        seconds = (each[way] for way in ("encoder", "cached", "uncached"))
        table.rows.append((name, each["parameters"] / 1e6, *seconds, ratio, slow / words))
    table.notes = ["the encoder runs once either way; goal 3"]
    return table
