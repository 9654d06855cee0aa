"""How well a captioner captions unseen videos that learned from the demo world's release alone."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from benchmarks.reporting import Report, Table
from pseudolabel import CaptionOptions, ClipOptions, FrameOptions, caption_videos
from pseudolabel.claims.models import TinyModels
from pseudolabel.demo.files import read_truth, write_world
from pseudolabel.demo.grammar import WORDS
from pseudolabel.evaluation.metrics.scores import CaptionScorer
from pseudolabel.release.export import export
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.runs.show import find_rows
from pseudolabel.training.data.frames import FramesOptions, extract_frames
from pseudolabel.training.data.options import DataOptions
from pseudolabel.training.train import train
from pseudolabel.training.train_options import ModelOptions, TrainOptions

LEARNED_SEED, UNSEEN_SEED = 11, 12  # worlds for measuring
CLIPS = ClipOptions.parse("fixed:2")
MODELS = TinyModels(width=96)
SHOWN = ("CIDEr", "BLEU-4", "ROUGE-L")


def run(data: Path, *, quick: bool) -> Report:
    """Caption, export, train, caption the unseen with what was trained, and score it."""
    report = Report("trained", quick)
    folder = data / "trained"
    shutil.rmtree(folder, ignore_errors=True)
    videos, unseen, steps = (4, 2, 4) if quick else (600, 40, 6000)
    write_world(folder / "videos", videos, LEARNED_SEED)
    write_world(folder / "unseen", unseen, UNSEEN_SEED)
    began_s = time.perf_counter()
    clips = _learn(folder, steps)
    trained_s = time.perf_counter() - began_s
    learned = _said(folder, f"video:{folder / 'captioner'}")
    demo = _said(folder, "demo")
    truth = _truth(folder)
    said = {
        f"the captioner that learned from {clips:,} clips": learned,
        "the demo captioner, which it learned from": demo,
        "the most frequent caption, for all": dict.fromkeys(truth, _most_frequent(folder)),
    }
    table = Table(
        f"{len(truth)} clips of {unseen} unseen videos of the demo world",
        ("captions", *SHOWN, "exactly right, %"),
    )
    with CaptionScorer({key: [text] for key, text in truth.items()}, java=False) as scorer:
        for name, captions in said.items():
            told = {key: captions.get(key, "") for key in truth}
            scores = scorer.score(told).corpus
            right = sum(told[key] == truth[key] for key in truth) / len(truth)
            row = [100 * float(scores[shown]) for shown in SHOWN]
            table.rows.append((name, *row, 100 * right))
            report.results[name] = {**dict(zip(SHOWN, row, strict=True)), "exact": 100 * right}
    table.notes = [
        "true is what the world shows at a clip's middle; scores are times 100, words split as in"
        " `evaluate --no-java`",
        f"{steps:,} steps of 16 clips, 4 frames of 64 pixels each; TimeSformer and OPT began with"
        f" random weights; {trained_s:.0f} s from captioning to the trained captioner",
    ]
    report.add(table)
    return report


def _learn(folder: Path, steps: int) -> int:
    """Train on a release of the demo captioner's captions; how many clips were learned from."""
    run, release, frames = (str(folder / name) for name in ("run", "release", "frames"))
    videos = str(folder / "videos")
    demo = CaptionOptions(model="demo")
    caption_videos([videos], run, clips=CLIPS, frames=FrameOptions(1, "exact"), captioner=demo)
    export([run], release, ReleaseOptions("1.0.0", "cc0-1.0", name="demo-world"))
    extract_frames(
        release, frames, FramesOptions(frames=MODELS.frames, size=MODELS.side), videos=videos
    )
    encoder, writer = MODELS.write(folder / "models", WORDS, seed=0)
    trained = train(
        DataOptions(data=release, videos=frames, frames=MODELS.frames, workers=0, validation=0),
        str(folder / "captioner"),
        model=ModelOptions(
            encoder=encoder, language_model=writer, train_encoder=True, train_lm=True
        ),
        options=TrainOptions(
            steps=steps,
            batch_size=16,
            learning_rate=1e-3,
            warmup=0.05,
            dtype="float32",
            evaluate_every=0,
            save_every=steps,
            max_tokens=24,
        ),
    )
    return trained.found.clips_used


def _said(folder: Path, model: str) -> dict[str, str]:
    """What a captioner says of the unseen videos, through the ordinary pipeline, by clip."""
    run = folder / f"said-{model.partition(':')[0]}"
    frames = FrameOptions(1, "exact") if model == "demo" else FrameOptions(MODELS.frames, "exact")
    caption_videos(
        [str(folder / "unseen")],
        str(run),
        clips=CLIPS,
        frames=frames,
        captioner=CaptionOptions(model=model),
    )
    return {f"{row['video_id']}#{row['clip_index']}": row["caption"] for row in find_rows(str(run))}


def _truth(folder: Path) -> Mapping[str, str]:
    """What is shown at the middle of the unseen clips, which are those that were captioned."""
    truth = read_truth(folder / "unseen")
    return {
        f"{row['video_id']}#{row['clip_index']}": truth[row["video_id"]].caption_at(
            (row["start_s"] + row["end_s"]) / 2
        )
        for row in find_rows(str(folder / "said-demo"))
    }


def _most_frequent(folder: Path) -> str:
    said = Counter(str(row["caption"]) for row in find_rows(str(folder / "run")))
    return said.most_common(1)[0][0]
