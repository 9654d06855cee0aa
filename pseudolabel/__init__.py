"""Caption video at scale with image captioners.

    import pseudolabel
    pseudolabel.caption_videos(["my_videos"], "run")

What the commands do is here as functions: typed, documented, usable without a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "CaptionOptions",
    "ClipOptions",
    "CompactTally",
    "CompareOptions",
    "Comparison",
    "ConsolidateOptions",
    "ConsolidateTally",
    "DataOptions",
    "Evaluation",
    "FrameOptions",
    "FramesOptions",
    "ModelOptions",
    "ModelUnderTest",
    "Problem",
    "PseudolabelError",
    "ReleaseDiff",
    "ReleaseOptions",
    "Review",
    "ReviewOptions",
    "RunOptions",
    "Tally",
    "TrainOptions",
    "Trained",
    "TranscribeOptions",
    "caption_videos",
    "compact",
    "compare",
    "consolidate",
    "diff",
    "evaluate",
    "evaluate_model",
    "export",
    "extract_frames",
    "find_rows",
    "push",
    "review",
    "run_demo",
    "train",
    "transcribe_videos",
    "validate",
]

_HOMES = {
    "CaptionOptions": "pseudolabel.captioners.options",
    "ClipOptions": "pseudolabel.videos.options",
    "CompactTally": "pseudolabel.runs.compact",
    "CompareOptions": "pseudolabel.evaluation.compare",
    "Comparison": "pseudolabel.evaluation.comparison",
    "ConsolidateOptions": "pseudolabel.captions.options",
    "ConsolidateTally": "pseudolabel.runs.consolidate",
    "DataOptions": "pseudolabel.training.data.options",
    "Evaluation": "pseudolabel.evaluation.evaluate",
    "FrameOptions": "pseudolabel.videos.options",
    "FramesOptions": "pseudolabel.training.data.frames",
    "ModelOptions": "pseudolabel.training.train_options",
    "ModelUnderTest": "pseudolabel.evaluation.evaluate_model",
    "Problem": "pseudolabel.release.validate",
    "PseudolabelError": "pseudolabel.errors",
    "ReleaseDiff": "pseudolabel.release.comparison.changes",
    "ReleaseOptions": "pseudolabel.release.options",
    "Review": "pseudolabel.evaluation.review",
    "ReviewOptions": "pseudolabel.evaluation.review",
    "RunOptions": "pseudolabel.runs.options",
    "Tally": "pseudolabel.runs.pipeline.tally",
    "TrainOptions": "pseudolabel.training.train_options",
    "Trained": "pseudolabel.training.train",
    "TranscribeOptions": "pseudolabel.speech.whisper_files",
    "caption_videos": "pseudolabel.runs.caption",
    "compact": "pseudolabel.runs.compact",
    "compare": "pseudolabel.evaluation.compare",
    "consolidate": "pseudolabel.runs.consolidate",
    "diff": "pseudolabel.release.comparison.diff",
    "evaluate": "pseudolabel.evaluation.evaluate",
    "evaluate_model": "pseudolabel.evaluation.evaluate_model",
    "export": "pseudolabel.release.export",
    "extract_frames": "pseudolabel.training.data.frames",
    "find_rows": "pseudolabel.runs.show",
    "push": "pseudolabel.release.push",
    "review": "pseudolabel.evaluation.review",
    "run_demo": "pseudolabel.demo.run",
    "train": "pseudolabel.training.train",
    "transcribe_videos": "pseudolabel.evaluation.transcribe",
    "validate": "pseudolabel.release.validate",
}

if TYPE_CHECKING:
    from pseudolabel.captioners.options import CaptionOptions
    from pseudolabel.captions.options import ConsolidateOptions
    from pseudolabel.demo.run import run_demo
    from pseudolabel.errors import PseudolabelError
    from pseudolabel.evaluation.compare import CompareOptions, compare
    from pseudolabel.evaluation.comparison import Comparison
    from pseudolabel.evaluation.evaluate import Evaluation, evaluate
    from pseudolabel.evaluation.evaluate_model import ModelUnderTest, evaluate_model
    from pseudolabel.evaluation.review import Review, ReviewOptions, review
    from pseudolabel.evaluation.transcribe import transcribe_videos
    from pseudolabel.release.comparison.changes import ReleaseDiff
    from pseudolabel.release.comparison.diff import diff
    from pseudolabel.release.export import export
    from pseudolabel.release.options import ReleaseOptions
    from pseudolabel.release.push import push
    from pseudolabel.release.validate import Problem, validate
    from pseudolabel.runs.caption import caption_videos
    from pseudolabel.runs.compact import CompactTally, compact
    from pseudolabel.runs.consolidate import ConsolidateTally, consolidate
    from pseudolabel.runs.options import RunOptions
    from pseudolabel.runs.pipeline.tally import Tally
    from pseudolabel.runs.show import find_rows
    from pseudolabel.speech.whisper_files import TranscribeOptions
    from pseudolabel.training.data.frames import FramesOptions, extract_frames
    from pseudolabel.training.data.options import DataOptions
    from pseudolabel.training.train import Trained, train
    from pseudolabel.training.train_options import ModelOptions, TrainOptions
    from pseudolabel.videos.options import ClipOptions, FrameOptions


def __getattr__(name: str) -> Any:
    # Loaded at first use: importing the package, as every decode worker does, costs nothing.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
