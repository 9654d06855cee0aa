"""The options that `caption` and `consolidate` have in common: how frames become a clip."""

from __future__ import annotations

from typing import Annotated

from ._shared import option

PANEL = "From frames to a clip"

Strategy = Annotated[
    str,
    option(rich_help_panel=PANEL, help="center, medoid, best, timeline or llm."),
]
TextEncoder = Annotated[
    str | None,
    option(
        rich_help_panel=PANEL,
        help="NAME_OR_PATH\\[@revision] that says how alike texts are, for medoid; else words do.",
    ),
]
Llm = Annotated[
    str | None,
    option(
        rich_help_panel=PANEL,
        help="NAME_OR_PATH\\[@revision], FILE.gguf or server:URL#MODEL, for llm.",
    ),
]
StripBoilerplate = Annotated[
    bool,
    option(
        "--strip-boilerplate",
        rich_help_panel=PANEL,
        help='Take "a photo of" and the like off captions.',
    ),
]
