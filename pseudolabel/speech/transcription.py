"""Speech to text, with faster-whisper.

Speech is found first (Silero VAD) and transcribed in batches of stretches of up to 30 seconds.
Whisper's own timestamps are not asked for: batched, it drops what it says after the last one.
Its words are aligned with the sound instead, and `sentences` makes segments of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pseudolabel.errors import OptionError
from pseudolabel.speech.sentences import HeardSegment, HeardWord, as_sentences, plain_segment
from pseudolabel.speech.whisper_files import WhisperFiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000  # what Whisper hears
GPU_BATCH = 8  # stretches of up to 30 s
CPU_BATCH = 2  # more gains little there, and Ctrl-C waits for a batch to end


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """A stretch of sound, and when it is heard."""

    start_s: float  # player's clock
    samples: NDArray[np.float32]  # (N,) mono at SAMPLE_RATE_HZ, -1 to 1

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return len(self.samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in one video, as a model heard it."""

    segments: tuple[HeardSegment, ...]  # in the order said
    language: str | None  # code, such as "en"; None: no speech, and none was asked for
    audio_s: float
    speech_s: float  # of it, what is speech


class Transcriber:
    """A Whisper model, loaded.

    Args:
        files: Which one, and how it computes: see `find_whisper`.
        language: A code, such as "en"; None: told by the first speech of each video.
        batch_size: Stretches of speech transcribed at a time; None: `GPU_BATCH` or `CPU_BATCH`.

    Raises:
        OptionError: If the files are no Whisper model for CTranslate2, or it does not know the
            language.
    """

    def __init__(
        self, files: WhisperFiles, *, language: str | None = None, batch_size: int | None = None
    ) -> None:
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        try:
            model = WhisperModel(
                str(files.folder),
                device=files.device,
                device_index=files.device_index,
                compute_type=files.compute_type,
                cpu_threads=_threads(),
            )
        except (RuntimeError, ValueError) as error:
            raise OptionError(
                f"--model {files.model}: cannot be loaded on {files.device}: {error}",
                hint="a Whisper model converted for CTranslate2; see --device, --compute-type",
            ) from error
        known = model.supported_languages
        if language is not None and language not in known:
            some = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
            raise OptionError(
                f"--language {language}: {files.model} does not know it", hint=f"one of: {some}"
            )
        self._pipeline: Any = BatchedInferencePipeline(model)
        self._language = language
        self._batch_size = batch_size or (CPU_BATCH if files.device == "cpu" else GPU_BATCH)

    def transcribe(
        self, blocks: Iterable[AudioBlock], on_progress: Callable[[float], None] | None = None
    ) -> Heard:
        """What is said in the sound of one video.

        Args:
            blocks: Its sound, in order; an error they raise passes through.
            on_progress: Called with the seconds heard so far.

        Raises:
            OptionError: If the device has too little memory for the batch.
        """
        language = self._language
        audio_s = speech_s = 0.0
        segments: list[HeardSegment] = []
        for block in blocks:
            if not len(block.samples):
                continue
            raw, info = self._understood(block, language)
            for part in raw:
                segments += _segments(part, block.start_s)
                if on_progress is not None:
                    on_progress(min(audio_s + float(part.end), audio_s + block.duration_s))
            audio_s += block.duration_s
            speech_s += float(info.duration_after_vad)
            if info.duration_after_vad:  # without speech, the language is a guess at silence
                language = info.language
            if on_progress is not None:
                on_progress(audio_s)
        return Heard(tuple(segments), language, audio_s, speech_s)

    def _understood(self, block: AudioBlock, language: str | None) -> tuple[Iterator[Any], Any]:
        raw, info = self._pipeline.transcribe(
            block.samples,
            language=language,
            batch_size=self._batch_size,
            vad_filter=True,
            word_timestamps=True,
            without_timestamps=True,
        )
        return self._explained(raw), info

    def _explained(self, raw: Iterable[Any]) -> Iterator[Any]:
        try:
            yield from raw
        except RuntimeError as error:
            if "out of memory" not in str(error):
                raise
            raise OptionError(
                f"--batch-size {self._batch_size}: {error}",
                hint="a smaller --batch-size, a smaller --model, or --compute-type int8",
            ) from error


def _segments(part: Any, start_s: float) -> list[HeardSegment]:
    """Of up to 30 seconds of speech, as faster-whisper gives it, in a block that starts then."""
    if part.words:
        return as_sentences(
            HeardWord(
                start_s + float(word.start),
                start_s + float(word.end),
                word.word,
                float(word.probability),
            )
            for word in part.words
        )
    plain = plain_segment(start_s + float(part.start), start_s + float(part.end), part.text)
    return [] if plain is None else [plain]


def _threads() -> int:
    """Threads on a CPU: CTranslate2 would take four; 0 leaves it to OMP_NUM_THREADS."""
    if os.environ.get("OMP_NUM_THREADS"):
        return 0
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
