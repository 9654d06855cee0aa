"""Pages for the tests: clips, sections and sheets, small or of any number of clips."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from pseudolabel.evaluation.page.page import write_page
from pseudolabel.evaluation.page.parts import (
    Column,
    Figure,
    FrameText,
    Headline,
    PageClip,
    Pair,
    Rating,
    Section,
    Table,
)
from pseudolabel.evaluation.page.plots import Bar, BarGroup, bars, curve, histograms

QUESTION = "Is at least one object or action named in this text visible in the frame?"
COLUMNS = (
    Column("pseudolabel", "Pseudolabel", "text", help="What the captioner wrote."),
    Column("transcript", "Transcript", "text", help="What was said during the clip."),
    Column("start_s", "Start", "time", help="Where the clip starts.", digits=1),
    Column("words", "Common words", "number", help="Content words in both.", digits=0),
    Column(
        "grounded", "Pseudolabel fits", "number", help="Similarity with the frame.", good="high"
    ),
    Column("spoken", "Transcript fits", "number", help="Similarity with the frame.", good="high"),
    Column("flags", "Flags", "flags"),
    Column("bleu", "BLEU-4", "number", good="high", listed=False),
)
_COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
_SHAPES = ("circle", "square", "triangle", "star")
_PLACES = ("on a grey table", "beside a tall white wall", "near the window of a small room")
_SPEECH = (
    "so what you want to do now is you want to take this and just set it aside for a minute",
    "hey guys welcome back to my channel today we are going to",
    "and then I said to her that is not what I meant at all",
    "",
    "you can see the %s %s right here on the left of the table",
)


def picture(seed: int, width: int = 160) -> bytes:
    """A JPEG of one shape."""
    height = width * 9 // 16
    colour = _COLOURS[seed % len(_COLOURS)]
    image = Image.new("RGB", (width, height), ("#39424e", "#586273", "#75675a")[seed % 3])
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height * 2 // 3, width, height), fill="#8d8577")
    left = width // 6 + seed * 37 % (width // 2)
    draw.ellipse((left, height // 4, left + height // 2, height * 3 // 4), fill=colour)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()


def clips(count: int, *, seed: int = 0) -> Iterator[PageClip]:
    """Clips of a made-up set, `v0000/000` and so on, a video every ten."""
    random_ = random.Random(seed)
    pictures = [picture(i) for i in range(24)]
    for i in range(count):
        colour, shape = random_.choice(_COLOURS), random_.choice(_SHAPES)
        caption = f"a {colour} {shape} {random_.choice(_PLACES)}"
        speech = random_.choice(_SPEECH)
        speech = speech % (colour, shape) if "%" in speech else speech
        flags = [flag for flag in ("repeated", "low similarity", "loop") if random_.random() < 0.12]
        yield PageClip(
            key=f"v{i // 10:04}/{i % 10:03}",
            title=f"kitchen-tour-{i // 10:04}.mp4, clip {i % 10}",
            values={
                "pseudolabel": caption,
                "transcript": speech or None,
                "start_s": 8.0 * (i % 10),
                "words": float(len(set(caption.split()) & set(speech.split()))),
                "grounded": min(1.0, max(0.0, random_.gauss(0.31, 0.05))),
                "spoken": min(1.0, max(0.0, random_.gauss(0.22, 0.05))) if speech else None,
                "flags": [*flags, *([] if speech else ["no transcript"])],
                "bleu": random_.random(),
            },
            image=pictures[i % 24],
            frames=(
                FrameText(8.0 * (i % 10) + 2, [f"a {colour} {shape}", caption], None, [0.21, 0.27]),
                FrameText(8.0 * (i % 10) + 4, [caption, f"the {shape}"], 0, [0.31, None]),
                FrameText(8.0 * (i % 10) + 6, ["a table"], None, [0.12]),
            ),
        )


def rating(count: int, questions: Sequence[str] = (QUESTION,)) -> Rating:
    """A sheet about the first `count` clips of `clips`."""
    pairs = [
        Pair(
            clip.key,
            clip.title,
            {side: str(clip.values[side] or "") for side in ("pseudolabel", "transcript")},
            picture(i, width=480),
        )
        for i, clip in enumerate(clips(count))
    ]
    return Rating(pairs, questions, seed=3)


def sections() -> list[Section]:
    """A summary with every kind of part."""
    random_ = random.Random(1)
    near = [random_.gauss(0.31, 0.05) for _ in range(3000)]
    far = [random_.gauss(0.22, 0.05) for _ in range(3000)]
    offsets = [float(s) for s in range(-30, 31)]
    agreement = [0.08 + 0.1 / (1 + ((s - 10) / 6) ** 2) for s in offsets]
    shares = [
        BarGroup("Clips with any text", (Bar(1.0, 1.0, 1.0), Bar(0.81, 0.78, 0.84))),
        BarGroup("Wins against the other", (Bar(0.71, 0.67, 0.75), Bar(0.29, 0.25, 0.33))),
        BarGroup("Above the floor", (Bar(0.63, 0.58, 0.67), Bar(0.12, 0.09, 0.16))),
        BarGroup("Exact duplicates", (Bar(0.04, 0.03, 0.06), None)),
    ]
    names = ("Pseudolabel", "Transcript")
    table = Table(
        ("Measure", *names, "Difference", "p"),
        [
            ("Coverage", "100 %", "81 % (78 to 84)", "+19 % (16 to 22)", "< 0.001"),
            ("Words a clip", "7.2 (7.1 to 7.3)", "11.4 (10.8 to 12.0)", "\u22124.2", "< 0.001"),
            ("Distinct-2", "0.41", "0.62", "\u22120.21", "< 0.001"),
            ("Self-BLEU", "0.38 (0.36 to 0.40)", "\u2013", "", ""),
        ],
    )
    grounded = Section(
        "Groundedness",
        [
            "Image-text similarity of each text with the frames of its own clip, beside a floor "
            "of shuffled pairs."
        ],
        figures=[
            Figure("Shares of clips", bars(shares, names, title="Shares", percent=True), "95 %."),
            Figure(
                "Similarity with the frames",
                histograms(
                    near, far, names, title="Similarity", x_label="cosine", marks=[(0.26, "floor")]
                ),
                "The floor is the 95th percentile of shuffled pairs.",
            ),
            Figure(
                "Agreement over offsets",
                curve(
                    offsets,
                    agreement,
                    [y - 0.012 for y in agreement],
                    [y + 0.012 for y in agreement],
                    mark=10.0,
                    title="Agreement over offsets",
                    x_label="offset of the transcript (s)",
                    mark_label="+10 s",
                ),
                "The speech follows the picture by ten seconds.",
            ),
        ],
    )
    return [Section("Text", ["How much there is, and how varied."], table), grounded]


def small_page(out: Path, count: int = 60, *, pairs: int = 0) -> Path:
    """A page with a summary, `count` clips and, if asked for, a rating sheet."""
    write_page(
        out,
        title="Pseudolabels against transcripts",
        subtitle="run kitchen-tours, blip-image-captioning-base, 23 November 2026",
        sections=sections(),
        columns=COLUMNS,
        clips=clips(count),
        rating=rating(pairs) if pairs else None,
        headlines=[
            Headline("71 %", "Pseudolabel fits the frames better", "95 % interval 67 to 75 %"),
            Headline("63 %", "Pseudolabels above the floor", "58 to 67 %"),
            Headline("12 %", "Transcripts above the floor", "9 to 16 %"),
            Headline("+10 s", "The speech follows the picture", "8 to 12 s"),
        ],
    )
    return out
