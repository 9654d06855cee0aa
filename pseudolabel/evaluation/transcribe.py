"""`transcribe_videos`: from videos to a folder of transcripts, and on from where it stopped."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pseudolabel.evaluation.transcripts.folder import TranscriptFolder
from pseudolabel.records import Skipped, Video
from pseudolabel.speech.transcript_files import transcript_json, webvtt
from pseudolabel.speech.transcription import Heard, Transcriber
from pseudolabel.speech.whisper_files import TranscribeOptions, WhisperFiles, find_whisper
from pseudolabel.videos.audio import AudioSkippedError, audio_blocks
from pseudolabel.videos.sources.listing import list_videos

COUNTED_AHEAD = 20_000  # inputs listed before work starts, so that progress knows its end
RECORDED_PACKAGES = ("pseudolabel", "faster-whisper", "ctranslate2", "av")


@dataclass(slots=True)
class TranscribeTally:
    """What a start of `transcribe_videos` has done so far."""

    total: int | None = None  # videos to do, where the inputs are few enough to be counted
    already_done: int = 0  # videos an earlier start had done
    videos: int = 0  # transcribed by this one
    without_speech: int = 0  # of these, those whose transcript is empty
    segments: int = 0
    words: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # videos, by reason
    audio_s: float = 0.0  # of sound heard, in the video at hand as well
    speech_s: float = 0.0  # of it, speech; of finished videos
    wall_s: float = 0.0  # since the model is loaded

    def add(self, heard: Heard) -> None:
        """Count one finished video; its sound is counted as it is heard."""
        self.videos += 1
        self.without_speech += not heard.segments
        self.segments += len(heard.segments)
        self.words += sum(len(segment.segment.text.split()) for segment in heard.segments)
        self.speech_s += heard.speech_s


def transcribe_videos(
    inputs: Sequence[str],
    out: str,
    options: TranscribeOptions | None = None,
    *,
    on_progress: Callable[[TranscribeTally], None] | None = None,
) -> TranscribeTally:
    """Write down what is said in videos, as WebVTT and as JSON with the times of words.

    Started again with the same options on the same folder, it goes on where it stopped: a video
    whose transcript stands there, and that has not changed since, is not heard again. One without
    speech gets an empty transcript. One that cannot be heard is a line of `skipped.jsonl`, and is
    tried again by the next start.

    Args:
        inputs: As of `caption_videos`: files, folders, globs, `@list.txt`, tables, URLs.
        out: The folder of transcripts, on this machine.
        options: The model and how it computes.
        on_progress: Called with the tally so far.

    Raises:
        InputError: If an input is missing, or two videos claim one id.
        MissingExtraError: If faster-whisper is not installed.
        OptionError: If there is no such model, device, compute type or language.
        RunError: If `out` cannot be written, or was made with other options.
    """
    options = options or TranscribeOptions()
    listed = list_videos(inputs)
    ahead = list(itertools.islice(listed, COUNTED_AHEAD))
    files = find_whisper(options)
    tally = TranscribeTally()
    described = described_options(files, options)
    with TranscriptFolder(out, described) as folder:
        left = list(_left(ahead, folder, tally))
        if len(ahead) < COUNTED_AHEAD:
            tally.total = len(left)
        work = itertools.chain(left, _left(listed, folder, tally))
        first = next(work, None)
        if first is None:
            folder.forget_skipped()
            return tally
        model = Transcriber(files, language=options.language, batch_size=options.batch_size)
        folder.begin(_manifest(files))
        header = {"options": described, "versions": _versions()}
        _transcribe_all(itertools.chain([first], work), folder, model, header, tally, on_progress)
    return tally


def described_options(files: WhisperFiles, options: TranscribeOptions) -> dict[str, Any]:
    """Everything that can change a transcript, under the names of the command's options."""
    return {
        "--model": files.model,
        "revision": files.revision,
        "--language": options.language,
        "--compute-type": files.compute_type,
    }


def _left(
    videos: Iterable[Video | Skipped], folder: TranscriptFolder, tally: TranscribeTally
) -> Iterator[Video | Skipped]:
    """Those that are not done; the others are counted."""
    for video in videos:
        if isinstance(video, Video) and folder.has(video):
            tally.already_done += 1
        else:
            yield video


def _transcribe_all(
    work: Iterable[Video | Skipped],
    folder: TranscriptFolder,
    model: Transcriber,
    header: Mapping[str, Any],
    tally: TranscribeTally,
    on_progress: Callable[[TranscribeTally], None] | None,
) -> None:
    started_s = time.perf_counter()
    for video in work:
        if isinstance(video, Skipped):
            _skip(video, video.reason.value, video.detail, folder, tally)
            continue
        before_s = tally.audio_s

        def show(heard_s: float, before_s: float = before_s) -> None:
            tally.audio_s = before_s + heard_s
            tally.wall_s = time.perf_counter() - started_s
            if on_progress is not None:
                on_progress(tally)

        try:
            heard = model.transcribe(audio_blocks(video.source), show)
        except AudioSkippedError as error:
            _skip(video, error.reason, error.detail, folder, tally)
        else:
            words = transcript_json({**_facts(video, heard), **header}, heard.segments)
            vtt = webvtt(segment.segment for segment in heard.segments)
            folder.write(video.video_id, vtt, words)
            tally.add(heard)
        show(tally.audio_s - before_s)


def _skip(
    video: Video | Skipped,
    reason: str,
    detail: str,
    folder: TranscriptFolder,
    tally: TranscribeTally,
) -> None:
    tally.skipped[reason] += 1
    line = {"video_id": video.video_id, "source": video.source, "reason": reason}
    folder.skip({**line, "detail": detail})


def _facts(video: Video, heard: Heard) -> dict[str, Any]:
    return {
        "video_id": video.video_id,
        "source": video.source,
        "listed": video.listed,
        "language": heard.language,
        "audio_s": round(heard.audio_s, 3),
        "speech_s": round(heard.speech_s, 3),
    }


def _manifest(files: WhisperFiles) -> dict[str, Any]:
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": files.device,
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    return {package: version(package) for package in RECORDED_PACKAGES}
