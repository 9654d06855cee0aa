"""Trains the image-text scorer that ships with the package, on the demo captioner's pixels.

    python scripts/train_demo_scorer.py [--out FOLDER] [--seed 0] [--steps 3000]

A CLIP of its own kind: two towers and a cosine, where the demo captioner reads and writes; so a
judge of the captioner that does not share its habits. Each step shows frames that went through
H.264 and FFmpeg's scaler, and asks for the true caption among all others of the batch, among
captions with one thing changed, and among texts that speak of something else. Half of all texts
are wrapped in words it does not know, as a speaker's would be. One thread, so that it repeats
itself.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers  # noqa: TID251  # it makes a model; the package only loads it
from demo_scorer_texts import (
    BOS,
    EOS,
    PAD,
    VOCABULARY,
    Change,
    change,
    make_tokenizer,
    off_topic,
    spoken,
    things_in,
)
from numpy.typing import NDArray
from train_demo_captioner import IMAGE_PX, POOL_VIDEOS, filmed, mirrored

from pseudolabel.captioners.scorer import Scorer, load_scorer
from pseudolabel.demo.world import HELD_OUT_SEED, TRAINING_SEED, World

OUT = Path(__file__).parents[1] / "pseudolabel" / "demo" / "scorer"
LONGEST = 48  # tokens of a text, its two ends included
DIMENSIONS = 64  # of the space in which frames and texts meet

BATCH = 64
HARD_TEXTS = 3  # for each frame: its caption with one thing changed
OFF_TOPIC_TEXTS = 32  # in each batch
TEXT_BUCKETS = 4
PEAK_RATE = 1.5e-3
SCORED_VIDEOS, SCORED_EVERY_S = 24, 0.5

# What the package promises of frames that it never saw.
REQUIRED = {"beats_random": 0.99, "beats_changed": 0.97, "off_topic_auc": 0.98}


@dataclass(frozen=True)
class Pool:
    """Frames and their captions, ready to be drawn from."""

    pixels: NDArray[np.uint8]  # (N, IMAGE_PX, IMAGE_PX, 3) RGB
    captions: list[str]

    def batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, list[str]]:
        """Pixels float32 `(BATCH, 3, H, W)` in -1..1, and what is true of them."""
        rows = rng.integers(len(self.pixels), size=BATCH)
        pixels, captions = self.pixels[rows], [self.captions[row] for row in rows]
        for index in np.flatnonzero(rng.random(BATCH) < 0.5):  # twice the frames, for nothing
            pixels[index] = pixels[index, :, ::-1]
            captions[index] = mirrored(captions[index])
        inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
        return inputs, captions


def main() -> int:
    """Train, save, score; 1 when a score is below what the package promises."""
    arguments = parse_arguments()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    started = time.monotonic()

    tokenizer = make_tokenizer(LONGEST)
    pool = make_pool(TRAINING_SEED + arguments.seed)
    print(f"{len(pool.pixels):,} frames in {time.monotonic() - started:.0f} s", flush=True)

    model = make_model()
    train(model, tokenizer, pool, steps=arguments.steps, seed=arguments.seed)
    save(model, tokenizer, arguments.out)
    report = {
        "seed": arguments.seed,
        "steps": arguments.steps,
        "batch": BATCH,
        "texts_in_a_batch": BATCH * (1 + HARD_TEXTS) + OFF_TOPIC_TEXTS,
        "peak_rate": PEAK_RATE,
        "training_frames": len(pool.pixels),
        "seconds_on_one_thread": round(time.monotonic() - started),
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
    }
    report["scores"] = scores = score(arguments.out)
    (arguments.out / "scores.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    return 0 if all(scores[name] >= least for name, least in REQUIRED.items()) else 1


def parse_arguments() -> argparse.Namespace:
    """The three options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write (the package's own)")
    parser.add_argument("--seed", type=int, default=0, help="of worlds, weights and batches")
    parser.add_argument("--steps", type=int, default=3000, help=f"batches of {BATCH} frames")
    return parser.parse_args()


def make_pool(seed: int) -> Pool:
    """Short scenes at a low frame rate: each frame differs much from the one before."""
    world = World(seed, fps=(4,), length_s=(40.0, 60.0), scene_s=(0.5, 1.0))
    frames = [pair for video in world.videos(POOL_VIDEOS) for pair in filmed(video)]
    return Pool(np.stack([pixels for pixels, _ in frames]), [caption for _, caption in frames])


def make_model() -> transformers.CLIPModel:
    """A ViT of 4 layers beside a text transformer of 2, both 96 wide, with random weights."""
    wide: dict[str, Any] = {
        "hidden_size": 96,
        "intermediate_size": 384,
        "num_attention_heads": 4,
        "projection_dim": DIMENSIONS,
        "hidden_act": "gelu",
    }
    text = {
        **wide,
        "num_hidden_layers": 2,
        "vocab_size": len(VOCABULARY),
        "max_position_embeddings": LONGEST,
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
    }
    vision = {**wide, "num_hidden_layers": 4, "image_size": IMAGE_PX, "patch_size": 8}
    config = transformers.CLIPConfig(
        text_config=text, vision_config=vision, projection_dim=DIMENSIONS
    )
    return transformers.CLIPModel(config)


def train(
    model: transformers.CLIPModel, tokenizer: Any, pool: Pool, *, steps: int, seed: int
) -> None:
    """AdamW up to `PEAK_RATE` and down again, each step on frames and texts drawn at random."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=PEAK_RATE, total_steps=steps, pct_start=0.1
    )
    model.train()
    started = time.monotonic()
    for step in range(1, steps + 1):
        pixels, captions = pool.batch(rng)
        meanings, texts = draw_texts(rng, captions)
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        similarity = compare(model, pixels, tokens)  # (BATCH, texts), scaled
        loss, right = contrast(similarity, captions, meanings)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=np.log(100))  # as CLIP was trained
        if step % 100 == 0 or step == steps:
            print(
                f"step {step:5d}  loss {loss.item():.4f}  captions first {right:.2f}  "
                f"scale {model.logit_scale.exp().item():.0f}  {time.monotonic() - started:.0f} s",
                flush=True,
            )


def draw_texts(rng: np.random.Generator, captions: list[str]) -> tuple[list[str], list[str]]:
    """What each text means, "" where it means nothing here, and its words.

    The true captions come first, in order; then each with one thing changed, `HARD_TEXTS` times;
    then what is off topic.
    """
    meanings = list(captions)
    for _ in range(HARD_TEXTS):
        meanings += [change(rng, caption) for caption in captions]
    texts = [spoken(rng, meaning) if rng.random() < 0.5 else meaning for meaning in meanings]
    texts += [off_topic(rng) for _ in range(OFF_TOPIC_TEXTS)]
    return meanings + [""] * OFF_TOPIC_TEXTS, texts


def compare(model: transformers.CLIPModel, pixels: torch.Tensor, tokens: Any) -> torch.Tensor:
    """Scaled cosines of all frames with all texts."""
    images = model.get_image_features(pixel_values=pixels).pooler_output
    lengths = tokens["attention_mask"].sum(dim=1)
    order = lengths.argsort()
    parts = []
    for rows in order.chunk(TEXT_BUCKETS):  # most texts are short: padded to their like only
        width = int(lengths[rows].max())
        short = {name: value[rows, :width] for name, value in tokens.items()}
        parts.append(model.get_text_features(**short).pooler_output)
    texts = torch.cat(parts)[order.argsort()]
    normalize = torch.nn.functional.normalize
    cosines: torch.Tensor = normalize(images, dim=1) @ normalize(texts, dim=1).T
    return cosines * model.logit_scale.exp()


def contrast(
    similarity: torch.Tensor, captions: list[str], meanings: list[str]
) -> tuple[torch.Tensor, float]:
    """CLIP's loss in both directions, and how often a frame's own caption came first."""
    own = torch.arange(len(captions))
    truth, meaning = np.asarray(captions), np.asarray(meanings)
    equal = torch.from_numpy(truth[:, None] == meaning[None, :])
    equal[own, own] = False
    wrong = similarity.masked_fill(equal, float("-inf"))  # a true text is nobody's negative
    cross_entropy = torch.nn.functional.cross_entropy
    loss = cross_entropy(wrong, own) + cross_entropy(wrong[:, : len(captions)].T, own)
    return loss / 2, wrong.argmax(dim=1).eq(own).float().mean().item()


def save(model: transformers.CLIPModel, tokenizer: Any, out: Path) -> None:
    """Weights, tokenizer and image processor in one folder, as the Auto classes want them."""
    side = {"height": IMAGE_PX, "width": IMAGE_PX}
    pixels = transformers.CLIPImageProcessorPil(
        size=side,
        do_center_crop=False,
        crop_size=side,
        resample=3,  # bicubic, as the pipeline's decoder scales
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    auto: Any = transformers  # its annotations are partial
    joint = auto.CLIPProcessor(image_processor=pixels, tokenizer=tokenizer)
    for part in (model, joint):
        part.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)  # written as 600, and a package is for everybody


def score(folder: Path) -> dict[str, Any]:
    """How well the saved scorer judges unseen frames, loaded as any user would load it."""
    frames: list[NDArray[np.uint8]] = []
    captions: list[str] = []
    for video in World(HELD_OUT_SEED).videos(SCORED_VIDEOS):
        for pixels, caption in list(filmed(video))[:: round(SCORED_EVERY_S * video.fps)]:
            frames.append(pixels)
            captions.append(caption)
    scorer = load_scorer(str(folder), device="cpu", dtype="float32")
    return measure(scorer, frames, captions, np.random.default_rng(HELD_OUT_SEED))


def measure(
    scorer: Scorer,
    frames: list[NDArray[np.uint8]],
    captions: list[str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Shares of frames where the true caption wins, and how far off-topic texts lie below."""
    images = scorer.images(frames)
    true = (images * scorer.texts(captions)).sum(axis=1)

    def beats(texts: list[str]) -> NDArray[np.bool_]:
        won: NDArray[np.bool_] = true > (images * scorer.texts(texts)).sum(axis=1)
        return won

    def different(caption: str) -> str:
        while (other := captions[rng.integers(len(captions))]) == caption:
            pass
        return other

    def beats_change(how: Change) -> float:
        rows = [row for row, caption in enumerate(captions) if how.suits(things_in(caption))]
        texts = [change(rng, captions[row], how) for row in rows]
        won = true[rows] > (images[rows] * scorer.texts(texts)).sum(axis=1)
        return round(float(won.mean()), 4)

    changes = [[change(rng, caption) for caption in captions] for _ in range(5)]
    apart = (images * scorer.texts([off_topic(rng) for _ in captions])).sum(axis=1)
    unknown = images @ scorer.texts(["something else entirely"])[0]
    spoken_true = (images * scorer.texts([spoken(rng, c) for c in captions])).sum(axis=1)
    return {
        "frames": len(frames),
        "beats_random": round(float(beats([different(c) for c in captions]).mean()), 4),
        "beats_changed": round(float(np.mean([beats(texts) for texts in changes])), 4),
        "beats_change_of": {how.value: beats_change(how) for how in Change},
        "off_topic_auc": round(area(true, apart), 4),
        "spoken_off_topic_auc": round(area(spoken_true, apart), 4),
        "mean_cosine": {
            "true": round(float(true.mean()), 3),
            "true_spoken": round(float(spoken_true.mean()), 3),
            "off_topic": round(float(apart.mean()), 3),
            "unknown": round(float(unknown.mean()), 3),
        },
    }


def area(high: NDArray[np.float32], low: NDArray[np.float32]) -> float:
    """The chance that one of `high` exceeds one of `low`; ties count half."""
    return float(np.mean((high[:, None] > low) + 0.5 * (high[:, None] == low)))


if __name__ == "__main__":
    sys.exit(main())
