"""`pseudolabel export`: from runs to a release folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._progress import counting_bar
from ._shared import echo_json, option, read_config, say

if TYPE_CHECKING:
    from pseudolabel.release.manifest import Manifest

WHICH, LAYOUT, CARD = "Which clips", "Files", "Card"


def export(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run folders.")],
    out: Annotated[str, option(help="The release folder to make.")],
    version: Annotated[str, option(help="MAJOR.MINOR.PATCH.")],
    license: Annotated[str, option(help="Of the captions, such as cc-by-4.0.")],
    previous: Annotated[
        str | None,
        option(help="The release this one follows: what changed goes into CHANGELOG.md."),
    ] = None,
    split: Annotated[
        str, option(rich_help_panel=WHICH, help="Shares of the videos: train=0.9,validation=0.1.")
    ] = "train=1",
    where: Annotated[
        list[str] | None,
        option(
            rich_help_panel=WHICH,
            help='Only clips where this holds: "mean_logprob > -1.5 and not truncated". '
            "Again for more.",
        ),
    ] = None,
    dedup: Annotated[
        bool,
        option(
            "--dedup",
            rich_help_panel=WHICH,
            help="Leave out clips that look like one of another video, such as re-uploads.",
        ),
    ] = False,
    prefer: Annotated[
        str | None,
        option(rich_help_panel=WHICH, help="newest: for videos that several runs captioned."),
    ] = None,
    max_shard_size: Annotated[
        str, option(rich_help_panel=LAYOUT, help="Of a Parquet or tar file.")
    ] = "500MB",
    with_frames: Annotated[
        bool,
        option(
            "--with-frames",
            rich_help_panel=LAYOUT,
            help="Embed the captioned frames. You need the right to publish them.",
        ),
    ] = False,
    web_dataset: Annotated[
        bool,
        option(
            "--web-dataset",
            rich_help_panel=LAYOUT,
            help="Also tars of .json beside .jpg. You need the right to publish the frames.",
        ),
    ] = False,
    workers: Annotated[
        int | None, option(min=1, rich_help_panel=LAYOUT, help="Decode processes, for frames.")
    ] = None,
    name: Annotated[
        str | None,
        option(rich_help_panel=CARD, help="Such as USER/REPO; by default the folder's name."),
    ] = None,
    language: Annotated[
        list[str] | None, option(rich_help_panel=CARD, help="Of the captions; by default en.")
    ] = None,
    date: Annotated[
        str | None, option(rich_help_panel=CARD, help="YYYY-MM-DD; by default today.")
    ] = None,
    card_template: Annotated[
        Path | None, option(rich_help_panel=CARD, help="A Jinja template for the card's text.")
    ] = None,
    config: Annotated[
        Path | None,
        option(callback=read_config, is_eager=True, help="A TOML file of these options."),
    ] = None,
    as_json: Annotated[bool, option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Make a release: a versioned dataset that anybody can load.

    Example: pseudolabel export run --out releases/1.0.0 --version 1.0.0 --license cc-by-4.0
    """
    from pseudolabel.release.export import export as export_runs
    from pseudolabel.release.options import ReleaseOptions
    from pseudolabel.runs.cores import usable_cores

    options = ReleaseOptions(
        version=version,
        license=license,
        name=name,
        split=split,
        where=tuple(where or ()),
        dedup=dedup,
        prefer=prefer,  # type: ignore[arg-type]  # the options say what is allowed
        previous=previous,
        language=tuple(language or ("en",)),
        max_shard_size=max_shard_size,
        with_frames=with_frames,
        web_dataset=web_dataset,
        card_template=str(card_template) if card_template else None,
        date=date,
        workers=workers or usable_cores(),
    )
    with counting_bar("reading clips") as on_progress:
        manifest = export_runs(runs, out, options, on_progress=on_progress)
    if as_json:
        echo_json(_summary(manifest, out))
    else:
        for line in _lines(manifest, out):
            say(line)


def _summary(manifest: Manifest, out: str) -> dict[str, object]:
    return {
        "release": out,
        "version": manifest.version,
        "clips": manifest.clips,
        "rows": {
            config: {split: counts.rows for split, counts in splits.items()}
            for config, splits in manifest.configs.items()
        },
        "removed": {f.where: f.removed for f in manifest.filters},
        "near_duplicates": manifest.near_duplicates,
        "flags": {found.flag: found.clips for found in manifest.statistics.flags},
        "video_hours": manifest.statistics.video_hours,
        "images_missing": manifest.statistics.images_missing,
        "files": len(manifest.files),
        "bytes": sum(file.bytes for file in manifest.files),
    }


def _lines(manifest: Manifest, out: str) -> list[str]:
    splits = ", ".join(
        f"{split} {counts.rows}" for split, counts in manifest.configs["clips"].items()
    )
    skipped = sum(counts.rows for counts in manifest.configs["skipped"].values())
    megabytes = sum(file.bytes for file in manifest.files) / 1e6
    lines = [
        f"{out}: version {manifest.version}, {manifest.clips} clips of "
        f"{manifest.statistics.video_hours:.2f} h of video",
        f"  splits         {splits}",
        f"  not captioned  {skipped}",
    ]
    lines += [
        f"  --where        {f.where}: left out {f.removed}"
        + (f", {f.unknown} of them without the value" if f.unknown else "")
        for f in manifest.filters
    ]
    if manifest.near_duplicates is not None:
        lines.append(f"  --dedup        left out {manifest.near_duplicates}")
    flags = [f for f in manifest.statistics.flags if f.clips]
    told = ", ".join(f"{f.clips} {f.flag}" for f in flags) or "none"
    lines.append(f"  flags          {told}")
    if manifest.merge.replaced_videos:
        lines.append(f"  replaced       {manifest.merge.replaced_videos} videos, by newer runs")
    if manifest.statistics.images_missing:
        lines.append(f"  no frame       {manifest.statistics.images_missing} clips")
    lines.append(f"  files          {len(manifest.files)}, {megabytes:.1f} MB")
    return lines
