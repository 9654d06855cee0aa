"""What each architecture is asked, and how its text comes back."""

from __future__ import annotations

from pseudolabel.errors import CaptionerError

# An image alone makes these write a caption; a prompt is a beginning that they continue.
CONTINUES_PROMPT = frozenset({"blip", "git", "vision-encoder-decoder"})

_DEFAULTS: dict[str, str | None] = {
    **dict.fromkeys(CONTINUES_PROMPT),
    "blip-2": "a photo of",  # what it was tuned to caption with: arXiv 2301.12597, section 4.2
    "florence2": "<CAPTION>",
    "paligemma": "caption en",
}
CHAT_PROMPT = "Describe the image in one short sentence."
_FLORENCE_TASKS = ("<CAPTION>", "<DETAILED_CAPTION>", "<MORE_DETAILED_CAPTION>")


def resolve_prompt(architecture: str, prompt: str | None) -> str | None:
    """The prompt that a captioner of this architecture is given; None is none at all.

    Raises:
        CaptionerError: If Florence-2, which knows tasks only, is given anything else.
    """
    if prompt is None:
        return _DEFAULTS.get(architecture, CHAT_PROMPT)
    if architecture == "florence2" and prompt not in _FLORENCE_TASKS:
        raise CaptionerError(
            f"--prompt {prompt!r}: Florence-2 takes a task, not a text",
            hint=f"one of: {', '.join(_FLORENCE_TASKS)}",
        )
    return prompt or None
