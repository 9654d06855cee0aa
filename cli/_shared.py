"""What every command shares: consoles, errors, configuration files, safe text."""

from __future__ import annotations

import json
import os
import signal
import tomllib
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from pseudolabel.errors import PseudolabelError

INTERRUPTED = 128 + signal.SIGINT
PIPED_WIDTH = 110
TERMINATED = 128 + signal.SIGTERM


@cache
def stderr() -> Console:
    """The console for everything that is not data: one, so that lines go above a moving bar."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def stdout() -> Console:
    """The console for data; wide enough for a table where there is no terminal to fit into."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    return console


def visible(text: str) -> str:
    """Text that cannot act on a terminal: control and direction characters are spelled out."""
    return "".join(c if c.isprintable() or c == "\u200d" else ascii(c)[1:-1] for c in text)


def say(message: str, style: str = "") -> None:
    """A line on stderr."""
    stderr().print(Text(visible(message), style=style))


def echo_json(data: dict[str, Any]) -> None:
    """One object as one line on stdout; half a character, which has no UTF-8, as its escape."""
    text = json.dumps(data, ensure_ascii=False)
    typer.echo(text.encode("utf-8", "backslashreplace").decode())


# Every option also comes from the environment; saying so at each would double the help.
option = partial(typer.Option, show_envvar=False)

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Files, folders, globs, @list.txt, tables (.csv .tsv .jsonl .parquet), "
        "hf:NAME[:split], URLs.",
    ),
]


class Terminated(KeyboardInterrupt):
    """SIGTERM: what a batch scheduler sends before it takes a machine away."""


class Commands(TyperGroup):
    """Turns the errors raised on purpose into one line and a hint; a bug keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        stderr.cache_clear()  # the terminal may be another one than that of a command before
        previous = signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(ctx)
        except PseudolabelError as error:
            say(f"error: {error}", style="red")
            if error.hint:
                say(f"hint: {error.hint}")
            raise typer.Exit(1) from error
        except KeyboardInterrupt as interrupt:
            say("interrupted; what is finished is kept, and the same command goes on from there")
            code = TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED
            raise typer.Exit(code) from interrupt
        except BrokenPipeError:
            # The reader of our output is gone, as with `| head`; not a failure of ours.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(128 + signal.SIGPIPE) from None
        finally:
            signal.signal(signal.SIGTERM, previous)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Callback of `--config`: a TOML file's keys become the defaults of the command's options.

    Keys are the options' long names; the command line and `PSEUDOLABEL_*` variables win.
    """
    if path is None:
        return None
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise typer.BadParameter(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path}: not a TOML file: {error}") from None
    by_option = {
        flag.removeprefix("--"): parameter.name
        for parameter in ctx.command.params
        for flag in [*parameter.opts, parameter.name or ""]
    }
    unknown = [key for key in values if key not in by_option]
    if unknown:
        known = ", ".join(sorted(flag for flag in by_option if "_" not in flag))
        raise typer.BadParameter(f"{path}: no option {unknown[0]!r}; there are: {known}")
    ctx.default_map = {
        **(ctx.default_map or {}),
        **{by_option[key]: value for key, value in values.items()},
    }
    return path
