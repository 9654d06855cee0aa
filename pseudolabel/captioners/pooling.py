"""How a sentence-transformers repository wants its token states made into one vector."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pseudolabel.captioners.hub import find_extra
from pseudolabel.captioners.sources import ModelSource
from pseudolabel.errors import CaptionerError

Pooling = Literal["mean", "cls"]

_KNOWN_STEPS = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a repository says of its own use; the defaults are for one that says nothing."""

    pooling: Pooling = "mean"
    longest: int | None = None  # tokens after which a text is cut; None: what the model takes


def find_recipe(source: ModelSource) -> Recipe:
    """Read `modules.json` and what it names, where a model has it.

    Raises:
        CaptionerError: If it asks for a pooling other than mean or cls, or for a step that is
            not known here, such as a Dense layer; or the Hub cannot be reached.
    """
    modules = _read(source, "modules.json")
    if not isinstance(modules, list):
        return Recipe()
    steps = {str(step.get("type")).rpartition(".")[2]: str(step.get("path")) for step in modules}
    for step in steps:
        if step not in _KNOWN_STEPS:
            raise _unknown(source, f"its vectors need a {step} layer after the encoder")
    settings = _read(source, "sentence_bert_config.json") or {}
    pooling = _read(source, f"{steps['Pooling']}/config.json") if "Pooling" in steps else None
    return Recipe(_pooling(source, pooling or {}), settings.get("max_seq_length"))


def _pooling(source: ModelSource, config: dict[str, Any]) -> Pooling:
    prefix = "pooling_mode_"
    chosen = [key.removeprefix(prefix) for key in config if key.startswith(prefix) and config[key]]
    mode = str(config.get("pooling_mode") or "+".join(chosen) or "mean")
    if mode in ("mean", "mean_tokens"):
        return "mean"
    if mode in ("cls", "cls_token"):
        return "cls"
    raise _unknown(source, f"its pooling is {mode!r}")


def _unknown(source: ModelSource, what: str) -> CaptionerError:
    return CaptionerError(
        f"--model {source.model}: {what}",
        hint="an encoder with mean or cls pooling, such as sentence-transformers/all-MiniLM-L6-v2",
    )


def _read(source: ModelSource, file: str) -> Any:
    """A JSON file beside the model; None where there is none."""
    if source.is_folder:
        path: Path | None = Path(source.location) / file
        path = path if path and path.is_file() else None
    else:
        path = find_extra(source.location, file, source.revision)
    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CaptionerError(
            f"{path}: not valid JSON ({error})", hint="download or save the model again"
        ) from error
