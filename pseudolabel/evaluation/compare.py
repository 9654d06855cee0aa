"""`compare`: captions beside what was said during the same clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pseudolabel.captions.words import content_tokens, tokens
from pseudolabel.errors import InputError, OptionError
from pseudolabel.evaluation.clips import Clips, read_clips
from pseudolabel.evaluation.comparison import Comparison, Found, Measure
from pseudolabel.evaluation.measuring import measures
from pseudolabel.evaluation.measuring.agreement import OffsetSearch, overlap, search_offsets
from pseudolabel.evaluation.measuring.grounding import Likeness, clip_pictures, likeness
from pseudolabel.evaluation.measuring.intervals import Videos
from pseudolabel.evaluation.measuring.rated import rating_measures
from pseudolabel.evaluation.measuring.scoring import Judged, judged_clips, reference_measures
from pseudolabel.evaluation.measuring.spoken import SpokenWords, spoken_words
from pseudolabel.evaluation.transcripts.source import TranscriptSource
from pseudolabel.runs.cores import usable_cores

if TYPE_CHECKING:
    from pseudolabel.captioners.scorer import Scorer

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


@dataclass(slots=True)
class _Findings:
    """What the judges find, added up one judge at a time."""

    columns: dict[str, Any]  # one value a clip
    warnings: list[str]
    measures: list[Measure] = field(default_factory=list)


def compare(
    where: str,
    options: CompareOptions,
    *,
    on_step: Callable[[str], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
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
        on_progress: Called with the number of frames that the scorer has looked at so far.

    Raises:
        InputError: If there is no clip, or no transcript of any of its videos.
        CaptionerError: If a scorer or text encoder cannot be loaded.
        EvaluationError: If no reference is of a clip, or Java is missing or fails.
    """
    say = on_step or (lambda _line: None)
    say("reading clips and transcripts")
    texts = read_texts(where, options)
    judged, rated = _of_people(texts, options)
    videos = Videos(texts.clips.video, seed=options.seed)
    findings = _Findings(columns={"transcript": texts.said}, warnings=_warnings(texts))
    say("comparing words")
    offsets = _add_words(findings, texts, videos)
    if options.text_encoder is not None:
        say(f"encoding texts with {options.text_encoder}")
        _add_meaning(findings, texts, options, videos)
    if options.scorer is not None:
        say(f"looking at {options.frames} frames of each clip with {options.scorer}")
        _add_groundedness(findings, texts, options, videos, on_progress)
    if judged is not None:
        say("scoring against references")
        _add_references(findings, texts, judged, options)
    findings.measures += rated
    if options.ratings is not None and not rated:
        findings.warnings.append(
            f"--ratings {options.ratings}: no clip has a yes or no to both of its texts"
        )
    return Comparison(
        source=where,
        compared=texts.clips,
        found=texts.found,
        measures=tuple(findings.measures),
        offsets=offsets,
        options=asdict(options),
        warnings=tuple(findings.warnings),
        columns=findings.columns,
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


def _add_words(findings: _Findings, texts: Texts, videos: Videos) -> OffsetSearch | None:
    """Coverage and agreement; gives when the captions' words are said."""
    both = (texts.clips.captions, texts.said)
    content = (content_tokens(both[0]), content_tokens(both[1]))
    has_speech = np.array([bool(said) for said in texts.said])
    common = overlap(*content)
    findings.measures += measures.coverage(both, (tokens(both[0]), tokens(both[1])), videos)
    findings.measures += measures.agreement(common, has_speech, videos)
    findings.columns["words_in_common"] = common.common
    findings.columns["jaccard"] = np.where(has_speech, common.jaccard, np.nan)
    return search_offsets(texts.clips, content[0], texts.spoken, videos)


def _add_meaning(
    findings: _Findings, texts: Texts, options: CompareOptions, videos: Videos
) -> None:
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
    findings.measures += measures.semantic(similarity, chance, videos)
    findings.columns["semantic_similarity"] = similarity


def _add_groundedness(
    findings: _Findings,
    texts: Texts,
    options: CompareOptions,
    videos: Videos,
    on_progress: Callable[[int], None] | None,
) -> None:
    from pseudolabel.captioners.scorer import load_scorer

    clips = texts.clips
    with closing(load_scorer(str(options.scorer), device=options.device)) as scorer:
        pictures = clip_pictures(
            clips,
            scorer,
            frames=options.frames,
            workers=options.workers or usable_cores(),
            on_progress=on_progress,
        )
        if not np.isfinite(pictures).any():
            raise InputError(
                "--scorer: no frame of any video could be read",
                hint="the videos must be where the run found them",
            )
        caption, said = (
            likeness(clips, pictures, side, scorer, options.seed)
            for side in (clips.captions, texts.said)
        )
        cut = [_cut(side, scorer) for side in (clips.captions, texts.said)]
    findings.measures += measures.groundedness(caption, said, videos)
    if unseen := int((~np.isfinite(pictures).all(axis=1)).sum()):
        findings.warnings.append(
            f"{unseen} of {len(clips)} clips have no frame that can be read: groundedness leaves "
            "them out"
        )
    findings.warnings += _without_chance(caption, said)
    for name, found in (("caption", caption), ("transcript", said)):
        findings.columns[f"{name}_similarity"] = found.similarity
        findings.columns[f"{name}_percentile"] = found.percentile
    if any(cut):
        findings.warnings.append(
            f"{options.scorer} reads only the beginning of {cut[0]} captions and of the speech of "
            f"{cut[1]} clips: they are longer than it takes"
        )


def _without_chance(caption: Likeness, said: Likeness) -> Iterator[str]:
    for what, found in (("captions", caption), ("speech", said)):
        if np.isfinite(found.similarity).any() and not np.isfinite(found.threshold):
            yield f"{what} of one video only: there is no chance to hold their likeness against"


def _of_people(texts: Texts, options: CompareOptions) -> tuple[Judged | None, list[Measure]]:
    """References and ratings: read first, for other judges may work for hours before them."""
    judged, rated = None, list[Measure]()
    if options.references is not None:
        judged = judged_clips(texts.clips, options.references, java=options.java)
    if options.ratings is not None:
        rated += rating_measures(options.ratings, texts.clips, options.seed)
    return judged, rated


def _add_references(
    findings: _Findings, texts: Texts, judged: Judged, options: CompareOptions
) -> None:
    scores, told = reference_measures(
        texts.clips, texts.said, judged, java=options.java, seed=options.seed
    )
    findings.measures += scores
    findings.warnings += told


def _cut(texts: Sequence[str], scorer: Scorer) -> int:
    """How many texts are longer than the scorer takes."""
    return sum(count for text, count in Counter(texts).items() if scorer.is_cut(text))


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
