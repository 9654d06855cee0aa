"""`pseudolabel validate`: whether a release can be trusted."""

from __future__ import annotations

from typing import Annotated

import typer

from ._shared import echo_json, option, say, stdout, visible

SHOWN = 50


def validate(
    release: Annotated[
        str,
        typer.Argument(metavar="RELEASE", help="A release folder, or USER/REPO\\[@v1.0.0]."),
    ],
    as_json: Annotated[bool, option("--json", help="One JSON object a problem.")] = False,
) -> None:
    """Check a release against its schemas, checksums, counts and card.

    Ends with 1 if anything is wrong.

    Example: pseudolabel validate releases/1.0.0
    """
    from pseudolabel.release.validate import validate as find_problems

    problems = find_problems(release)
    if as_json:
        for problem in problems:
            echo_json({"file": problem.file, "row": problem.row, "message": problem.message})
    else:
        for problem in problems[:SHOWN]:
            stdout().print(visible(str(problem)), markup=False, soft_wrap=True)
        if len(problems) > SHOWN:
            say(f"and {len(problems) - SHOWN} more; --json gives all")
    if problems:
        say(f"{release}: {len(problems)} problems", style="red")
        raise typer.Exit(1)
    say(f"{release}: all as it says")
