"""Which Whisper model `--model` names, where it computes and in which numbers."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pseudolabel.errors import MissingExtraError, OptionError, without_addresses
from pseudolabel.files import hash_files

NEEDED_FILES = ("config.json", "model.bin", "tokenizer.json")
_HASHED_SUFFIXES = (".bin", ".json", ".txt")  # what a model is loaded from; no README
_NO_HUB = "a size, NAME[@revision] of the Hub, or the folder of a model converted for CTranslate2"


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """How speech becomes text."""

    model: str = "auto"  # size, NAME[@revision], folder; auto: small, or large-v3-turbo on a GPU
    language: str | None = None  # code, such as "en"; None: told by each video's first speech
    device: str = "auto"  # cpu, cuda, cuda:1
    compute_type: str = "auto"  # CTranslate2's name; auto: int8 on a CPU, float16 on a GPU
    batch_size: int | None = None  # stretches of speech at a time; None: 8, or 2 on a CPU

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise OptionError(
                f"--batch-size {self.batch_size}: must be 1 or more", hint="such as 8"
            )
        if not self.model.strip():
            raise OptionError("--model: is empty", hint=_NO_HUB)


@dataclass(frozen=True, slots=True)
class WhisperFiles:
    """A model on this machine, and how it computes."""

    model: str  # as asked for, `auto` resolved; of a folder its last part
    revision: str  # commit on the Hub, or `sha256:` and 16 hex digits of the files
    folder: Path
    device: str  # "cpu" or "cuda"
    device_index: int
    compute_type: str  # CTranslate2's name, such as "int8"


def find_whisper(options: TranscribeOptions) -> WhisperFiles:
    """The model that options name, downloaded where it is not here yet; not loaded.

    Raises:
        MissingExtraError: If faster-whisper is not installed.
        OptionError: If there is no such model, device or compute type.
    """
    if find_spec("faster_whisper") is None:
        raise MissingExtraError("faster-whisper", extra="asr", needed_for="transcribe")
    device, index = _device(options.device)
    compute_type = _compute_type(options.compute_type, device)
    model = options.model
    if model == "auto":
        model = "large-v3-turbo" if device == "cuda" else "small"
    folder = Path(model).expanduser()
    if folder.is_dir():
        _refuse_incomplete(model, folder)
        name, revision = folder.resolve().name, hash_files(folder, _HASHED_SUFFIXES)
    else:
        name, folder = model, _downloaded(model)
        _refuse_incomplete(model, folder)
        revision = folder.name  # the cache lays files out as .../snapshots/COMMIT/FILE
    return WhisperFiles(name, revision, folder, device, index, compute_type)


def _device(text: str) -> tuple[str, int]:
    import ctranslate2

    count = ctranslate2.get_cuda_device_count()
    if text == "auto":
        return ("cuda" if count else "cpu"), 0
    kind, _, number = text.partition(":")
    if kind not in ("cpu", "cuda") or (":" in text and not (kind == "cuda" and number.isdigit())):
        raise OptionError(f"--device {text}: not a device", hint="one of: auto, cpu, cuda, cuda:1")
    if kind == "cuda" and int(number or 0) >= count:
        raise OptionError(
            f"--device {text}: CTranslate2 sees {count} CUDA device(s)", hint="--device cpu"
        )
    return kind, int(number or 0)


def _compute_type(text: str, device: str) -> str:
    import ctranslate2

    if text == "auto":
        return "int8" if device == "cpu" else "float16"
    allowed = sorted(ctranslate2.get_supported_compute_types(device))
    if text not in allowed:
        raise OptionError(
            f"--compute-type {text}: not on {device}", hint=f"one of: auto, {', '.join(allowed)}"
        )
    return text


def _downloaded(model: str) -> Path:
    from faster_whisper import available_models, download_model

    name, _, revision = model.partition("@")
    if "/" not in name and name not in available_models():
        raise OptionError(
            f"--model {model}: neither a size nor a folder",
            hint=f"{_NO_HUB}; sizes: {', '.join(available_models())}",
        )
    try:
        return Path(download_model(name, revision=revision or None))
    except (OSError, ValueError) as error:  # the Hub's errors are both or either
        why = without_addresses(" ".join(str(error).split()))[:200]
        raise OptionError(
            f"--model {model}: is not in the local cache and cannot be downloaded: {why}",
            hint=f"{_NO_HUB}; without a network: the folder",
        ) from error


def _refuse_incomplete(model: str, folder: Path) -> None:
    missing = [name for name in NEEDED_FILES if not (folder / name).is_file()]
    if missing:
        raise OptionError(
            f"--model {model}: has no {', no '.join(missing)}",
            hint="a model of transformers is converted by: ct2-transformers-converter --model "
            "NAME --output_dir FOLDER --copy_files tokenizer.json preprocessor_config.json",
        )
