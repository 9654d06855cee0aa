"""The published schemas: valid, and frozen by the first released version that holds them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import jsonschema
import pytest

from pseudolabel.contract import load_schema

ROOT = Path(__file__).parent.parent
SCHEMAS = sorted((ROOT / "schemas").glob("*.json"))

# SHA-256 of every schema. A line is changed only while no released version holds the file; after
# that a change is a new file, `NAME.v2.json`, and the line stays.
HASHES = {
    "compare.v1.json": "f1ca4f2673f4008dc78e66a965ef44e3d0154bc0d47b6f5a633de93dd52a8cc4",
    "clip.v1.json": "aba726ec1674392c4b373b2c3c545a76c73aebd0aa2c31bb857a8ef7bcdf77c6",
    "frame.v1.json": "a9c303d2f4182e88ae8a9da3d38117b6d83ed3c90713ca391d17f347e2226bf5",
    "release.v1.json": "57220a8ea3bc43947c20b8c5ee722e466d1afd306fd43f24c69ae6afe832431c",
    "run.v1.json": "037e53a2d4765632ac4f7a05a1332b08ba6a15fc8e117234eb7412778047ca13",
    "run_clip.v1.json": "a09c8bde3a3456b30ab9155d31d2820ff6f1b907496da339dc226e091ea5d76b",
    "run_skipped.v1.json": "69d7e8551d379addf4576a89e9833adf70bae2d7b05585a15399340e97b81ef6",
    "skipped.v1.json": "5eeb4600d59694d74513dfca4e46044b1441f4b7c73a2990d6cd9a27ff916452",
}
# Those of them that a released version holds: a line here is never changed or taken out.
FROZEN: dict[str, str] = {}


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_it_is_a_schema(path: Path) -> None:
    schema = load_schema(path.name.removesuffix(".json"))
    jsonschema.Draft202012Validator.check_schema(schema)
    name, version = path.name.removesuffix(".json").split(".")
    assert schema["$id"] == f"urn:pseudolabel:{name}:{version}"


def test_no_schema_changes_unnoticed() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SCHEMAS}
    assert found == HASHES
    assert found | FROZEN == found, "a frozen schema has changed: make a new version of it"


def test_what_a_released_version_holds_is_frozen() -> None:
    """The changelog names released versions with a date; then every schema is in FROZEN."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[[\d.]+\] - \d{4}-\d{2}-\d{2}$", changelog, re.M)
    assert bool(released) == bool(FROZEN), "copy HASHES into FROZEN with the first release"
