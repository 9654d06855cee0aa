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
    "clip.v1.json": "5df4886e12fd3dfda7a2b4e23f4ebcd0ecb22e1d99b4471ecdde555a751ebfaa",
    "frame.v1.json": "766ba759735afd09f79c454d5fe4725d3cf122aaecaa0b093e36eb99c96d9e43",
    "release.v1.json": "85200c4060e1bce584a72a2ec69a7d442f302d2da965eff07ce7c434e8698305",
    "run.v1.json": "58ca35509b7f045971e10ce5fbc98d7ba67555f3b92506934e6d575dde1384d7",
    "run_clip.v1.json": "da9b890bc0623fd211869cf76a55bc0aeede422503aae2c8aa7ffe90dcb6da31",
    "run_skipped.v1.json": "168e478fbe603659e07bf235891f0a9d453035083ee4aba5f392da6c709437eb",
    "skipped.v1.json": "99f78705b50c1454936193b2cf5b4c107368ecd622601c61f9e28b2141edd0fc",
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
