"""The processor, and the number of threads that this process computes with."""

import math
import os
import platform
from pathlib import Path

from base.settings import read_settings

# A container's quota: microseconds of processor time in each period, or "max".
_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def threads() -> int:
    """The number of TensorFlow's threads: `THREADS`, or the cores that we may use.

    Raises:
        SettingsError: `THREADS` is no number of threads.
    """
    return read_settings().threads or usable_cores(len(os.sched_getaffinity(0)), _CPU_MAX)


def usable_cores(allowed: int, cpu_max: Path) -> int:
    """The cores `allowed` to a process, at most its container's quota, rounded up."""
    try:
        quota, period = cpu_max.read_text().split()
        return max(1, min(allowed, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no quota, or no control groups here
        return allowed


def processor() -> str:
    """The name of this machine's processor, as Linux gives it; else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.machine() or "unknown processor"
