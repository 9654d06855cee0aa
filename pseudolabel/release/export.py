"""`export`: from runs to a release folder, as a stream, and there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pseudolabel.contract import printable
from pseudolabel.errors import OptionError, ReleaseError
from pseudolabel.files import hash_file
from pseudolabel.release.card.card import card_violations, render_card
from pseudolabel.release.card.figures import histogram_png
from pseudolabel.release.comparison.changelog import changelog, check_version
from pseudolabel.release.comparison.diff import ReleaseDiff, diff
from pseudolabel.release.manifest import (
    CARD,
    CHANGELOG,
    MANIFEST,
    Manifest,
    Previous,
    ReleaseFile,
    read_manifest,
)
from pseudolabel.release.options import ReleaseOptions
from pseudolabel.release.rows import (
    CONFIGS,
)
from pseudolabel.release.version import Version
from pseudolabel.release.writing.building import Building
from pseudolabel.release.writing.sources import Sources
from pseudolabel.release.writing.staging import check_target, staged

if TYPE_CHECKING:
    import pyarrow as pa

FIGURES = "figures"


def export(
    runs: Sequence[str],
    out: str,
    options: ReleaseOptions,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Manifest:
    """Make a release of one or more runs.

    The folder loads with `datasets.load_dataset` as it is. The same runs and options give the
    same bytes. Memory holds some 150 bytes a clip, and never all rows.

    Args:
        runs: Run folders; a video's rows come from one of them.
        out: The release folder, which must not exist.
        options: Version, license, splits, filters and the rest.
        on_progress: Called with the number of clips read so far.

    Returns:
        The manifest, as it stands in the release.

    Raises:
        OptionError: If the version is too low for what changed since the previous release.
        ReleaseError: If the release is there already, a run is being written or breaks its
            schema, no clip is left, or the disk is full. Nothing is left behind.
        RunError: If a run cannot be read.
    """
    target = check_target(out)
    template = _template(options.card_template)
    before = _Before(options)
    sources = Sources(runs, prefer=options.prefer)
    with staged(target) as folder:
        with Building(folder, options, sources) as building:
            building.write_rows(on_progress)
            manifest = building.manifest(options.name or _name(target, options))
        manifest = replace(manifest, previous=before.reference)
        return _describe(folder, manifest, before, building.example, template)


def _name(target: Path, options: ReleaseOptions) -> str:
    """The folder's name, without the version that many people put there."""
    version, name = options.version, printable(target.name)
    return name.removesuffix(f"v{version}").removesuffix(version).rstrip("-_. ") or "captions"


def _template(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(
            f"--card-template {path}: cannot be read: {error}", hint="a Jinja template in UTF-8"
        ) from None


class _Before:
    """The release that the new one follows, if any."""

    def __init__(self, options: ReleaseOptions) -> None:
        self.path = Path(options.previous) if options.previous is not None else None
        self.reference: Previous | None = None
        self.changelog: str | None = None
        if self.path is not None:
            version = read_manifest(self.path).version
            check_version(Version.parse(options.version), Version.parse(version), None)
            self.reference = Previous(version, hash_file(self.path / MANIFEST))
            self.changelog = _previous_changelog(self.path)


def _previous_changelog(release: Path) -> str:
    path = release / CHANGELOG
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReleaseError(
            f"--previous {release}: its {CHANGELOG} cannot be read: {error}",
            hint=f"pseudolabel validate {release} lists all that is wrong",
        ) from None


def _describe(
    folder: Path,
    manifest: Manifest,
    before: _Before,
    example: dict[str, Any] | None,
    template: str | None,
) -> Manifest:
    """Write what describes the rows: figures, changelog, card, and last the manifest."""
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    changes: ReleaseDiff | None = None
    if before.path is not None and manifest.previous is not None:
        changes = diff(before.path, folder)
        check_version(
            Version.parse(manifest.version), Version.parse(manifest.previous.version), changes
        )
    schemas = {config: _written_schema(folder, manifest, config) for config in CONFIGS}
    card = render_card(manifest, example or {}, schemas, template)
    if template is not None:
        _check_card(card, manifest)
    texts: dict[str, bytes] = {
        **_figures(manifest),
        CHANGELOG: changelog(
            changes, manifest.version, manifest.created_at, before.changelog
        ).encode(),
        CARD: card.encode(),
    }
    files = list(manifest.files)
    for path, data in texts.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
        files.append(ReleaseFile(path, len(data), hash_file(folder / path)))
    done = replace(manifest, files=tuple(sorted(files, key=lambda file: file.path)))
    (folder / MANIFEST).write_text(done.to_json(), encoding="utf-8")
    return done


def _check_card(card: str, manifest: Manifest) -> None:
    """Refuse what one's own template made of the card, where `validate` and `push` would."""
    for wrong in card_violations(card, manifest):
        raise OptionError(
            f"--card-template: the card's {wrong}", hint="write {{ manifest.version }} into it"
        )


def _figures(manifest: Manifest) -> dict[str, bytes]:
    found = manifest.statistics
    figures = {
        f"{FIGURES}/caption_words.png": histogram_png(
            found.caption_words, "Length of the captions", "words", whole=True
        ),
        f"{FIGURES}/clip_s.png": histogram_png(found.clip_s, "Length of the clips", "seconds"),
    }
    if found.mean_logprob is not None:
        figures[f"{FIGURES}/mean_logprob.png"] = histogram_png(
            found.mean_logprob, "Mean log-probability of the captions", "nats a token"
        )
    if found.chance_percentile is not None:
        figures[f"{FIGURES}/chance_percentile.png"] = histogram_png(
            found.chance_percentile, "Likeness with the frame", "percentile of chance"
        )
    return figures


def _written_schema(folder: Path, manifest: Manifest, config: str) -> pa.Schema:
    import pyarrow.parquet as pq

    first = next(file for file in manifest.files if file.config == config)
    with (folder / first.path).open("rb") as file:  # Arrow takes some paths for URIs
        return pq.read_schema(file)
