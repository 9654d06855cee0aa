"""Refusals of models, from folders and from the Hub, in the same words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pseudolabel.errors import CaptionerError, OptionError

NO_HUB_HINT = "--model PATH for a folder with a captioner; `pseudolabel demo` needs no download"


def refuse_pickle(model: str, *, hint: str) -> CaptionerError:
    """The refusal of a model that has no safetensors weights."""
    return CaptionerError(
        f"--model {model}: no safetensors weights; pickled ones can run code, and are not loaded",
        hint=hint,
    )


@contextmanager
def asked_by(flag: str, what: str) -> Iterator[None]:
    """Says `flag` where finding or loading a model fails, whose errors speak of `--model`.

    Args:
        flag: The option by which the user named the model, such as `--scorer`.
        what: What it must be, such as "an image-text model".

    Raises:
        CaptionerError: With the same cause, in the words of that option.
        OptionError: The same.
    """
    try:
        yield
    except (CaptionerError, OptionError) as error:
        hint = (error.hint or "").replace("--model", flag)
        if error.hint == NO_HUB_HINT:
            hint = f"{flag} PATH for a folder with {what}"
        raise type(error)(str(error).replace("--model", flag), hint=hint) from error
