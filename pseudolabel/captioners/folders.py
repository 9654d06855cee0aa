"""Local model folders: what is in one, as a revision."""

from __future__ import annotations

from pathlib import Path

from pseudolabel.files import hash_files

_SUFFIXES = (".json", ".safetensors", ".txt", ".model", ".jinja", ".tiktoken", ".py")


def folder_revision(folder: Path) -> str:
    """`sha256:` and 16 hex digits over the names and contents of what a model is loaded from.

    Configuration, tokenizer, processor, code and safetensors count; a README does not.
    """
    return hash_files(folder, _SUFFIXES)
