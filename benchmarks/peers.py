"""The decoders that `decode` and `loop` are compared with, in a folder of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEERS = ("decord==0.6.0", "opencv-python-headless==5.0.0.93")


def import_peers(data: Path) -> None:
    """Make `cv2` and `decord` importable; the environment of the package is not touched.

    They are installed without what they depend on, which is numpy: the package's own serves.
    """
    folder = data.resolve() / "peers"
    done = folder / ".installed"
    if not done.exists() or done.read_text() != "\n".join(PEERS):
        print(f"installing {', '.join(PEERS)} into {data / 'peers'} ...", file=sys.stderr)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        target = ["--no-deps", "--upgrade", "--target", str(folder)]
        subprocess.run([*pip, *target, *PEERS], check=True)
        done.write_text("\n".join(PEERS))
    sys.path.insert(0, str(folder))


def versions() -> dict[str, str]:
    """Of the peers that were imported."""
    import cv2
    import decord

    return {"opencv": cv2.__version__, "decord": decord.__version__}
