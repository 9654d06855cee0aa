"""CHANGELOG.md: the new version on top, what was said before untouched, and nothing alive in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pseudolabel.errors import OptionError
from pseudolabel.release.comparison.changelog import changelog, check_version, first_entry
from pseudolabel.release.comparison.changes import ReleaseDiff
from pseudolabel.release.comparison.diff import diff
from pseudolabel.release.version import Bump, Version
from release_factory import clip_row, clip_rows, skipped_row, source_run, write_release

FIRST = changelog(None, "1.0.0", "2026-01-31", None)


@pytest.fixture
def unchanged(tmp_path: Path) -> ReleaseDiff:
    before = write_release(tmp_path / "a", clip_rows(2))
    return diff(before, write_release(tmp_path / "b", clip_rows(2), version="1.0.1"))


@pytest.fixture
def grown(tmp_path: Path) -> ReleaseDiff:
    before = write_release(tmp_path / "a", clip_rows(2))
    rows = clip_rows(3)
    rows[1] |= {"caption": "`<b>other`` words</b>`"}
    after = write_release(
        tmp_path / "b",
        rows[1:],
        version="1.1.0",
        skipped=[skipped_row()],
        runs=[source_run(clips=5, prompt="a photo of")],
    )
    return diff(before, after)


def test_the_first_version() -> None:
    assert first_entry("1.0.0", "2026-01-31") == FIRST
    assert FIRST.startswith("# Changelog\n")
    assert FIRST.endswith("## [1.0.0] - 2026-01-31\n\n### Added\n\n- The first version.\n")


def test_a_version_says_what_was_added_changed_and_removed(grown: ReleaseDiff) -> None:
    text = changelog(grown, "1.1.0", "2026-02-28", FIRST)
    expected = """\
## [1.1.0] - 2026-02-28

### Added

- 2 clips, such as `world-02.mp4` clip 0: `clip 0 of world-02.mp4`; `world-02.mp4` clip 1: \
`clip 1 of world-02.mp4`.
- 2 frames.
- 1 skipped row.
- 1 video, such as `world-02.mp4`.

### Changed

- Captions of 1 clip, such as `world-00.mp4` clip 1: `clip 1 of world-00.mp4` to \
``` `<b>other`` words</b>` ```.
- Values of `frames`: `captions` in 1.
- `prompt`: `none` to `a photo of`.

### Removed

- 1 clip, such as `world-00.mp4` clip 0: `clip 0 of world-00.mp4`.
- 1 frame.

"""
    head, found, below = text.partition(expected)
    assert found
    assert head + below == FIRST


@pytest.mark.parametrize(
    "written",
    [
        FIRST,
        FIRST.replace("\n", "\r\n"),
        "# Ours\n\nBy hand.\n\n##  [0.9.0]\n\n* something  \n\t\n## [0.8.0]\nno newline at the end",
        "## [0.1.0]\n",
    ],
)
def test_what_was_said_before_stays_byte_for_byte(written: str, grown: ReleaseDiff) -> None:
    text = changelog(grown, "1.1.0", "2026-02-28", written)
    at = written.index("## ")
    assert text.startswith(written[:at])
    assert text.endswith("\n\n" + written[at:])
    assert len(re.findall(r"(?m)^## \[1\.1\.0\] - 2026-02-28$", text)) == 1


@pytest.mark.parametrize("written", [None, "", "\n"])
def test_without_a_changelog_before(written: str | None, grown: ReleaseDiff) -> None:
    text = changelog(grown, "1.1.0", "2026-02-28", written)
    assert text.startswith("# Changelog\n")
    assert text.count("\n## ") == 1


def test_a_changelog_without_versions_is_kept_on_top(grown: ReleaseDiff) -> None:
    text = changelog(grown, "1.1.0", "2026-02-28", "# Ours\n\nBy hand.\n")
    assert text.startswith("# Ours\n\nBy hand.\n\n## [1.1.0] - 2026-02-28\n")


def test_a_version_without_a_change_says_so(unchanged: ReleaseDiff) -> None:
    text = changelog(unchanged, "1.0.1", "2026-02-28", FIRST)
    section = "## [1.0.1] - 2026-02-28\n\nNo row, column or setting changed since 1.0.0.\n\n"
    assert section + "## [1.0.0]" in text


def test_rows_cannot_write_into_the_changelog(tmp_path: Path) -> None:
    """Whatever ids and captions hold, a new version is its own lines and inert spans."""
    evil = "x\n\n## [9.9.9] - 2030-01-01\n<script>alert(1)</script> ![](https://evil.example) `"
    before = write_release(tmp_path / "a", clip_rows(1))
    rows = [*clip_rows(1), clip_row(evil, caption=evil)]
    rows[0] |= {"caption": evil}
    text = changelog(
        diff(before, write_release(tmp_path / "b", rows)), "1.1.0", "2026-02-28", FIRST
    )
    assert re.findall(r"(?m)^## .*$", text) == [
        "## [1.1.0] - 2026-02-28",
        "## [1.0.0] - 2026-01-31",
    ]
    outside = re.sub(r"(?s)(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
    assert "`" not in outside
    assert "evil" not in outside and "<" not in outside


def test_a_version_must_rise_by_as_much_as_has_changed(grown: ReleaseDiff) -> None:
    assert grown.bump is Bump.MINOR
    previous = Version(1, 0, 0)
    for enough in (Version(1, 1, 0), Version(1, 2, 3), Version(2, 0, 0)):
        check_version(enough, previous, grown)
    with pytest.raises(OptionError) as raised:
        check_version(Version(1, 0, 1), previous, grown)
    assert str(raised.value) == (
        "--version 1.0.1 is too low: since 1.0.0, 2 clips were added; 2 frames were added; "
        "captions were made another way: prompt"
    )
    assert raised.value.hint == "use 1.1.0 or higher"


@pytest.mark.parametrize("version", [Version(1, 0, 0), Version(0, 9, 9)])
def test_a_version_must_come_after_the_one_before(version: Version, grown: ReleaseDiff) -> None:
    for known, least in ((grown, "1.1.0"), (None, "1.0.1")):
        with pytest.raises(OptionError, match=r"does not come after 1\.0\.0") as raised:
            check_version(version, Version(1, 0, 0), known)
        assert raised.value.hint == f"use {least} or higher"


def test_a_release_without_a_change_may_have_a_new_version(unchanged: ReleaseDiff) -> None:
    check_version(Version(1, 0, 1), Version(1, 0, 0), unchanged)
    check_version(Version(1, 0, 1), Version(1, 0, 0), None)
