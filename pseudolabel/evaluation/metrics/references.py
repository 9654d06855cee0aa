"""Human captions, in the shapes that datasets give them; the content says which shape it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pseudolabel.errors import InputError
from pseudolabel.evaluation.metrics.caption_files import (
    Document,
    Lines,
    Table,
    read_file,
    read_id,
    read_texts,
    span_of,
)
from pseudolabel.records import Span

_SHAPES = (
    "references are: MSR-VTT (videodatainfo), MSVD text (id and caption a line), VATEX, "
    "ActivityNet Captions, COCO captions, JSON {id: [captions]}, or a table (.csv, .tsv, .jsonl, "
    ".parquet) with a column of ids and one of captions"
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a video that references speak of."""

    video_id: str
    span: Span


@dataclass(frozen=True, slots=True)
class References:
    """Human captions by id: of a video, of an image, or of a stretch (`VIDEO#0`, `VIDEO#1`)."""

    path: str
    shape: str  # as a person would name it, such as "MSR-VTT"
    captions: Mapping[str, tuple[str, ...]]
    aliases: Mapping[str, str] = field(default_factory=dict)  # another name: its id
    segments: Mapping[str, Segment] = field(default_factory=dict)  # by id, where times are told


def read_references(path: str) -> References:
    """Read human captions; the shapes are told apart by what is in the file.

    Args:
        path: MSR-VTT's videodatainfo, MSVD's text, VATEX, ActivityNet Captions, COCO captions,
            JSON `{id: [captions]}`, or a table with a column of ids and one of captions.

    Raises:
        InputError: If it cannot be read, or has none of these shapes.
    """
    content = read_file(path)
    if isinstance(content, Lines):
        found = _Collected()
        for video_id, text in content.texts:
            found.captions[video_id].append(text)
        read = found.references(path, "text, as of MSVD")
    elif isinstance(content, Table):
        read = _of_table(content)
    else:
        read = _of_document(content)
    if not any(read.captions.values()):
        raise InputError(f"{path}: holds no captions", hint=_SHAPES)
    return read


class _Collected:
    """References while they are read."""

    def __init__(self) -> None:
        self.captions: dict[str, list[str]] = defaultdict(list)
        self.aliases: dict[str, str] = {}
        self.segments: dict[str, Segment] = {}

    def add(self, item: Mapping[str, Any], id_key: str, where: str) -> None:
        texts = read_texts(item.get("caption"), where)
        self.captions[read_id(item.get(id_key), where)].extend(texts)

    def references(self, path: str, shape: str) -> References:
        captions = {key: tuple(texts) for key, texts in self.captions.items()}
        return References(path, shape, captions, self.aliases, self.segments)


def _of_table(table: Table) -> References:
    found = _Collected()
    numbers: dict[tuple[str, Span], int] = {}  # a stretch's place among those of its video
    seen: dict[str, int] = defaultdict(int)
    for row in table.captioned():
        key, number = row.video_id, row.clip_index
        if row.span is not None and number is None:
            place = (row.video_id, row.span)
            if place not in numbers:
                numbers[place] = seen[row.video_id]
                seen[row.video_id] += 1
            number = numbers[place]
        if number is not None:
            key = f"{row.video_id}#{number}"
        found.captions[key].extend(row.texts)
        if row.span is not None:
            found.segments[key] = Segment(row.video_id, row.span)
    is_vatex = table.column(["encap"]) is not None
    return found.references(table.path, "VATEX" if is_vatex else "a table")


def _of_document(document: Document) -> References:
    data, path = document.data, document.path
    for fits, read in _READERS:
        if fits(data):
            return read(data, path)
    keys = ", ".join(repr(key) for key in list(data)[:4])
    raise InputError(f"{path}: JSON of no known shape: an object of {keys}", hint=_SHAPES)


def _is_msr_vtt(data: Mapping[str, Any]) -> bool:
    return _is_list_of(data.get("sentences"), "video_id", "caption")


def _msr_vtt(data: Mapping[str, Any], path: str) -> References:
    found = _Collected()
    for sentence in data["sentences"]:
        found.add(sentence, "video_id", f"{path}: sentence {sentence.get('sen_id')}")
    return found.references(path, "MSR-VTT")


def _is_coco(data: Mapping[str, Any]) -> bool:
    return _is_list_of(data.get("annotations"), "image_id", "caption")


def _coco(data: Mapping[str, Any], path: str) -> References:
    found = _Collected()
    for annotation in data["annotations"]:
        found.add(annotation, "image_id", f"{path}: annotation {annotation.get('id')}")
    images = data.get("images")
    for image in images if isinstance(images, list) else []:
        if isinstance(image, dict) and isinstance(image.get("file_name"), str):
            key = read_id(image.get("id"), f"{path}: image {image['file_name']!r}")
            found.aliases[PurePath(image["file_name"]).stem] = key
    return found.references(path, "COCO captions")


def _is_activity_net(data: Mapping[str, Any]) -> bool:
    return bool(data) and all(
        isinstance(video, dict) and {"timestamps", "sentences"} <= video.keys()
        for video in data.values()
    )


def _activity_net(data: Mapping[str, Any], path: str) -> References:
    found = _Collected()
    for video_id, video in data.items():
        spans, sentences = (
            video["timestamps"],
            read_texts(video["sentences"], f"{path}: {video_id}"),
        )
        if not isinstance(spans, list) or len(spans) != len(sentences):
            raise InputError(f"{path}: {video_id}: as many timestamps as sentences are needed")
        for number, (times, text) in enumerate(zip(spans, sentences, strict=True)):
            key = f"{video_id}#{number}"
            found.captions[key].append(text)
            if (span := span_of(times)) is not None:
                found.segments[key] = Segment(video_id, span)
    return found.references(path, "ActivityNet Captions")


def _is_by_id(data: Mapping[str, Any]) -> bool:
    return bool(data) and all(map(_are_texts, data.values()))


def _are_texts(value: Any) -> bool:
    """Whether it looks like captions; `read_texts` looks closer."""
    first = value[0] if isinstance(value, list) and value else ""
    is_text = isinstance(first, str) or (isinstance(first, dict) and "caption" in first)
    return isinstance(value, str | list) and is_text


def _by_id(data: Mapping[str, Any], path: str) -> References:
    captions = {key: read_texts(texts, f"{path}: {key!r}") for key, texts in data.items()}
    return References(path, "JSON by id", captions)


def _is_list_of(value: Any, *keys: str) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) for item in value)
        and all(key in value[0] for key in keys)
    )


_READERS: tuple[
    tuple[Callable[[Mapping[str, Any]], bool], Callable[[Mapping[str, Any], str], References]], ...
] = (
    (_is_msr_vtt, _msr_vtt),
    (_is_coco, _coco),
    (_is_activity_net, _activity_net),
    (_is_by_id, _by_id),
)
