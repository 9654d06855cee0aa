"""What is written beside the weights: the options, where everything came from, a model card."""

from __future__ import annotations

import json
import platform
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from pseudolabel.captioners.sources import ModelSource
from pseudolabel.errors import TrainingError
from pseudolabel.files import explained, take_lock, write_whole
from pseudolabel.training.data.found import Found
from pseudolabel.training.data.options import DataOptions, Mix
from pseudolabel.training.train_options import ModelOptions, TrainOptions

CONFIG = "config.toml"
PROVENANCE = "provenance.json"
CARD = "README.md"
PACKAGES = ("pseudolabel", "torch", "transformers", "accelerate", "av", "numpy")
LOCK = ".lock"
# What may differ when a training goes on: it changes no weight.
_FREE = ("videos", "workers", "clip_timeout_s", "device", "keep")
_UNSAID = {"processes": 1}  # what was not written down from the beginning
# Of these a user knows no value.
_HASHES = {"examples": "its clips and images were others; is a video missing now, or was one then?"}
# All that there is where one was stopped before its options were written down.
_FIRST = {LOCK, PROVENANCE, f"{PROVENANCE}.tmp", f"{CONFIG}.tmp"}


@dataclass(frozen=True, slots=True)
class TrainRecord:
    """What this training is: its options, its data, the models it began with."""

    data: DataOptions
    model: ModelOptions
    options: TrainOptions
    parts: Sequence[ModelSource]
    found: Found
    examples: str  # a hash of what there is to learn from: the order depends on all of it
    processes: int = 1  # that train together: the batches of a step are those of all of them

    def check(self, out: Path) -> None:
        """Refuse a folder that holds something else.

        Raises:
            TrainingError: If it is not empty and no training, or one with other options, which
                are named.
        """
        if not out.exists() or (out.is_dir() and {path.name for path in out.iterdir()} <= _FIRST):
            return
        try:
            before = _UNSAID | tomllib.loads((out / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise TrainingError(
                f"{out}: is there, and not the folder of a training", hint="choose another --out"
            ) from None
        now = self._settled()
        differing = [
            _HASHES.get(name, f"{name} was {before.get(name)!r}, now {now.get(name)!r}")
            for name in {**before, **now}
            if name not in _FREE and before.get(name) != now.get(name)
        ]
        if differing:
            raise TrainingError(
                f"{out}: this training was begun with other options: {'; '.join(differing)}",
                hint="repeat the options it was begun with, or choose another --out",
            )

    def write(self, out: Path) -> IO[bytes]:
        """Make the folder, and say in it what this is, unless that is there already.

        Returns:
            The folder's lock, to be closed when no more is written to it.

        Raises:
            TrainingError: If it cannot be written, or another process writes to it.
        """
        with explained(out, TrainingError):
            out.mkdir(parents=True, exist_ok=True)
            busy = TrainingError(
                f"{out}: another process trains in it", hint="wait for it, or choose another --out"
            )
            lock = take_lock(out / LOCK, busy=busy)
            if not (out / CONFIG).exists():
                provenance = json.dumps(self.provenance(), indent=2, ensure_ascii=False)
                write_whole(out / PROVENANCE, (provenance + "\n").encode(), locked=True)
                write_whole(out / CONFIG, _toml(self._settled()).encode(), locked=True)
        return lock

    def provenance(self) -> dict[str, Any]:
        """Where everything came from: data, models, code."""
        source = self.found.source
        return {
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "data": None if source is None else asdict(source),
            "clips": self.found.clips_used,
            "images": self.found.images,
            "images_commit": self.found.images_commit,
            "models": [
                {"model": part.model, "revision": part.revision, "architecture": part.architecture}
                for part in self.parts
            ],
            "code": _git_describe(),
            "versions": {
                "python": platform.python_version(),
                **{package: version(package) for package in PACKAGES},
            },
        }

    def write_card(self, folder: Path, scores: Mapping[str, float], steps: int) -> None:
        """Write the model card, from what is known."""
        names = " and ".join(f"`{part.model}` (`{part.revision}`)" for part in self.parts)
        lines = [
            "---",
            "library_name: transformers",
            "pipeline_tag: video-text-to-text",
            "tags: [video-captioning, pseudolabel]",
            "---",
            "",
            "# A video captioner",
            "",
            f"Made of {names} by `pseudolabel train` in {steps:,} steps, from "
            f"{self._learned_from()}; text: `{self.data.text}`.",
            "",
            "The method is that of [arXiv 2304.02080](https://arxiv.org/abs/2304.02080): a",
            "language model attends to a video encoder through gated adapters before its layers.",
            "",
            "```sh",
            "pseudolabel caption my_videos --model video:THIS_FOLDER --out run",
            "```",
            "",
            "## Scores on the held-out clips",
            "",
            *([f"- {name}: {value:.4f}" for name, value in scores.items()] or ["Not measured."]),
            "",
            "The references of these scores are the texts of the held-out clips, which are",
            "pseudolabels themselves unless the data says otherwise.",
            "",
            f"`{CONFIG}` has all options, `{PROVENANCE}` where everything came from.",
            "",
        ]
        (folder / CARD).write_text("\n".join(lines), encoding="utf-8")

    def _learned_from(self) -> str:
        source, found = self.found.source, self.found
        told = []
        if source is not None:
            version_of = f", version {source.version}" if source.version else ""
            told.append(f"{found.clips_used:,} clips of {source.name}{version_of}")
        if found.images:
            commit_of = f", commit {found.images_commit}" if found.images_commit else ""
            told.append(f"{found.images:,} images of {self.data.images}{commit_of}")
        return " and ".join(told)

    def _settled(self) -> dict[str, Any]:
        """All options by name, flat, with what the models are; None left out."""
        flat = {**asdict(self.data), **asdict(self.model), **asdict(self.options)}
        flat |= flat.pop("augmentation")
        flat["mix"] = str(self.data.shares)
        flat["data_version"] = self.found.source and self.found.source.manifest_sha256
        flat["examples"] = self.examples
        flat["images_commit"] = self.found.images_commit
        flat["processes"] = self.processes
        flat["revisions"] = [part.revision for part in self.parts]
        flat["data_seed"], flat["seed"] = self.data.seed, self.options.seed
        return {name: _plain(value) for name, value in flat.items() if value is not None}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, (Mix, Fraction)) else value


def _toml(values: Mapping[str, Any]) -> str:
    """Flat values as TOML, whose strings and numbers are JSON's."""
    # Characters as they are: JSON escapes those beyond 16 bits as two, which TOML refuses.
    written = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    return "".join(f"{name} = {value}\n" for name, value in written.items())


def _git_describe() -> str | None:
    """What git calls this code, if it is a checkout of its own."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # installed; perhaps into a folder of somebody's repository
        return None
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--tags"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()
