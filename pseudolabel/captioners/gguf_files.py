"""Language models in GGUF files, which transformers reads: found, on this machine or on the Hub."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from pseudolabel.captioners.sources import ModelSource
from pseudolabel.errors import CaptionerError, MissingExtraError
from pseudolabel.files import hash_file

_SUFFIX = ".gguf"
_NEEDED = ("gguf", "accelerate")  # by transformers, to read one
_PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")
_VERSIONS = (2, 3)
_STRING = 8
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes, by type


def find_gguf(text: str) -> ModelSource | None:
    """Find the GGUF file that `FILE.gguf`, `FOLDER#FILE.gguf` or `NAME[@revision]#FILE.gguf` names.

    None where `text` names none, but something else. A file on the Hub is downloaded.

    Raises:
        CaptionerError: If there is no such file, or it is not a GGUF file that can be read.
        MissingExtraError: If a package that reads one is not installed.
    """
    if not text.endswith(_SUFFIX):
        _check_folder(text)
        return None
    name, _, file = text.rpartition("#")
    for path in (Path(text), Path(name) / file):  # a path may hold a # of its own
        if path.is_file():
            return _read(text, path)
    if not name:
        raise CaptionerError(
            f"--model {text}: no such file",
            hint="--model PATH/TO/FILE.gguf, or NAME[@revision]#FILE.gguf for one on the Hub",
        )
    if Path(name).is_dir():
        raise CaptionerError(f"--model {text}: no such file in {name}", hint=_choices(Path(name)))
    return _on_hub(name, file)


@contextmanager
def reading_gguf(source: ModelSource) -> Iterator[None]:
    """What loads from a GGUF file in this context prints nothing, and fails with our errors."""
    from transformers import modeling_gguf_pytorch_utils as reader

    module: Any = reader  # its annotations are partial
    bar = module.tqdm
    module.tqdm = partial(bar, disable=None)  # a terminal keeps it: dequantizing can take a minute
    try:
        yield
    except (LookupError, TypeError, AttributeError, AssertionError) as error:
        raise CaptionerError(
            f"--model {source.model}: does not load ({type(error).__name__}: {error})",
            hint="a whole GGUF file of an architecture that transformers reads; download it again",
        ) from error
    finally:
        module.tqdm = bar


def _check_folder(text: str) -> None:
    folder = Path(text)
    if not folder.is_dir() or any(folder.glob("*.safetensors")) or not any(_files_in(folder)):
        return
    raise CaptionerError(f"--model {text}: a folder of GGUF files", hint=_choices(folder))


def _files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"*{_SUFFIX}"))


def _choices(folder: Path) -> str:
    files = _files_in(folder)[:20]
    if not files:
        return "a folder with the file, or PATH/TO/FILE.gguf"
    return " or ".join(f"--model {folder}#{file}" for file in files)


def _on_hub(text: str, file: str) -> ModelSource:
    from pseudolabel.captioners.hub import find_file

    _check_readable(f"{text}#{file}", file)  # before gigabytes are downloaded
    name, _, revision = text.rpartition("@") if "@" in text else (text, "", "")
    commit, path = find_file(name, file, revision or None)
    return _read(f"{name}#{file}", path, revision=commit)


def _read(model: str, path: Path, *, revision: str | None = None) -> ModelSource:
    _check_readable(model, path.name)
    try:
        with path.open("rb") as file:
            architecture = _architecture(file)
        revision = revision or f"sha256:{hash_file(path)[:16]}"
    except (ValueError, struct.error, OSError) as error:
        raise CaptionerError(
            f"--model {model}: not a GGUF file ({error})", hint="download the file again"
        ) from error
    return ModelSource(
        model=model,
        location=str(path.parent),
        revision=revision,
        config={"model_type": architecture},
        gguf_file=path.name,
    )


def _check_readable(model: str, file: str) -> None:
    for package in _NEEDED:
        if find_spec(package) is None:
            raise MissingExtraError(package, extra="gguf", needed_for=f"--llm {model}")
    part = _PART.search(file)
    if part and int(part[1]) > 1:
        raise CaptionerError(
            f"--model {model}: one of {int(part[1])} parts of a GGUF file",
            hint="join them: llama-gguf-split --merge FIRST_PART JOINED.gguf",
        )


def _architecture(file: BinaryIO) -> str:
    """`general.architecture`, which writers put first; "" where an array comes before it.

    Raises:
        ValueError: If it is not such a file.
        struct.error: If it ends too early.
    """
    magic, version, _, count = _unpack(file, "<4sIQQ")
    if magic != b"GGUF":
        raise ValueError("it does not begin as one")
    if version not in _VERSIONS:
        raise ValueError(f"version {version}, little-endian; known are {_VERSIONS}")
    for _ in range(count):
        key = _string(file)
        (kind,) = _unpack(file, "<I")
        if kind == _STRING:
            value = _string(file)
            if key == "general.architecture":
                return value
        elif kind in _WIDTHS:
            file.seek(_WIDTHS[kind], 1)
        else:
            break
    return ""


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "<Q")
    if length > 1 << 20:
        raise ValueError("its metadata is damaged")
    return file.read(length).decode("utf-8")


def _unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
