"""From captioned frames to captioned clips: a strategy, its models, and the flags of each row."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.captions import merging
from pseudolabel.captions.boilerplate import strip_boilerplate
from pseudolabel.captions.consolidate import Strategy, best, center, medoid, timeline
from pseudolabel.captions.health import HEALTH_VERSION, flags_of, rules
from pseudolabel.captions.options import ConsolidateOptions
from pseudolabel.errors import OptionError
from pseudolabel.records import CaptionedClip, ClipCaption, Consolidated, Flag
from pseudolabel.runs.pipeline.assembly import CaptionedVideo
from pseudolabel.runs.storage.writer import VideoRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pseudolabel.captioners.language_model import LanguageModel, LanguageModelOptions
    from pseudolabel.captioners.text_encoder import TextEncoder

CLIPS_AT_ONCE = 256  # whose texts are embedded together; fewer than are remembered
_PROMPTS_A_CALL = 4  # batches of the language model, so that prompts of like length meet


class Consolidator:
    """Gives clips their captions; a context manager that gives its models back.

    Args:
        options: The strategy, and what it needs. A text encoder is loaded at once, a language
            model when it is first needed.

    Raises:
        CaptionerError: If a model cannot be found, loaded or reached.
    """

    def __init__(self, options: ConsolidateOptions) -> None:
        self._options = options
        self._open = ExitStack()
        self._encoder = self._load_encoder(options)
        self._strategy = self._strategies()[options.strategy]
        self._waiting: list[CaptionedVideo] = []
        self._llm: LanguageModel | None = None
        self._llm_options = _llm_options(options)
        self._llm_identity = _identify(self._llm_options)

    def __enter__(self) -> Consolidator:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def described(self) -> dict[str, Any]:
        """What of it can change a row, under the names of the command's options."""
        encoder = self._encoder.identity if self._encoder else None
        return {
            "--strategy": self._options.strategy,
            "--text-encoder": encoder and model_name(**asdict(encoder)),
            "--llm": self._llm_identity and model_name(**asdict(self._llm_identity)),
            "--strip-boilerplate": self._options.strip_boilerplate,
            "health": HEALTH_VERSION,
        }

    def manifest(self) -> dict[str, Any]:
        """What `run.json` says of it besides: its models, and the rules of the flags."""
        encoder = self._encoder.identity if self._encoder else None
        return {
            "text_encoder": encoder and asdict(encoder),
            "llm": self._llm_identity and asdict(self._llm_identity),
            "health": rules(),
        }

    def add(self, videos: Sequence[CaptionedVideo]) -> list[VideoRows]:
        """Give clips their captions; what a language model waits for comes from a later call."""
        self._waiting += videos
        if self._llm_options is not None:
            clips = sum(len(video.clips) for video in self._waiting)
            if clips < _PROMPTS_A_CALL * self._language_model().batch_size:
                return []
        return self.finish()

    def finish(self) -> list[VideoRows]:
        """The videos that still waited."""
        videos, self._waiting = self._waiting, []
        clips = [clip for video in videos for clip in video.clips]
        captioned = iter(self._captioned(clips))
        return [
            VideoRows(tuple(next(captioned) for _ in video.clips), video.skipped, video.pairs)
            for video in videos
        ]

    def _captioned(self, clips: Sequence[CaptionedClip]) -> list[ClipCaption]:
        if self._llm_options is None:
            starts = range(0, len(clips), CLIPS_AT_ONCE)
            found = [made for at in starts for made in self._chosen(clips[at : at + CLIPS_AT_ONCE])]
        else:
            found = self._merged(clips)
        return [self._caption(clip, made) for clip, made in zip(clips, found, strict=True)]

    def _chosen(self, clips: Sequence[CaptionedClip]) -> list[Consolidated]:
        if self._encoder is not None:  # many texts at once; each clip then finds its own
            frames = (frame for clip in clips for frame in clip.frames)
            self._encoder.encode(list({c.text for frame in frames for c in frame.captions}))
        return [_made(self._strategy, clip) for clip in clips]

    def _caption(self, clip: CaptionedClip, made: Consolidated) -> ClipCaption:
        if self._options.strip_boilerplate:
            made = replace(made, text=strip_boilerplate(made.text))
        flags = flags_of(clip, made)
        return ClipCaption(clip, made.text, made.parts, made.is_rewritten, flags)

    def _merged(self, clips: Sequence[CaptionedClip]) -> list[Consolidated]:
        """By the language model, where a clip's frames say different things."""
        found = [_made(timeline, clip) for clip in clips]
        several = [at for at, made in enumerate(found) if len(made.parts) > 1]
        prompts = [merging.prompt(clips[at].plan.span, clips[at].frames) for at in several]
        answers = self._language_model().write(prompts) if prompts else []
        for at, answer in zip(several, answers, strict=True):
            found[at] = self._checked(clips[at], answer)
        return found

    def _checked(self, clip: CaptionedClip, answer: Any) -> Consolidated:
        from pseudolabel.captioners.protocol import Refusal

        if not isinstance(answer, Refusal):
            text = merging.cleaned(answer.text)
            if merging.refused(text, clip.frames, truncated=answer.truncated) is None:
                return merging.captioned_by_merge(text, clip.frames)
        stands = self._medoid()(clip.plan.span, clip.frames)
        return replace(stands, flags=(*stands.flags, Flag.MERGE_REJECTED))

    def _strategies(self) -> dict[str, Strategy]:
        return {
            "center": center,
            "medoid": self._medoid(),
            "best": best,
            "timeline": timeline,
            "llm": self._medoid(),  # where a merge is refused
        }

    def _medoid(self) -> Strategy:
        return medoid if self._encoder is None else partial(medoid, similarity=self._similarity)

    def _similarity(self, texts: Sequence[str]) -> NDArray[np.float64]:
        assert self._encoder is not None
        vectors = self._encoder.encode(texts).astype(np.float64)
        return np.asarray(vectors @ vectors.T)

    def _load_encoder(self, options: ConsolidateOptions) -> TextEncoder | None:
        if options.text_encoder is None:
            return None
        from pseudolabel.captioners.text_encoder import load_text_encoder

        encoder = load_text_encoder(
            options.text_encoder,
            device=options.device,
            dtype=options.dtype,  # type: ignore[arg-type]  # the loader checks it
        )
        self._open.callback(encoder.close)
        return encoder

    def _language_model(self) -> LanguageModel:
        from pseudolabel.captioners.language_model import load_language_model

        if self._llm is None:
            assert self._llm_options is not None
            self._llm = load_language_model(self._llm_options)
            self._open.callback(self._llm.close)
        return self._llm


def _made(strategy: Strategy, clip: CaptionedClip) -> Consolidated:
    """What a strategy makes of a clip; of one that was seen as a whole, out of its samples."""
    if not clip.seen_together:
        return strategy(clip.plan.span, clip.frames)
    made = strategy(clip.plan.span, clip.frames[:1])  # which has the texts of all
    last = len(clip.frames) - 1
    return replace(made, parts=tuple(replace(part, last_frame=last) for part in made.parts))


def check_scored(options: ConsolidateOptions, has_scores: bool) -> None:
    """Refuse a strategy that needs scores where there are none.

    Raises:
        OptionError: If so.
    """
    if options.strategy == "best" and not has_scores:
        raise OptionError(
            "--strategy best: the captions have no scores",
            hint="caption with --scorer NAME_OR_PATH, or --scorer demo",
        )


def _llm_options(options: ConsolidateOptions) -> LanguageModelOptions | None:
    if options.llm is None:
        return None
    from pseudolabel.captioners.language_model import LanguageModelOptions

    return LanguageModelOptions(
        model=options.llm,
        device=options.device,
        dtype=options.dtype,  # type: ignore[arg-type]  # the record checks it
        concurrency=options.concurrency,
        timeout_s=options.timeout_s,
    )


def _identify(options: LanguageModelOptions | None) -> Any:
    from pseudolabel.captioners.language_model import identify_language_model

    return None if options is None else identify_language_model(options)


def model_name(model: str, revision: str, dtype: str, **_: object) -> str:
    """A model as an option of a run: its name, revision and number format."""
    return " ".join(filter(None, (model, revision, dtype)))
