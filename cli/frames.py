"""`pseudolabel frames`: the frames of all clips, taken out of their videos once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._progress import counting_bar
from ._shared import echo_json, option, read_config, say

if TYPE_CHECKING:
    from pseudolabel.training.data.frames import FramesTally


def frames(
    data: Annotated[
        str,
        typer.Argument(metavar="RUN_OR_RELEASE", help="A run, a release, or USER/REPO\\[@1.0.0]."),
    ],
    out: Annotated[str, option(help="The folder of tars.")],
    videos: Annotated[
        str | None,
        option(help="The folder of the videos.", show_default="where the data says they are"),
    ] = None,
    frames: Annotated[int, option(help="Of each clip, evenly spread.")] = 8,
    size: Annotated[int, option(help="Pixels, of the square that is kept.")] = 224,
    fit: Annotated[
        str, option(help="stretch: the whole picture, as captioners see it; crop: its middle.")
    ] = "stretch",
    quality: Annotated[int, option(help="Of the JPEGs, 1 to 100.")] = 90,
    clips_per_tar: Annotated[int, option(help="A tar is made whole or not at all.")] = 2000,
    workers: Annotated[
        int | None, option(help="Decode processes.", show_default="one a core")
    ] = None,
    clip_timeout: Annotated[
        float, option(help="Seconds; a clip that takes longer to decode is left out.")
    ] = 60.0,
    strict: Annotated[bool, option("--strict", help="Exit 1 if a clip has no frames.")] = False,
    as_json: Annotated[bool, option("--json", help="The summary as JSON on stdout.")] = False,
    config: Annotated[
        Path | None,
        option(callback=read_config, is_eager=True, help="A TOML file of these options."),
    ] = None,
) -> None:
    """Take the frames of all clips out of their videos, as JPEGs in WebDataset tars.

    Training then decodes no video. The same command on the same folder goes on where it stopped.

    Example: pseudolabel frames release --videos my_videos --out frames
    """
    from pseudolabel.runs.cores import usable_cores
    from pseudolabel.training.data.frames import FramesOptions, extract_frames

    options = FramesOptions(
        frames=frames,
        size=size,
        fit=fit,  # type: ignore[arg-type]  # checks itself
        quality=quality,
        clips_per_tar=clips_per_tar,
        workers=usable_cores() if workers is None else workers,
        clip_timeout_s=clip_timeout,
    )
    with counting_bar("clips taken from their videos") as count:
        tally = extract_frames(
            data, out, options, videos=videos, on_progress=lambda tally: count(tally.done)
        )
    if as_json:
        echo_json(_summary(tally, out))
    else:
        for line in _lines(tally, out):
            say(line)
    if strict and tally.skipped:
        raise typer.Exit(1)


def _summary(tally: FramesTally, out: str) -> dict[str, Any]:
    return {
        "frames": out,
        "clips": tally.clips,
        "already_done": tally.already_done,
        "skipped": dict(sorted(tally.skipped.items())),
        "tars": tally.tars,
        "bytes": tally.bytes,
        "wall_s": round(tally.wall_s, 3),
    }


def _lines(tally: FramesTally, out: str) -> list[str]:
    tars = "1 tar" if tally.tars == 1 else f"{tally.tars:,} tars"
    lines = [f"{out}: frames of {tally.taken:,} clips in {tars}, {tally.bytes / 1e6:.1f} MB"]
    if tally.already_done:
        lines[0] += f" ({tally.already_done:,} clips were done before)"
    if tally.skipped:
        reasons = ", ".join(f"{count:,} {why}" for why, count in tally.skipped.most_common())
        lines.append(f"  skipped        {reasons}; see the tables beside the tars")
    if tally.taken:
        lines.append(f"  speed          {_rate(tally):.1f} clips/s over {tally.wall_s:.1f} s")
    return lines


def _rate(tally: FramesTally) -> float:
    return (tally.done - tally.already_done) / tally.wall_s if tally.wall_s else 0.0
