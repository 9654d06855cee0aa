"""Who else is told of losses and scores: TensorBoard and wandb, where they are installed."""

from __future__ import annotations

import netrc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pseudolabel.errors import without_addresses

TENSORBOARD, WANDB = "tensorboard", "wandb"
_WANDB_HOST = "https://api.wandb.ai"
_WITHOUT_KEY = ("offline", "disabled", "dryrun")  # wandb's modes


@contextmanager
def loggers(out: Path, say: Callable[[str], None]) -> Iterator[list[str]]:
    """The loggers that the Trainer is to tell, by its names for them.

    wandb is told where it has a key, or WANDB_MODE=offline: without one it would ask for it, or
    stop the training. Its run ends with this block, unless the caller had begun one before.

    Args:
        out: The training's folder, where they write too.
        say: Told why wandb is left out, if it is installed.
    """
    found = [TENSORBOARD] if find_spec(TENSORBOARD) is not None else []
    wandb = _wandb()
    if wandb is None:
        yield found
    elif wandb.run is not None:
        yield [*found, WANDB]
    elif why := _not_begun(wandb, out):
        say(f"wandb is not told: {why}")
        yield found
    else:
        try:
            yield [*found, WANDB]
        except BaseException:
            wandb.finish(exit_code=1)
            raise
        wandb.finish()


def _wandb() -> Any:
    """The package, or None; a folder `wandb` that it left, which Python can import, is none."""
    found = find_spec(WANDB)
    if found is None or found.origin is None:
        return None
    return import_module(WANDB)


def _not_begun(wandb: Any, out: Path) -> str | None:
    """Begins a run; or says why there is none."""
    if os.environ.get("WANDB_MODE") not in _WITHOUT_KEY and not _has_key():
        return "it has no key; `wandb login`, or WANDB_MODE=offline"
    try:
        wandb.init(
            project=os.environ.get("WANDB_PROJECT", "pseudolabel"),
            name=os.environ.get("WANDB_NAME", out.name),
            dir=os.environ.get("WANDB_DIR", str(out)),
        )
    except Exception as error:  # a training does not stop because nobody listens to it
        return (without_addresses(str(error)).strip().splitlines() or [type(error).__name__])[0]
    return None


def _has_key() -> bool:
    """Whether wandb would not have to ask: it looks in the environment, then in netrc."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", _WANDB_HOST)).hostname
    files = (os.environ.get("NETRC"), "~/.netrc", "~/_netrc")
    for file in (Path(name).expanduser() for name in files if name):
        try:
            if host and netrc.netrc(file).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False
