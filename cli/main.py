"""The `pseudolabel` command."""

from __future__ import annotations

from typing import Annotated

import typer

from pseudolabel import __version__

from ._shared import Commands
from .caption import caption
from .claims import claims
from .compact import compact
from .compare import compare
from .consolidate import consolidate
from .demo import demo
from .diff import diff
from .evaluate import evaluate
from .export import export
from .frames import frames
from .push import push
from .review import review
from .show import show
from .train import train
from .transcribe import transcribe
from .validate import validate

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "PSEUDOLABEL",
    },
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"pseudolabel {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Caption video at scale with image captioners."""


app.command()(caption)
app.command()(consolidate)
app.command()(compact)
app.command()(show)
app.command()(review)
app.command()(export)
app.command()(validate)
app.command()(diff)
app.command()(push)
app.command()(transcribe)
app.command()(compare)
app.command()(evaluate)
app.command()(frames)
app.command()(train)
app.command()(claims)
app.command()(demo)
