"""How many threads this process computes with."""

import math
import os
from pathlib import Path

from base.settings import read_settings

# What a container may use: microseconds of processor time in each period, or "max".
_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def threads() -> int:
    """TensorFlow's threads: the environment variable `THREADS`, or the cores that we may use.

    Raises:
        SettingsError: `THREADS` is no number of threads.
    """
    return read_settings().threads or usable_cores(len(os.sched_getaffinity(0)), _CPU_MAX)


def usable_cores(allowed: int, cpu_max: Path) -> int:
    """The cores that a process is `allowed` on, at most the quota of its container, rounded up."""
    try:
        quota, period = cpu_max.read_text().split()
        return max(1, min(allowed, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no quota, or no control groups here
        return allowed
