"""Where a captioner computes, and in which number format: `auto` resolved, the absent refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pseudolabel.errors import CaptionerError

if TYPE_CHECKING:
    import torch

    from pseudolabel.captioners.options import DType


def resolve_device(text: str) -> torch.device:
    """The device that `--device TEXT` means on this machine; `auto` takes CUDA, MPS, then the CPU.

    Raises:
        CaptionerError: If it is not a device, or this machine does not have it.
    """
    import torch

    if text == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = text.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not (kind == "cuda" and number.isdigit())):
        raise CaptionerError(
            f"--device {text}: not a device", hint="one of: auto, cpu, cuda, cuda:1, mps"
        )
    if kind == "cuda" and not torch.cuda.is_available():
        raise CaptionerError(
            f"--device {text}: PyTorch {torch.__version__} sees no CUDA device",
            hint="--device cpu, or a PyTorch built for CUDA on a machine with its driver",
        )
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise CaptionerError(
            f"--device {text}: this machine has {torch.cuda.device_count()} CUDA device(s)",
            hint=f"cuda:0 to cuda:{torch.cuda.device_count() - 1}",
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise CaptionerError(f"--device {text}: not available here", hint="--device cpu")
    return torch.device(text)


def resolve_dtype(dtype: DType, device: torch.device, *, is_demo: bool = False) -> torch.dtype:
    """The number format that `--dtype` means on a device.

    `auto` is bfloat16 on a GPU or CPU that computes in it natively, else float32; the demo
    captioner is float32 everywhere, since it is tiny and its published accuracy is float32's.

    Raises:
        CaptionerError: If float16 is asked of a CPU, where it is slow and overflows.
    """
    import torch

    if dtype == "float16" and device.type == "cpu":
        raise CaptionerError(
            "--dtype float16 on a CPU: slow there, and overflows",
            hint="--dtype bfloat16 or --dtype float32",
        )
    if dtype != "auto":
        named: torch.dtype = getattr(torch, dtype)
        return named
    return torch.bfloat16 if not is_demo and _has_native_bfloat16(device) else torch.float32


def check_device(error: BaseException) -> None:
    """A device that failed fails every later frame as well: that is no refusal of this one.

    Raises:
        CaptionerError: If `error` says that it did.
    """
    import torch

    failed = getattr(torch, "AcceleratorError", None)
    if failed is not None and isinstance(error, failed):
        raise CaptionerError(
            f"the device failed: {' '.join(str(error).split())[:200]}",
            hint="start again with the same command; what is done is kept",
        ) from error


def _has_native_bfloat16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    # Emulated bfloat16 is slower than float32; PyTorch has no public question for native.
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in asked)
