"""Folders of many videos, from few packets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.footage import Footage, splice

DISTINCT = 24  # files with contents of their own; further ones are hard links to these


def folder_of(data: Path, footage: Footage, *, videos: int, gops: int) -> Path:
    """A folder of `videos` files of `gops` GOPs each, made anew.

    The first `DISTINCT` begin at GOPs of their own. The rest are links: decoding one costs what
    the file costs, and a disk does not fill.
    """
    folder = data / "collections" / f"{footage.name}-{gops}gops-{videos}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = footage.encoded(data)
    for index in range(videos):
        path = folder / f"video{index:04d}.mp4"
        if index < DISTINCT:
            splice(source, path, [(index * 2 + i) % footage.gops for i in range(gops)])
        else:
            os.link(folder / f"video{index % DISTINCT:04d}.mp4", path)
    return folder
