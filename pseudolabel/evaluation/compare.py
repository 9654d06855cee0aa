"""`compare`: captions beside what was said during the same clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pseudolabel.captions.words import content_tokens, tokens
from pseudolabel.errors import InputError, OptionError
from pseudolabel.evaluation.clips import Clips, read_clips
from pseudolabel.evaluation.comparison import Comparison, Found, Measure
from pseudolabel.evaluation.measuring import measures
from pseudolabel.evaluation.measuring.agreement import overlap, search_offsets
from pseudolabel.evaluation.measuring.grounding import Likeness, clip_pictures, likeness
from pseudolabel.evaluation.measuring.intervals import Floats, Videos
from pseudolabel.evaluation.measuring.rated import rating_measures
from pseudolabel.evaluation.measuring.scoring import reference_measures
from pseudolabel.evaluation.measuring.spoken import SpokenWords, spoken_words
from pseudolabel.evaluation.metrics.references import read_references
from pseudolabel.evaluation.transcripts.source import TranscriptSource
from pseudolabel.runs.options import usable_cores

_FEW_VIDEOS = 20  # fewer give intervals that say little


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What is compared, and with which judges.

    Raises:
        OptionError: If a value is not allowed.
    """

    transcripts: str  # a folder or file; see `TranscriptSource`
    mapping: str | None = None  # a table that says which transcript is of which video
    text_encoder: str | None = None  # for likeness of meaning
    scorer: str | None = None  # for likeness with the frames; "demo" ships with the package
    frames: int = 3  # of each clip, that the scorer sees
    references: str | None = None  # what people wrote
    java: bool = True  # METEOR and the usual tokenizer need it
    ratings: str | None = None  # a file that the report's rating sheet saved
    device: str = "auto"
    workers: int | None = None  # decode processes; None: one a core
    seed: int = 0

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise OptionError(f"--frames {self.frames}: must be 1 or more", hint="--frames 3")


@dataclass(frozen=True, slots=True)
class Texts:
    """The two texts of every clip."""

    clips: Clips
    said: tuple[str, ...]  # during each clip
    spoken: Mapping[int, SpokenWords]  # by the number of the video; only those with a transcript
    found: Found


def compare(
    where: str, options: CompareOptions, *, on_step: Callable[[str], None] | None = None
) -> Comparison:
    """Compare the captions of a run or a release with transcripts of its videos.

    Every clip's caption stands beside the words that were said during it. Figures are of all
    clips, with 95 % intervals for which whole videos are drawn, and paired tests.

    With a scorer this is the automatic version of two tests by eye: in 51 % of 400 clips of
    HowTo100M at least one mentioned object or action is visible (Miech et al. 2019, section 3.2),
    and 30 % of narration sentences can be aligned with their video at all (Han et al. 2022).

    Args:
        where: A run folder, or a release here or on the Hub.
        options: Transcripts and judges.
        on_step: Called with a line before each step.

    Raises:
        InputError: If there is no clip, or no transcript of any of its videos.
        CaptionerError: If a scorer or text encoder cannot be loaded.
    """
    say = on_step or (lambda _line: None)
    say("reading clips and transcripts")
    texts = read_texts(where, options)
    clips = texts.clips
    videos = Videos(clips.video, seed=options.seed)
    both = (clips.captions, texts.said)
    say("comparing words")
    counted = (tokens(both[0]), tokens(both[1]))
    content = (content_tokens(both[0]), content_tokens(both[1]))
    has_speech = np.array([bool(said) for said in texts.said])
    common = overlap(*content)
    found: list[Measure] = [
        *measures.coverage(both, counted, videos),
        *measures.agreement(common, has_speech, videos),
    ]
    columns: dict[str, Any] = {
        "words_in_common": common.common,
        "jaccard": np.where(has_speech, common.jaccard, np.nan),
    }
    offsets = search_offsets(clips, content[0], texts.spoken, videos)
    if options.text_encoder is not None:
        say(f"encoding texts with {options.text_encoder}")
        found += _semantic(texts, options, videos, columns)
    if options.scorer is not None:
        say(f"looking at {options.frames} frames of each clip with {options.scorer}")
        found += _grounded(texts, options, videos, columns)
    if options.references is not None:
        say("scoring against references")
        references = read_references(options.references)
        found += reference_measures(
            clips, texts.said, references, java=options.java, seed=options.seed
        )
    if options.ratings is not None:
        found += rating_measures(options.ratings, clips, options.seed)
    return Comparison(
        source=where,
        clips=len(clips),
        videos=len(clips.video_ids),
        found=texts.found,
        measures=tuple(found),
        offsets=offsets,
        options=asdict(options),
        warnings=tuple(_warnings(texts)),
        columns={"transcript": texts.said, **columns},
    )


def read_texts(where: str, options: CompareOptions) -> Texts:
    """The clips, and what was said during each.

    Raises:
        InputError: If no video has a transcript.
    """
    clips = read_clips(where)
    source = TranscriptSource(options.transcripts, mapping=options.mapping)
    numbers = {video_id: number for number, video_id in enumerate(clips.video_ids)}
    spoken = {
        numbers[video_id]: spoken_words(transcript.segments)
        for video_id, transcript in source.find(clips.video_ids)
    }
    if not spoken:
        raise InputError(
            f"{options.transcripts}: no transcript of any of the {len(clips.video_ids)} videos, "
            f"such as {clips.video_ids[0]!r}"
            + (f"; there is one of {source.unused[0]!r}" if source.unused else ""),
            hint="name transcripts by the videos' ids, or give --map TABLE",
        )
    silent = SpokenWords(np.zeros(0), ())
    said = tuple(
        spoken.get(int(video), silent).between(start_s, end_s)
        for video, start_s, end_s in zip(clips.video, clips.start_s, clips.end_s, strict=True)
    )
    return Texts(
        clips,
        said,
        spoken,
        Found(
            videos_with=len(spoken),
            missing=tuple(source.missing),
            unused=tuple(source.unused),
            unreadable=tuple(source.unreadable),
            dropped=source.dropped,
        ),
    )


def _semantic(
    texts: Texts, options: CompareOptions, videos: Videos, columns: dict[str, Any]
) -> list[Measure]:
    from pseudolabel.captioners.text_encoder import load_text_encoder

    encoder = load_text_encoder(str(options.text_encoder), device=options.device)
    known = np.array([bool(c and s) for c, s in zip(texts.clips.captions, texts.said, strict=True)])
    rows = np.flatnonzero(known)
    similarity, chance = (np.full(len(known), np.nan) for _ in range(2))
    if len(rows):
        captions = encoder.encode([texts.clips.captions[row] for row in rows])
        said = encoder.encode([texts.said[row] for row in rows])
        similarity[rows] = (captions * said).sum(axis=1)
        other = np.random.default_rng(options.seed).permutation(len(rows))
        differs = texts.clips.video[rows] != texts.clips.video[rows[other]]
        chance[rows[differs]] = (captions * said[other]).sum(axis=1)[differs]
    encoder.close()
    columns["semantic_similarity"] = similarity
    return list(measures.semantic(similarity, chance, videos))


def _grounded(
    texts: Texts, options: CompareOptions, videos: Videos, columns: dict[str, Any]
) -> list[Measure]:
    from pseudolabel.captioners.scorer import load_scorer

    scorer = load_scorer(str(options.scorer), device=options.device)
    workers = options.workers or usable_cores()
    pictures = clip_pictures(texts.clips, scorer, frames=options.frames, workers=workers)
    sides: list[Likeness] = []
    for name, side in (("caption", texts.clips.captions), ("transcript", texts.said)):
        found = likeness(texts.clips, pictures, side, scorer, options.seed)
        columns[f"{name}_similarity"] = found.similarity
        columns[f"{name}_percentile"] = found.percentile
        sides.append(found)
    scorer.close()
    if not np.isfinite(pictures).any():
        raise InputError(
            "--scorer: no frame of any video could be read",
            hint="the videos must be where the run found them",
        )
    return list(measures.groundedness(sides[0], sides[1], videos))


def _warnings(texts: Texts) -> list[str]:
    found = texts.found
    warnings = []
    if found.missing:
        warnings.append(
            f"{len(found.missing)} of {len(texts.clips.video_ids)} videos have no transcript, "
            f"such as {found.missing[0]!r}"
        )
    if found.unused:
        warnings.append(
            f"{len(found.unused)} transcripts are of no video here, such as {found.unused[0]!r}"
        )
    if found.unreadable:
        file, why = found.unreadable[0]
        warnings.append(f"{len(found.unreadable)} transcripts cannot be read: {file}: {why}")
    if found.dropped:
        warnings.append(f"{found.dropped} cues without usable times or text were left out")
    if len(texts.clips.video_ids) < _FEW_VIDEOS:
        warnings.append(
            f"only {len(texts.clips.video_ids)} videos: the intervals say little, since clips of "
            "one video are not independent"
        )
    return warnings


def write_clips(comparison: Comparison, clips: Clips, path: Path) -> None:
    """Write `clips.parquet`: a row a clip, with both texts and all scores."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        "video_id": [clips.video_ids[video] for video in clips.video],
        "clip_index": pa.array(clips.clip_index, pa.int32()),
        "start_s": clips.start_s,
        "end_s": clips.end_s,
        "caption": list(clips.captions),
        "transcript": list(comparison.columns["transcript"]),
    }
    for name, values in comparison.columns.items():
        if name != "transcript":
            columns[name] = _nullable(values)
    pq.write_table(pa.table(columns), path, compression="zstd")


def _nullable(values: Floats) -> Any:
    import pyarrow as pa

    is_unknown = np.isnan(values) if values.dtype.kind == "f" else None
    return pa.array(values, mask=is_unknown)
