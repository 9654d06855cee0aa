"""Trains the captioner that ships with the package, on worlds nobody else looks at.

    python scripts/train_demo_captioner.py [--out FOLDER] [--seed 0] [--steps 5000]

It draws worlds from seeds set apart for training, writes them as H.264 and reads them back through
FFmpeg's decoder and scaler, so that the model learns the pixels which the pipeline will show it.
Then it trains a ViT that reads to a GPT-2 that writes, saves both, loads what it saved as any user
would, and scores it on videos of other worlds. One thread, so that it repeats itself.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av  # noqa: TID251  # trained on what FFmpeg gives, with no pipeline around it
import numpy as np
import torch
import transformers  # noqa: TID251  # it makes a model; the package only loads it
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from pseudolabel.demo.files import write_demo_video
from pseudolabel.demo.grammar import WORDS
from pseudolabel.demo.world import HELD_OUT_SEED, TRAINING_SEED, DemoVideo, World

OUT = Path(__file__).parents[1] / "pseudolabel" / "demo" / "captioner"
IMAGE_PX = 64
VOCABULARY = ("<pad>", "<bos>", "<eos>", "<unk>", *WORDS)
PAD, BOS, EOS = 0, 1, 2
LONGEST = 10  # tokens of the longest caption, <eos> included

POOL_VIDEOS = 250  # of 160 to 240 frames, two to four a scene: many scenes, few alike
BATCH = 64
PEAK_RATE = 1.5e-3
REQUIRED = 0.95  # share of unseen frames whose caption must be exactly right
SCORED_VIDEOS, SCORED_EVERY_S = 24, 0.5


@dataclass(frozen=True)
class Pool:
    """Frames and their captions as tokens, ready to be drawn from."""

    pixels: NDArray[np.uint8]  # (N, IMAGE_PX, IMAGE_PX, 3) RGB
    tokens: NDArray[np.int64]  # (N, LONGEST), <eos> and then <pad> at the end
    mirrored_tokens: NDArray[np.int64]  # the same for the frame seen in a mirror

    def batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Pixels float32 `(BATCH, 3, H, W)` in -1..1, and tokens int64 `(BATCH, LONGEST)`."""
        rows = rng.integers(len(self.pixels), size=BATCH)
        pixels, tokens = self.pixels[rows], self.tokens[rows]
        mirror = rng.random(BATCH) < 0.5  # twice the frames, for nothing
        pixels[mirror] = pixels[mirror, :, ::-1]
        tokens[mirror] = self.mirrored_tokens[rows[mirror]]
        inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
        return inputs, torch.from_numpy(tokens)


def main() -> int:
    """Train, save, score; 1 when the score is below what the package promises."""
    arguments = parse_arguments()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    started = time.monotonic()

    tokenizer = make_tokenizer()
    pool = make_pool(TRAINING_SEED + arguments.seed, tokenizer)
    print(f"{len(pool.pixels):,} frames in {time.monotonic() - started:.0f} s", flush=True)

    model = make_model()
    train(model, pool, steps=arguments.steps, seed=arguments.seed)
    save(model, tokenizer, arguments.out)
    seconds = time.monotonic() - started

    correct, frames = score(arguments.out)
    report = {
        "seed": arguments.seed,
        "steps": arguments.steps,
        "batch": BATCH,
        "training_frames": len(pool.pixels),
        "seconds_on_one_thread": round(seconds),
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "exact_match": round(correct / frames, 4),
        "frames_scored": frames,
        "torch": torch.__version__.split("+")[0],
        "transformers": transformers.__version__,
    }
    (arguments.out / "TRAINING.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    return 0 if correct >= REQUIRED * frames else 1


def parse_arguments() -> argparse.Namespace:
    """The three options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write (the package's own)")
    parser.add_argument("--seed", type=int, default=0, help="of worlds, weights and batches")
    parser.add_argument("--steps", type=int, default=5000, help=f"batches of {BATCH} frames")
    return parser.parse_args()


def make_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """One token a word, in the grammar's order: nothing is learned, so nothing can vary."""
    numbers = {word: number for number, word in enumerate(VOCABULARY)}
    words = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def make_pool(seed: int, tokenizer: transformers.PreTrainedTokenizerFast) -> Pool:
    """Short scenes at a low frame rate: each frame differs much from the one before."""
    world = World(seed, fps=(4,), length_s=(40.0, 60.0), scene_s=(0.5, 1.0))
    frames = [pair for video in world.videos(POOL_VIDEOS) for pair in filmed(video)]

    def encode(caption: str) -> list[int]:
        ids = [*tokenizer.encode(caption, add_special_tokens=False), EOS]
        return ids + [PAD] * (LONGEST - len(ids))

    return Pool(
        np.stack([pixels for pixels, _ in frames]),
        np.asarray([encode(caption) for _, caption in frames]),
        np.asarray([encode(mirrored(caption)) for _, caption in frames]),
    )


def mirrored(caption: str) -> str:
    """The true caption of a frame in a mirror: what was left is right."""
    return " left of ".join(reversed(caption.split(" left of ")))


def filmed(video: DemoVideo) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Every frame as a captioner gets it, from a real file, with its true caption."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / video.video_id
        write_demo_video(path, video)
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                small = frame.reformat(IMAGE_PX, IMAGE_PX, "rgb24", interpolation="BICUBIC")
                yield small.to_ndarray().astype(np.uint8, copy=False), video.caption_at(frame.time)


def make_model() -> transformers.VisionEncoderDecoderModel:
    """A ViT of 4 layers and a GPT-2 of 2, both 96 wide, with random weights."""
    encoder = transformers.ViTConfig(
        image_size=IMAGE_PX,
        patch_size=8,
        hidden_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=384,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    decoder = transformers.GPT2Config(
        vocab_size=len(VOCABULARY),
        n_positions=64,
        n_embd=96,
        n_layer=2,
        n_head=4,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=BOS,
        eos_token_id=EOS,  # and no pad: it only makes GPT-2 warn of ended captions in a batch
    )
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = BOS, PAD, EOS
    model = transformers.VisionEncoderDecoderModel(config=config)
    model.generation_config = transformers.GenerationConfig(  # type: ignore[no-untyped-call]
        decoder_start_token_id=BOS, bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD
    )
    return model


def train(
    model: transformers.VisionEncoderDecoderModel, pool: Pool, *, steps: int, seed: int
) -> None:
    """AdamW up to `PEAK_RATE` and down again, each step on frames drawn at random."""
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=PEAK_RATE, total_steps=steps, pct_start=0.1
    )
    model.train()
    started = time.monotonic()
    for step in range(1, steps + 1):
        pixels, labels = pool.batch(rng)  # (B, 3, H, W), (B, LONGEST)
        start = torch.full((BATCH, 1), BOS)
        logits = model(
            pixel_values=pixels,
            decoder_input_ids=torch.cat([start, labels[:, :-1]], dim=1),
        ).logits  # (B, LONGEST, words)
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=PAD
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps:
            right = labels.eq(logits.argmax(-1)) | labels.eq(PAD)
            print(
                f"step {step:5d}  loss {loss.item():.4f}  "
                f"captions right {right.all(1).float().mean().item():.2f}  "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )


def save(
    model: transformers.VisionEncoderDecoderModel,
    tokenizer: transformers.PreTrainedTokenizerFast,
    out: Path,
) -> None:
    """Weights, tokenizer and processor in one folder, as the Auto classes want them."""
    processor = transformers.ViTImageProcessorPil(
        size={"height": IMAGE_PX, "width": IMAGE_PX},
        resample=3,  # bicubic, as the pipeline's decoder scales
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    parts: tuple[Any, ...] = (model, tokenizer, processor)
    for part in parts:
        part.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)  # written as 600, and a package is for everybody


@torch.inference_mode()
def score(folder: Path) -> tuple[int, int]:
    """How many unseen frames the saved captioner got exactly right, and of how many."""
    auto: Any = transformers
    model = auto.AutoModelForImageTextToText.from_pretrained(folder, dtype="float32")
    processor = auto.AutoImageProcessor.from_pretrained(folder, backend="pil")
    tokenizer = auto.AutoTokenizer.from_pretrained(folder)
    correct = frames = 0
    for video in World(HELD_OUT_SEED).videos(SCORED_VIDEOS):
        every = round(SCORED_EVERY_S * video.fps)
        shown, truth = zip(*list(filmed(video))[::every], strict=True)
        pixels = processor(list(shown), return_tensors="pt").pixel_values
        written = model.generate(pixel_values=pixels, max_new_tokens=2 * LONGEST, do_sample=False)
        said = tokenizer.batch_decode(written, skip_special_tokens=True)
        correct += sum(a == b for a, b in zip(said, truth, strict=True))
        frames += len(truth)
    return correct, frames


if __name__ == "__main__":
    sys.exit(main())
