"""Records to rows: what may be written, and what may not."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest

from pseudolabel.contract import (
    clip_row,
    clip_schema,
    load_schema,
    printable,
    public_source,
    skipped_row,
    skipped_schema,
)
from pseudolabel.records import Skipped, SkipReason
from run_factory import video_rows


@pytest.mark.parametrize(
    ("schema", "columns"), [("run_clip.v1", clip_schema()), ("run_skipped.v1", skipped_schema())]
)
def test_the_published_schema_names_every_column(schema: str, columns: pa.Schema) -> None:
    published = load_schema(schema)
    assert list(published["properties"]) == columns.names
    assert published["required"] == columns.names
    nullable = [
        name
        for name, kind in published["properties"].items()
        if "null" in kind.get("type", published.get("$defs", {}).get(name, {}).get("type", ()))
    ]
    assert nullable == [field.name for field in columns if field.nullable]


def test_the_published_schema_has_every_reason() -> None:
    reasons = load_schema("run_skipped.v1")["properties"]["reason"]["enum"]
    assert reasons == [reason.value for reason in SkipReason]


def test_bytes_that_are_not_text_are_spelled_out() -> None:
    assert printable(os.fsdecode(b"caf\xe9.mp4")) == "caf\\xe9.mp4"
    assert printable("café.mp4") == "café.mp4"
    assert printable("\ud800.mp4") == r"\xed\xa0\x80.mp4"  # JSON can hold half a surrogate pair


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("/videos/a key=1.mp4", "/videos/a key=1.mp4"),
        ("https://me:word@host/a.mp4", "https://host/a.mp4"),
        ("https://host/a.mp4?X-Amz-Signature=1&id=7&token=x", "https://host/a.mp4?id=7"),
        ("https://host/a.mp4?sig=1&se=2030#x", "https://host/a.mp4?se=2030"),
        ("https://host/watch?v=abc", "https://host/watch?v=abc"),
        ("s3://bucket/a b.mp4", "s3://bucket/a b.mp4"),
    ],
)
def test_no_password_or_signature_is_published(source: str, public: str) -> None:
    assert public_source(source) == public
    lost = Skipped("v", source, "open", SkipReason.UNREADABLE, f"403 for {source}")
    row = skipped_row(lost)
    assert row["source"] == public
    assert row["detail"] == f"403 for {public}"


def test_half_a_surrogate_pair_from_a_table_can_be_written() -> None:
    """A JSON table can hold one in any text; it must not cost the run."""
    lost = Skipped("v", "\udbff.mp4", "list", SkipReason.NOT_FOUND, "no \udbff.mp4")
    row = skipped_row(lost)
    assert (row["source"], row["detail"]) == (r"\xed\xaf\xbf.mp4", r"no \xed\xaf\xbf.mp4")
    clip = video_rows("a.mp4", ("a cat",), url="https://host/\ud800").clips[0]
    assert clip_row(clip)["url"] == r"https://host/\xed\xa0\x80"
    pa.Table.from_pylist([clip_row(clip)], schema=clip_schema())
