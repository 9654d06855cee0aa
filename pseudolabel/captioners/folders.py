"""Local model folders: what is in one, as a revision."""

from __future__ import annotations

import hashlib
from pathlib import Path

_CHUNK_BYTES = 1 << 20
_SUFFIXES = (".json", ".safetensors", ".txt", ".model", ".jinja", ".tiktoken", ".py")


def folder_revision(folder: Path) -> str:
    """`sha256:` and 16 hex digits over the names and contents of what a model is loaded from.

    Configuration, tokenizer, processor, code and safetensors count; a README does not.
    """
    total = hashlib.sha256()
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.suffix in _SUFFIXES and path.is_file():
            total.update(path.name.encode("utf-8", "surrogateescape") + b"\0" + _digest(path))
    return f"sha256:{total.hexdigest()[:16]}"


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()
