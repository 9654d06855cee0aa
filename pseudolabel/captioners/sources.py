"""Where a captioner's files are, a folder or a commit on the Hub: found, not loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pseudolabel.captioners.folders import folder_revision
from pseudolabel.captioners.options import DEFAULT_MODEL
from pseudolabel.captioners.refusals import NO_HUB_HINT, refuse_pickle
from pseudolabel.errors import CaptionerError

DEMO = "demo"
SERVER = "server:"
VIDEO = "video:"  # before a captioner that `pseudolabel train` made
VIDEO_ARCHITECTURE = "pseudolabel-video-captioner"
DEMO_FOLDER = Path(__file__).parent.parent / "demo" / "captioner"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A transformers model, found: the same files every time it is loaded."""

    model: str  # as named by the user, without its revision
    location: str  # what from_pretrained takes: a folder, or a name on the Hub
    revision: str  # commit hash, or sha256:... of a folder
    config: dict[str, Any]  # config.json
    gguf_file: str | None = None  # the file in a folder that has it all; config then is its head's

    @property
    def architecture(self) -> str:
        """`model_type` of the configuration, such as "blip"; "" where it says none."""
        return str(self.config.get("model_type", ""))

    @property
    def is_folder(self) -> bool:
        """Whether it lies in a folder of this machine, rather than in the Hub's cache."""
        return self.revision.startswith("sha256:")

    @property
    def load_args(self) -> dict[str, Any]:
        """What every from_pretrained call needs to load these very files."""
        if self.gguf_file is not None:
            return {"gguf_file": self.gguf_file}
        return {} if self.is_folder else {"revision": self.revision}


def find_source(text: str) -> ModelSource:
    """Find what `NAME_OR_PATH[@revision]` or `demo` names.

    Raises:
        CaptionerError: If there is no such folder, repository or revision, if it has no
            config.json, or if the Hub cannot be reached and its cache does not have it.
    """
    if text == DEMO:
        return _in_folder(DEMO, DEMO_FOLDER)
    if Path(text).is_dir():  # first, since a path may hold an @ of its own
        return _in_folder(text, Path(text))
    name, _, revision = text.rpartition("@") if "@" in text else (text, "", "")
    if Path(name).is_dir():
        raise CaptionerError(f"--model {text}: a folder has no revisions", hint=f"--model {name}")
    if Path(text).exists() or text.startswith((".", "/", "~")) or name.count("/") > 1:
        raise CaptionerError(
            f"--model {text}: not a folder",
            hint="a folder with config.json and safetensors weights, or NAME[@revision] on the Hub",
        )
    from pseudolabel.captioners.hub import find_on_hub

    commit, config = find_on_hub(name, revision or None, is_default=name == DEFAULT_MODEL)
    return ModelSource(model=name, location=name, revision=commit, config=_read_config(config))


def _in_folder(model: str, folder: Path) -> ModelSource:
    config = folder / "config.json"
    if not config.is_file():
        raise CaptionerError(
            f"--model {model}: no config.json in {folder}",
            hint="a folder written by save_pretrained, of the model and of its processor",
        )
    if not any(folder.glob("*.safetensors")):
        raise refuse_pickle(model, hint="model.save_pretrained writes model.safetensors")
    return ModelSource(
        model=model,
        location=str(folder),
        revision=folder_revision(folder),
        config=_read_config(config),
    )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CaptionerError(
            f"{path}: not valid JSON ({error})", hint="download or save the model again"
        ) from error
    if not isinstance(config, dict):
        raise CaptionerError(f"{path}: not a model's configuration", hint=NO_HUB_HINT)
    return config
