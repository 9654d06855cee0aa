"""`pseudolabel diff`: what changed between two releases."""

from __future__ import annotations

from typing import Annotated

import typer

from ._shared import echo_json, option, stdout, visible


def diff(
    before: Annotated[
        str,
        typer.Argument(metavar="RELEASE_A", help="The older: a folder, or USER/REPO\\[@v1.0.0]."),
    ],
    after: Annotated[str, typer.Argument(metavar="RELEASE_B", help="The newer.")],
    as_json: Annotated[bool, option("--json", help="One JSON object.")] = False,
) -> None:
    """Compare two releases, and say which version the changes call for.

    Example: pseudolabel diff releases/1.0.0 releases/1.1.0
    """
    from pseudolabel.release.comparison.diff import diff as compare
    from pseudolabel.release.hub import local_release

    found = compare(local_release(before), local_release(after))
    if as_json:
        echo_json(found.to_dict())
        return
    for line in found.lines():
        stdout().print(visible(line), markup=False, soft_wrap=True)
