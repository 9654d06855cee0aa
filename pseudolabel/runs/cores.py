"""How many processors there are for this process."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Processors this process may use: those it may run on, or its container's share of them.

    Args:
        cgroup: Where Linux tells of the container's limits, of either version.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, math.ceil(min(cores, _container_share(cgroup))))


def _container_share(cgroup: Path) -> float:
    """Processors' worth of time that a container is given (`docker --cpus`); all without one."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroup / name).read_text() for name in names).split()
            if int(quota) > 0:
                return int(quota) / int(period)
        except (OSError, ValueError):  # not this version; or "max", which is no limit
            continue
    return math.inf
