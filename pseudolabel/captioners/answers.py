"""What a captioner says of one frame, and when too many refusals are a failure of its own."""

from __future__ import annotations

from collections.abc import Sequence

from pseudolabel.captioners.protocol import Refusal
from pseudolabel.errors import CaptionerError
from pseudolabel.records import Caption

Answer = tuple[Caption, ...] | Refusal


def check_some_worked(answers: Sequence[Answer], *, has_worked: bool, model: str) -> bool:
    """Whether any frame so far has a text.

    A frame can be bad. A whole batch of them, before anything has worked, is a setting that is
    wrong, and better said now than in a run of refusals.

    Raises:
        CaptionerError: If nothing has ever worked, and all of several frames are refused.
    """
    refusals = [answer for answer in answers if isinstance(answer, Refusal)]
    if has_worked or len(refusals) < len(answers):
        return True
    if len(refusals) > 1:
        raise CaptionerError(
            f"captioner {model} refuses every frame; the first: {refusals[0].detail}",
            hint="another --prompt, --dtype, --max-new-tokens or --model",
        )
    return False
