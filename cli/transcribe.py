"""`pseudolabel transcribe`: from videos to what is said in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._progress import Videos, videos_bar
from ._shared import Inputs, echo_json, option, read_config, say

if TYPE_CHECKING:
    from pseudolabel.evaluation.transcribe import TranscribeTally


def transcribe(
    inputs: Inputs,
    out: Annotated[str, option(help="The folder of transcripts.")],
    model: Annotated[
        str,
        option(
            help="A Whisper size, NAME\\[@revision] on the Hub, or a folder, for CTranslate2. "
            "auto: small, or large-v3-turbo on a GPU."
        ),
    ] = "auto",
    language: Annotated[
        str | None,
        option(help="Spoken in all of them, such as en.", show_default="told from each video"),
    ] = None,
    device: Annotated[str, option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    compute_type: Annotated[
        str, option(help="CTranslate2's name. auto: int8, or float16 on a GPU.")
    ] = "auto",
    batch_size: Annotated[
        int | None,
        option(help="Stretches of speech at a time.", show_default="8, or 2 on a CPU"),
    ] = None,
    strict: Annotated[bool, option("--strict", help="Exit 1 if anything was skipped.")] = False,
    as_json: Annotated[bool, option("--json", help="The summary as JSON on stdout.")] = False,
    config: Annotated[
        Path | None,
        option(callback=read_config, is_eager=True, help="A TOML file of these options."),
    ] = None,
) -> None:
    """Write down what is said in videos: WebVTT, and JSON with the times of words.

    The same command on the same folder goes on where it stopped.

    Example: pseudolabel transcribe my_videos --out transcripts
    """
    from pseudolabel.evaluation.transcribe import transcribe_videos
    from pseudolabel.speech.whisper_files import TranscribeOptions

    options = TranscribeOptions(
        model=model,
        language=language,
        device=device,
        compute_type=compute_type,
        batch_size=batch_size,
    )
    with videos_bar("loading the model", _heard) as on_progress:
        tally = transcribe_videos(inputs, out, options, on_progress=on_progress)
    if as_json:
        echo_json(_summary(tally, out))
    else:
        for line in _lines(tally, out):
            say(line)
    if strict and tally.skipped:
        raise typer.Exit(1)


def _heard(tally: TranscribeTally) -> Videos:
    skipped = sum(tally.skipped.values())
    line = (
        f"{tally.audio_s / 60:.1f} min of sound, {_speed(tally):.1f} x real time, {skipped} skipped"
    )
    return Videos(tally.videos + skipped, tally.total, line)


def _summary(tally: TranscribeTally, out: str) -> dict[str, Any]:
    return {
        "transcripts": out,
        "videos": tally.videos,
        "already_done": tally.already_done,
        "without_speech": tally.without_speech,
        "skipped": dict(sorted(tally.skipped.items())),
        "segments": tally.segments,
        "words": tally.words,
        "audio_hours": round(tally.audio_s / 3600, 6),
        "speech_hours": round(tally.speech_s / 3600, 6),
        "wall_s": round(tally.wall_s, 3),
        "times_real_time": round(_speed(tally), 3),
    }


def _lines(tally: TranscribeTally, out: str) -> list[str]:
    lines = [f"{out}: {tally.words} words of {tally.videos} videos"]
    if tally.already_done:
        lines[0] += f" ({tally.already_done} videos were done before)"
    if tally.without_speech:
        lines.append(f"  no speech      in {tally.without_speech} of them: an empty transcript")
    if tally.skipped:
        reasons = ", ".join(f"{count} {why}" for why, count in tally.skipped.most_common())
        lines.append(f"  skipped        {reasons}; see {out}/skipped.jsonl")
    if tally.videos:
        speech = f"{tally.speech_s / 60:.1f} min of {tally.audio_s / 60:.1f} min of sound"
        lines.append(f"  speech         {speech}")
        lines.append(f"  speed          {_speed(tally):.1f} x real time over {tally.wall_s:.1f} s")
    return lines


def _speed(tally: TranscribeTally) -> float:
    return tally.audio_s / tally.wall_s if tally.wall_s else 0.0
