"""Refusals of models, from folders and from the Hub, in the same words."""

from __future__ import annotations

from pseudolabel.errors import CaptionerError

NO_HUB_HINT = "--model PATH for a folder with a captioner; `pseudolabel demo` needs no download"


def refuse_pickle(model: str, *, hint: str) -> CaptionerError:
    """The refusal of a model that has no safetensors weights."""
    return CaptionerError(
        f"--model {model}: no safetensors weights; pickled ones can run code, and are not loaded",
        hint=hint,
    )
