"""`pseudolabel caption`: from videos to a run folder of captioned clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pseudolabel.captioners.options import DEFAULT_MODEL, CaptionOptions
from pseudolabel.captions.options import ConsolidateOptions
from pseudolabel.errors import OptionError
from pseudolabel.runs.cores import usable_cores
from pseudolabel.runs.options import RayOptions, RunOptions, Share
from pseudolabel.videos.options import ClipOptions, FrameOptions

from ._consolidating import PANEL, Llm, Strategy, StripBoilerplate, TextEncoder
from ._health import health_lines, health_object
from ._progress import progress_bar, say_waiting
from ._shared import Inputs, echo_json, option, read_config, say
from ._summary import profile_lines, summary_lines, summary_object

CLIPS, FRAMES = "Clips and frames", "Clips and frames"
CAPTIONER, GENERATION, RUN = "Captioner", "Generation", "Running"


def caption(
    inputs: Inputs,
    out: Annotated[str, option(help="The run folder: a path or a URL.")],
    clips: Annotated[
        str,
        option(
            rich_help_panel=CLIPS,
            help="fixed:SECONDS, whole, scenes[:THRESHOLD], spans or transcript.",
        ),
    ] = "fixed:8",
    min_clip: Annotated[
        float,
        option(rich_help_panel=CLIPS, help="A shorter last piece (s) joins the one before."),
    ] = 2.0,
    mark_cuts: Annotated[
        bool, option("--mark-cuts", rich_help_panel=CLIPS, help="Store cuts inside clips.")
    ] = False,
    transcripts: Annotated[
        str | None,
        option(
            rich_help_panel=CLIPS,
            help="Folder of transcripts for --clips transcript; else beside or in the videos.",
        ),
    ] = None,
    frames: Annotated[
        int | None,
        option(
            rich_help_panel=FRAMES,
            help="Frames a clip; 1 is its center.",
            show_default="1; as it was trained for video:",
        ),
    ] = None,
    snap: Annotated[
        str | None,
        option(
            rich_help_panel=FRAMES,
            help="keyframe (the nearest in the clip, fast) or exact.",
            show_default="keyframe; exact for video:",
        ),
    ] = None,
    model: Annotated[
        str,
        option(
            rich_help_panel=CAPTIONER,
            help="NAME_OR_PATH\\[@revision], video:NAME_OR_PATH, server:URL#MODEL, or demo.",
        ),
    ] = DEFAULT_MODEL,
    dtype: Annotated[
        str, option(rich_help_panel=CAPTIONER, help="auto, float32, bfloat16 or float16.")
    ] = "auto",
    device: Annotated[
        str, option(rich_help_panel=CAPTIONER, help="auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
    batch_size: Annotated[
        str, option(rich_help_panel=CAPTIONER, help="Frames (for video: clips) at a time, or auto.")
    ] = "auto",
    trust_remote_code: Annotated[
        bool,
        option(
            "--trust-remote-code",
            rich_help_panel=CAPTIONER,
            help="Run code that comes with the weights.",
        ),
    ] = False,
    concurrency: Annotated[
        int, option(rich_help_panel=CAPTIONER, help="Requests in flight, for a server.")
    ] = 16,
    timeout: Annotated[
        float, option(rich_help_panel=CAPTIONER, help="Of one request to a server, in s.")
    ] = 120.0,
    prompt: Annotated[
        str | None,
        option(rich_help_panel=GENERATION, help="Instead of the model's own prompt."),
    ] = None,
    max_new_tokens: Annotated[
        int, option(rich_help_panel=GENERATION, help="Length limit of a caption.")
    ] = 30,
    beams: Annotated[int, option(rich_help_panel=GENERATION, help="Beam search; 1 is greedy.")] = 1,
    samples: Annotated[
        int,
        option(
            rich_help_panel=GENERATION, help="Texts a frame (for video: a clip); above 1 samples."
        ),
    ] = 1,
    top_p: Annotated[float, option(rich_help_panel=GENERATION, help="When sampling.")] = 0.95,
    temperature: Annotated[float, option(rich_help_panel=GENERATION, help="When sampling.")] = 0.7,
    seed: Annotated[int, option(rich_help_panel=GENERATION, help="When sampling.")] = 0,
    scorer: Annotated[
        str | None,
        option(
            rich_help_panel=PANEL,
            help="NAME_OR_PATH\\[@revision] of CLIP's or SigLIP's kind, or demo: scores texts.",
        ),
    ] = None,
    strategy: Strategy = "center",
    text_encoder: TextEncoder = None,
    llm: Llm = None,
    strip_boilerplate: StripBoilerplate = False,
    workers: Annotated[
        int | None,
        option(rich_help_panel=RUN, help="Decode processes (a GPU's, with Ray); one a core."),
    ] = None,
    engine: Annotated[
        str, option(rich_help_panel=RUN, help="local, or ray: all GPUs, also of many machines.")
    ] = "local",
    ray_address: Annotated[
        str | None,
        option(rich_help_panel=RUN, help="Of a Ray cluster; without, Ray starts on this machine."),
    ] = None,
    shard: Annotated[
        str | None,
        option(
            rich_help_panel=RUN,
            help="I/N, from 1/N to N/N: only this share of the videos; others may run beside it.",
        ),
    ] = None,
    video_timeout: Annotated[
        float,
        option(rich_help_panel=RUN, help="Seconds a decoder may go without a frame."),
    ] = 60.0,
    commit_every: Annotated[
        float, option(rich_help_panel=RUN, help="Seconds between commits.")
    ] = 30.0,
    retry_skipped: Annotated[
        bool,
        option(
            "--retry-skipped", rich_help_panel=RUN, help="Try skipped videos of this run again."
        ),
    ] = False,
    strict: Annotated[
        bool, option("--strict", rich_help_panel=RUN, help="Exit 1 if this start skipped anything.")
    ] = False,
    profile: Annotated[
        bool, option("--profile", rich_help_panel=RUN, help="Tell where the time went.")
    ] = False,
    as_json: Annotated[
        bool, option("--json", rich_help_panel=RUN, help="The summary as JSON on stdout.")
    ] = False,
    config: Annotated[
        Path | None,
        option(
            rich_help_panel=RUN,
            callback=read_config,
            is_eager=True,
            help="TOML file of these options.",
        ),
    ] = None,
) -> None:
    """Caption every clip of every video, into a run folder.

    The same command on the same folder goes on where it stopped.

    Options also come from --config, and from PSEUDOLABEL_CAPTION_MODEL and the like.

    Example: pseudolabel caption my_videos --out run
    """
    clip_options = ClipOptions.parse(
        clips, min_clip_s=min_clip, mark_cuts=mark_cuts, transcripts=transcripts
    )
    frame_options = FrameOptions(count=frames, snap=snap)  # type: ignore[arg-type]
    caption_options = CaptionOptions(
        model=model,
        prompt=prompt,
        max_new_tokens=max_new_tokens,
        beams=beams,
        samples=samples,
        top_p=top_p,
        temperature=temperature,
        seed=seed,
        dtype=dtype,  # type: ignore[arg-type]  # the record checks it
        device=device,
        batch_size=_batch_size(batch_size),
        trust_remote_code=trust_remote_code,
        concurrency=concurrency,
        timeout_s=timeout,
    )
    consolidate_options = ConsolidateOptions(
        strategy=strategy,  # type: ignore[arg-type]  # the record checks it
        text_encoder=text_encoder,
        llm=llm,
        strip_boilerplate=strip_boilerplate,
        device=device,
        dtype=dtype,
        concurrency=concurrency,
        timeout_s=timeout,
    )
    run_options = RunOptions(
        workers=usable_cores() if workers is None else workers,
        video_timeout_s=video_timeout,
        commit_every_s=commit_every,
        retry_skipped=retry_skipped,
        ray=_ray_options(engine, ray_address, workers),
        share=None if shard is None else Share.parse(shard),
    )

    from pseudolabel.runs.caption import caption_videos

    if model == "demo":
        say("note: the demo captioner knows only the demo's world of shapes")
    with progress_bar() as on_progress:
        tally = caption_videos(
            inputs,
            out,
            clips=clip_options,
            frames=frame_options,
            captioner=caption_options,
            scorer=scorer,
            consolidate=consolidate_options,
            run=run_options,
            on_progress=on_progress,
            on_wait=say_waiting,
        )
    # Of a share's run the others write the rest: each would read it all, and it may not be there.
    is_whole = shard is None
    if as_json:
        health = health_object(out) if is_whole else None
        echo_json({**summary_object(tally, out), "health": health})
    else:
        told = [*summary_lines(tally, out), *(profile_lines(tally) if profile else [])]
        for line in [*told, *(health_lines(out) if is_whole else [])]:
            say(line)
    if strict and tally.skipped:
        raise typer.Exit(1)


def _ray_options(engine: str, address: str | None, workers: int | None) -> RayOptions | None:
    if engine not in ("local", "ray"):
        raise OptionError(f"--engine {engine}: there is none", hint="one of: local, ray")
    if engine == "ray":
        return RayOptions(address, workers)
    if address is not None:
        raise OptionError(
            f"--ray-address {address} with --engine local", hint="--engine ray --ray-address ..."
        )
    return None


def _batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise OptionError(
            f"--batch-size {text}: not a number", hint="--batch-size auto, or such as 8"
        ) from None
