"""What a scorer costs beside a captioner: CLIP ViT-B/32 beside BLIP-base, of random weights."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.blip import SIDE, TOKENS, WIDTH, model_folder, quiet
from benchmarks.collection import folder_of
from benchmarks.footage import P360
from benchmarks.machine import cores, warn_if_busy
from benchmarks.reporting import Report, Table, median, spread
from benchmarks.timed_captioner import TimedCaptioner
from pseudolabel import CaptionOptions, Tally, caption_videos
from pseudolabel.captioners.load import load_captioner
from pseudolabel.captioners.protocol import Captioner
from pseudolabel.captioners.scorer import Scorer, load_scorer
from pseudolabel.records import Frame

GOPS = 34  # of 2.4 s: 81.6 s, ten clips of 8 s
VIDEOS = 3
ROUNDS = 3
SAMPLES = (1, 5)
DTYPES = ("float32", "auto")
START, END = 49_406, 49_407  # of CLIP's vocabulary, as in its configuration

Vectors = NDArray[np.float32]


def run(data: Path, *, quick: bool) -> Report:
    """Caption the same folder with scores, with 1 and 5 samples, in float32 and the best format."""
    report = Report("scoring", quick)
    warn_if_busy()
    import torch

    videos, rounds = (1, 1) if quick else (VIDEOS, ROUNDS)
    footage = replace(P360, seconds=24) if quick else P360
    folder = folder_of(data, footage, videos=videos, gops=10 if quick else GOPS)
    pairs = [
        _Pair.load(data, samples, dtype, quick=quick) for dtype in DTYPES for samples in SAMPLES
    ]
    for pair in pairs:
        pair.caption(data, next(folder.iterdir()))  # warm
    runs = [[pair.caption(data, folder) for pair in pairs] for _ in range(rounds)]
    table = Table(
        f"scorer beside captioner: {runs[0][0].frames} frames of 640x360 at {SIDE}x{SIDE}, "
        f"{TOKENS} tokens, {cores()} cores, {torch.get_num_threads()} torch threads",
        (
            *("format", "samples", "captioning, s", "scoring, s", "scoring / captioning, %"),
            *("low-high", "of frames, s", "of texts, s", "rounds"),
        ),
    )
    for pair, taken in zip(pairs, zip(*runs, strict=True), strict=True):
        shares = [100 * one.scoring_s / one.captioning_s for one in taken]
        seconds = [
            median([getattr(one, name) for one in taken])
            for name in ("captioning_s", "scoring_s", "frames_s", "texts_s")
        ]
        share = median(shares)
        table.rows.append(
            (pair.dtype, pair.samples, *seconds[:2], share, spread(shares), *seconds[2:], rounds)
        )
        report.results[f"{pair.dtype}, {pair.samples} samples"] = {
            "share_percent": share,
            "captioning_s": seconds[0],
            "scoring_s": seconds[1],
        }
    worst = max(result["share_percent"] for result in report.results.values())
    table.notes = [
        f"highest share: **{worst:.1f} %** (goal: under 15)",
        "texts are replaced by as many random words, so that no text comes twice",
        "scoring: from frames of the captioner's size to the similarities of all texts of a clip",
    ]
    report.add(table)
    return report


@dataclass(frozen=True, slots=True)
class _Taken:
    """Of one run over the folder."""

    frames: int
    captioning_s: float
    scoring_s: float
    frames_s: float  # of it inside the scorer, with frames
    texts_s: float


@dataclass(frozen=True, slots=True)
class _Pair:
    """A captioner and a scorer in the same number format."""

    dtype: str
    samples: int
    captioner: Captioner
    scorer: _TimedScorer

    @classmethod
    def load(cls, data: Path, samples: int, dtype: str, *, quick: bool) -> _Pair:
        """Both, from their folders."""
        options = CaptionOptions(
            model=str(model_folder(data, quick=quick)),
            samples=samples,
            max_new_tokens=TOKENS,
            dtype=dtype,  # type: ignore[arg-type]
            device="cpu",
        )
        captioner = _RandomWords(load_captioner(options))
        name = str(_clip_folder(data, quick=quick))
        scorer = load_scorer(name, device="cpu", dtype=options.dtype)
        return cls(captioner.identity.dtype, samples, captioner, _TimedScorer(scorer))

    def caption(self, data: Path, given: Path) -> _Taken:
        """Caption into a new run."""
        out = data / "run"
        shutil.rmtree(out, ignore_errors=True)
        self.scorer.frames_s = self.scorer.texts_s = 0.0
        scorer: Any = self.scorer
        tally = caption_videos([str(given)], str(out), captioner=self.captioner, scorer=scorer)
        if tally.skipped:
            raise SystemExit(f"not all was captioned: {tally}")
        return self._taken(tally)

    def _taken(self, tally: Tally) -> _Taken:
        inside = (self.scorer.frames_s, self.scorer.texts_s)
        return _Taken(tally.frames, tally.captioning_s, tally.scoring_s, *inside)


class _RandomWords(TimedCaptioner):
    """A captioner whose texts are replaced: random weights say the same of every picture."""

    def __init__(self, captioner: Captioner) -> None:
        super().__init__(captioner)
        self._random = np.random.default_rng(0)

    def caption(self, frames: Sequence[Frame]) -> list[Any]:
        """As many words as there were."""
        answers = super().caption(frames)
        for answer in answers:
            if any(len(caption.text.split()) != TOKENS for caption in answer):
                raise SystemExit(f"captions should all have {TOKENS} tokens: {answer}")
        return [tuple(replace(c, text=self._text()) for c in answer) for answer in answers]

    def _text(self) -> str:
        return " ".join(f"word{i}" for i in self._random.integers(1_000, 30_000, TOKENS))


class _TimedScorer:
    """A scorer with clocks."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.frames_s = self.texts_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def images(self, frames: Sequence[NDArray[np.uint8]]) -> Vectors:
        """The other's, timed."""
        started_s = time.perf_counter()
        vectors = self._scorer.images(frames)
        self.frames_s += time.perf_counter() - started_s
        return vectors

    def texts(self, texts: Sequence[str]) -> Vectors:
        """The other's, timed."""
        started_s = time.perf_counter()
        vectors = self._scorer.texts(texts)
        self.texts_s += time.perf_counter() - started_s
        return vectors


def _clip_folder(data: Path, *, quick: bool) -> Path:
    """CLIP ViT-B/32 with random weights; with `quick`, a narrow one of two layers."""
    folder = data / ("clip-small" if quick else "clip-b32")
    if not (folder / "model.safetensors").exists():
        print(f"making {folder} ...", file=sys.stderr, flush=True)
        _make_clip(folder, quick=quick)
    return folder


def _make_clip(folder: Path, *, quick: bool) -> None:
    import torch
    import transformers

    quiet()
    small = {key: 64 if key == "hidden_size" else 2 for key in WIDTH} if quick else {}
    # What is not said is ViT-B/32's: the configuration's defaults are that model.
    config = transformers.CLIPConfig(text_config=small, vision_config=small)
    torch.manual_seed(0)
    model = transformers.CLIPModel(config).eval()
    images = transformers.CLIPImageProcessorPil(size={"shortest_edge": 224}, crop_size=224)
    processor = transformers.CLIPProcessor(image_processor=images, tokenizer=_tokenizer())
    processor.save_pretrained(folder)
    model.save_pretrained(folder)


def _tokenizer() -> Any:
    """One token a word, of a vocabulary of CLIP's size."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    start, end = "<|startoftext|>", "<|endoftext|>"
    vocabulary = {f"word{i}": i for i in range(START)} | {start: START, end: END}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=end))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, START), (end, END)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=start,
        eos_token=end,
        pad_token=end,
        unk_token=end,
        model_max_length=77,
        model_input_names=["input_ids", "attention_mask"],
    )
