"""From rows to what the page shows of a clip: its frames, all texts, times and scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pseudolabel.evaluation.page.parts import Column, FrameText, PageClip, Timeline, Value

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]

_LOOKS = ("brightness", "contrast", "change", "text_share")
_COUNTED = ("texts", "words")  # in no row
_COLUMNS = (
    Column("caption", "Caption", "text"),
    Column("flags", "Flags", "flags", help="What to know of the caption; rules in the summary."),
    Column(
        *("similarity", "Similarity", "number"),
        good="high",
        help="Cosine of the caption and its frame, under the scorer.",
    ),
    Column(
        *("chance_percentile", "% of chance", "number"),
        digits=0,
        good="high",
        help="How many of 100 captions of other videos are less like the frame: 50 is chance.",
    ),
    Column(
        *("mean_logprob", "Log-prob.", "number"),
        digits=2,
        good="high",
        help="Mean log-probability of the caption's tokens, under the captioner.",
    ),
    Column("repeats", "Repeats", "number", digits=0, good="low", help="Clips with this caption."),
    Column("texts", "Texts", "number", digits=0, help="Over all frames and samples."),
    Column(
        *("duplicate_of", "Looks the same as", "clip"),
        listed=False,
        help="A clip of another video that looks the same.",
    ),
    Column(
        *("clip_similarity", "Similarity, all frames", "number"),
        good="high",
        listed=False,
        help="The mean over all captioned frames of the clip.",
    ),
    Column("words", "Words", "number", digits=0, listed=False, help="Of the caption."),
    Column("start_s", "Start", "time", digits=1, listed=False),
    Column("end_s", "End", "time", digits=1, listed=False),
    Column(
        *("brightness", "Brightness", "number"),
        digits=0,
        listed=False,
        help="Mean luma of the captioned frame, 0..255.",
    ),
    Column("contrast", "Contrast", "number", digits=0, listed=False, help="Deviation of its luma."),
    Column(
        *("change", "Change", "number"),
        digits=1,
        listed=False,
        help="Mean difference of luma, 0..255, from the frame decoded before it.",
    ),
    Column(
        *("text_share", "Text on screen", "number"),
        digits=2,
        listed=False,
        help="How much of it looks like text laid over the picture, 0..1.",
    ),
)


def columns(rows: pa.Table) -> list[Column]:
    """Those that have a value anywhere."""
    import pyarrow.compute as pc

    frames = pc.list_flatten(rows["frames"])
    known = {
        name: rows[name].null_count < rows.num_rows
        for name in rows.column_names
        if name not in _LOOKS
    }
    for name in _LOOKS:
        known[name] = pc.struct_field(frames, name).null_count < len(frames)
    return [c for c in _COLUMNS if c.key in _COUNTED or known.get(c.key)]


def page_clip(row: Row, pictures: Mapping[int, bytes]) -> PageClip:
    """A row of the list.

    Args:
        row: A row of `Reviewed.rows`.
        pictures: JPEG, by frame.
    """
    own, frames = row["parts"][0]["frame"], row["frames"]
    values: dict[str, Value] = {c.key: cast("Value", row.get(c.key)) for c in _COLUMNS}
    texts_of = frames[:1] if row["seen_together"] else frames
    values["texts"] = sum(len(frame["captions"]) for frame in texts_of)
    values["words"] = len(row["caption"].split())
    if own < len(frames):
        values |= {name: frames[own][name] for name in _LOOKS}
    return PageClip(
        key=f"{row['video_id']}#{row['clip_index']}",
        title=f"{row['video_id']} \u00b7 {row['start_s']:.1f} s",
        values=values,
        image=pictures.get(own),
        frames=list(_frames(row, {at: p for at, p in pictures.items() if at != own})),
        timeline=Timeline(
            row["start_s"],
            row["end_s"],
            parts=[(part["first_s"], part["last_s"]) for part in row["parts"]],
            cuts_s=row["cuts_s"] or (),
            pictured=own,
        ),
    )


def _frames(row: Row, pictures: Mapping[int, bytes]) -> Iterator[FrameText]:
    # A rewritten text is made from all of them, so none is the chosen one.
    parts = [] if row["is_rewritten"] else row["parts"]
    chosen = {part["frame"]: part["sample"] for part in parts}
    same = {at for part in parts for at in range(part["frame"] + 1, part["last_frame"] + 1)}
    before = "seen together with" if row["seen_together"] else "says the same as"
    for at, frame in enumerate(row["frames"]):
        captions = frame["captions"]
        yield FrameText(
            time_s=frame["time_s"],
            texts=[caption["text"] for caption in captions],
            chosen=chosen.get(at),
            scores=_known([caption["similarity"] for caption in captions]),
            image=pictures.get(at),
            logprobs=_known([caption["mean_logprob"] for caption in captions]),
            marks=_known([_mark(caption) for caption in captions]),
            note=_note(frame, f"{before} the one before" if at in same else None),
        )


def _known(values: list[Any]) -> Sequence[Any]:
    """The values, if there are any."""
    return values if any(value not in (None, "") for value in values) else ()


def _mark(caption: Row) -> str:
    told = {"truncated": "cut off", "is_cut": "too long for the scorer"}
    return ", ".join(text for name, text in told.items() if caption[name])


def _note(frame: Row, as_before: str | None) -> str:
    told = [as_before] if as_before else []
    told += ["keyframe"] if frame["is_keyframe"] else []
    if frame["brightness"] is not None:
        told += [f"brightness {frame['brightness']:.0f}", f"contrast {frame['contrast']:.0f}"]
    if frame["change"] is not None:
        told.append(f"change {frame['change']:.1f}")
    if frame["text_share"]:
        told.append(f"text on {100 * frame['text_share']:.0f} %")
    return " \u00b7 ".join(told)
