"""Writes a page: one HTML file that asks no network for anything and runs no code but its own.

Its Content-Security-Policy allows the style and the script written here, by their hashes, and
pictures that the page itself carries; nothing else loads, runs or is sent.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from pseudolabel.errors import OptionError
from pseudolabel.evaluation.page.blocks import CLIPS_A_BLOCK, block, clip_blocks, rating_blocks
from pseudolabel.evaluation.page.parts import Column, Headline, PageClip, Rating, Section, Table
from pseudolabel.files import explained, replacing

_SCRIPTS = ("data.js", "sifting.js", "list.js", "filters.js", "details.js", "rating.js", "start.js")
_DATA_GOES_HERE = "<!-- data -->"
_NUMBER = re.compile(r"[<>] ?\d|[-+\u2212]?\d|\u2013$|$")  # a number, a dash for none, or nothing


def write_page(
    out: Path,
    *,
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    columns: Sequence[Column],
    clips: Iterable[PageClip],
    rating: Rating | None = None,
    headlines: Sequence[Headline] = (),
    flag_help: Mapping[str, str] | None = None,
    notes: Callable[[], Sequence[str]] | None = None,
) -> None:
    """Write a page that opens by a double click and can be sent to a colleague.

    Clips go to disk as they come: memory holds `CLIPS_A_BLOCK` of them. A reader sees the whole
    page or none.

    Args:
        out: The file to write; its folder must exist.
        title: Of the page and its browser tab.
        subtitle: One line under it: what was compared, when, with what.
        sections: The summary, top to bottom.
        columns: What the list of clips shows, left to right.
        clips: The rows of the list, in the order in which it starts.
        rating: A sheet for rating pairs of texts; without it the page has none.
        headlines: A few figures above the sections.
        flag_help: What flags mean, a sentence each.
        notes: Called when all clips are written: lines above the list of what befell them.

    Raises:
        OptionError: If the file cannot be written.
        ValueError: If clips, columns or pictures contradict each other.
        TypeError: If a value is not of its column's kind.
    """
    if len({column.key for column in columns}) != len(columns):
        raise ValueError("two columns have one key")
    shell = _shell(title, subtitle, sections, headlines, columns, rating)
    before, after = shell.split(_DATA_GOES_HERE)
    about = _about(columns, flag_help or {})
    pieces = itertools.chain(
        [before, block("about", about)],
        clip_blocks(columns, clips),
        rating_blocks(rating) if rating else (),
        (block("notes", list(told())) for told in (notes,) if told),
        [after],
    )
    written = partial(explained, out, OptionError)  # and not what clips fail at
    with replacing(out, explained=written) as file:
        for piece in pieces:
            with written():
                # A surrogate without its other half has no UTF-8; in the summary it becomes "?".
                file.write(piece.encode("utf-8", "replace"))


def _about(columns: Sequence[Column], flag_help: Mapping[str, str]) -> dict[str, Any]:
    fields = ("key", "label", "kind", "help", "digits", "good", "listed")
    described = [{name: getattr(column, name) for name in fields} for column in columns]
    return {"columns": described, "block": CLIPS_A_BLOCK, "flags": dict(flag_help)}


def _shell(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    headlines: Sequence[Headline],
    columns: Sequence[Column],
    rating: Rating | None,
) -> str:
    """The page without its data."""
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    style = _asset("page.css")
    script = '"use strict";\n' + "\n".join(_asset(name) for name in _SCRIPTS)
    return environment.from_string(_asset("page.html.jinja")).render(
        policy=content_security_policy(style, script),
        style=style,
        script=script,
        title=title,
        subtitle=subtitle,
        headlines=headlines,
        sections=[(section, _right_aligned(section.table)) for section in sections],
        columns=columns,
        rating=rating,
        data=_DATA_GOES_HERE,
    )


def content_security_policy(style: str, script: str) -> str:
    """What the page may do: this style, this script, pictures from inside; nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _right_aligned(table: Table | None) -> list[bool]:
    if table is None:
        return []
    return [
        bool(table.rows) and all(_NUMBER.match(row[i]) for row in table.rows)
        for i in range(len(table.columns))
    ]


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")
