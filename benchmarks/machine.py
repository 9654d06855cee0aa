"""The machine and the versions that numbers came from."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("pseudolabel", "av", "numpy", "torch", "transformers")
BF16_FLAGS = ("avx512_bf16", "amx_bf16")


def cores() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0))


def describe() -> dict[str, Any]:
    """What a reader needs in order to judge or repeat the numbers; imports nothing heavy."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    fields = dict(
        (part.strip() for part in line.split(":", 1)) for line in info.splitlines() if ":" in line
    )
    flags = fields.get("flags", fields.get("Features", "")).split()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": fields.get("model name", platform.machine()),
        "cpu_family_model": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
        "bf16_flags": [flag for flag in BF16_FLAGS if flag in flags],
        "cores": cores(),
        "memory_gib": round(pages / 2**30),
        "gpu": _gpus(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def warn_if_busy() -> None:
    """Say so on stderr when others are using the machine: numbers are then worth little."""
    load = os.getloadavg()[0]
    if load > 0.5:
        print(
            f"note: the load average is {load:.1f}; numbers need a quiet machine", file=sys.stderr
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _gpus() -> list[str]:
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True).stdout.splitlines()
    except OSError:
        return []
