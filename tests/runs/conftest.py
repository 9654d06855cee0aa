"""A folder of short videos, and runs over it with a captioner that reads frame numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from video_factory import make_video

if TYPE_CHECKING:
    from object_store import ObjectStore


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos of 2 s at 25 frames a second, one of them in a folder of its own."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "more").mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4", "more/a.mp4"):
        make_video(folder / name, seconds=2)
    return folder


@pytest.fixture(scope="module")
def shop() -> Iterator[ObjectStore]:
    """An object store, for all tests of a module, with a bucket named "bucket"."""
    from object_store import ObjectStore  # its imports take half a second

    with pytest.MonkeyPatch.context() as patch, ObjectStore() as made:
        made.use(patch)
        made.make_bucket("bucket")
        yield made


@pytest.fixture
def store(shop: ObjectStore) -> Iterator[ObjectStore]:
    """That store as it should be, without what a test before did to it."""
    import fsspec

    fsspec.filesystem("s3").invalidate_cache()
    shop.requests.clear()
    yield shop
    shop.on_request = None
    shop.start()


@pytest.fixture
def out(store: ObjectStore, tmp_path: Path) -> str:
    """A place for a run of this test's own."""
    return f"s3://bucket/{tmp_path.name}/run"
