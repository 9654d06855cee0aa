"""How two releases say their captions were made, and what else their manifests say differently."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pseudolabel.release.comparison.differences import Change
from pseudolabel.release.manifest import Manifest, SourceRun

# Options that say again what the captioner says.
_TOLD_BY_CAPTIONER = {
    *("--model", "revision", "--prompt", "decoding", "--max-new-tokens", "--dtype"),
}


def captioning_changes(before: Manifest, after: Manifest) -> tuple[Change, ...]:
    """Captioner fields and options whose values, over all runs with clips, are others."""

    def told(run: SourceRun) -> dict[str, Any]:
        options = {k: v for k, v in run.options.items() if k not in _TOLD_BY_CAPTIONER}
        return {**run.captioner, **options}

    return _differing(before, after, told)


def is_made_another_way(before: Manifest, after: Manifest) -> bool:
    """Whether a run with clips has a captioner and options that no run had before."""
    return bool(_recipes(after) - _recipes(before))


def metadata_changes(before: Manifest, after: Manifest) -> tuple[Change, ...]:
    """What else is said differently, but for name, date, checksums and what follows from rows."""

    def described(manifest: Manifest) -> dict[str, str]:
        return {
            "name": manifest.name,
            "license": manifest.license,
            "language": ", ".join(manifest.language),
            "filters": ", ".join(f.where for f in manifest.filters) or "none",
            "pseudolabel": manifest.pseudolabel,
        }

    left, right = described(before), described(after)
    changes = [Change(what, left[what], right[what]) for what in left if left[what] != right[what]]
    return (*changes, *_differing(before, after, lambda run: run.versions))


def _contributing(manifest: Manifest) -> list[SourceRun]:
    return [run for run in manifest.runs if run.clips]


def _recipes(manifest: Manifest) -> set[str]:
    return {
        json.dumps([run.captioner, run.options], sort_keys=True) for run in _contributing(manifest)
    }


def _differing(
    before: Manifest, after: Manifest, told: Callable[[SourceRun], Mapping[str, Any]]
) -> tuple[Change, ...]:
    left, right = ([told(run) for run in _contributing(m)] for m in (before, after))
    if not left or not right:
        return ()
    names = dict.fromkeys(name for values in (*left, *right) for name in values)
    changes = (Change(name, _values(left, name), _values(right, name)) for name in names)
    return tuple(change for change in changes if change.before != change.after)


def _values(told: Iterable[Mapping[str, Any]], name: str) -> str:
    """The distinct values of a name, as text."""
    return ", ".join(sorted({_shown(values.get(name)) for values in told}))


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
