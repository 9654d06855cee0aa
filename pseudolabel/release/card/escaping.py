r"""Text that others wrote, in a card that shows it and does nothing.

Captions, ids, prompts, model names and filters come from outside. In a card they must neither
make links, images, headings or HTML, nor turn the text around them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# What turns text into something else, anywhere or as the first of a line. A point does too, in
# "1. item" and "www.name", but not inside a number.
_ACTIVE = re.compile(r"[\\`*_\[\]<>&!|~$#:@()]|(?<!\d)\.|\.(?!\d)|^[-+=]")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def visible(text: str) -> str:
    r"""One line, with a `\uXXXX` in place of each character that cannot be seen.

    These are line ends and other controls, marks that change the direction of text, joiners,
    spaces other than the plain one, and lone surrogates.
    """
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def plain(value: object) -> str:
    """A value as text in a paragraph, a heading or a table."""
    text = re.sub(" +", " ", visible(str(value)).strip())
    return _ACTIVE.sub(lambda match: _ENTITIES.get(match[0], f"\\{match[0]}"), text)


def inline_code(value: object, *, in_table: bool = False, limit: int | None = None) -> str:
    r"""A value as code in a line of text.

    Args:
        value: What to show; what is empty is said to be.
        limit: Longer text is cut after so many characters, which `…` shows.
        in_table: Whether it stands in a table, where `|` becomes `\u007c`: readers of Markdown
            differ in what they make of a backslash before it.
    """
    text = str(value)
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    text = visible(text)
    if in_table:
        text = text.replace("|", _escaped("|"))
    if not text.strip():
        return "(blank)" if text else "(empty)"
    # A fence longer than any run of backticks inside; spaces keep backticks at the ends apart.
    fence = "`" * (_longest_run(text) + 1)
    pad = " " if "`" in (text[0], text[-1]) or text[0] == text[-1] == " " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def fenced(text: str, language: str) -> str:
    """Lines of code as a block, behind a fence that none of them can close."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def json_block(row: Mapping[str, Any]) -> str:
    r"""A row as a block of JSON, from which `json.loads` gives the same row.

    What cannot be seen, and what HTML is made of, stands there as `\uXXXX`.
    """
    lines = json.dumps(row, indent=2, ensure_ascii=False).split("\n")  # strings hold no line end
    return fenced("\n".join(map(_escaped_json, lines)), "json")


def string_literal(text: str) -> str:
    """A text as a string in Python or JSON, for a block of code."""
    return _escaped_json(json.dumps(text, ensure_ascii=False))


def _escaped_json(line: str) -> str:
    # Outside of strings JSON has none of these characters.
    return "".join(
        char if char.isprintable() and char not in _ENTITIES else _escaped(char) for char in line
    )


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
