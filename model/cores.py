"""How many threads this process computes with."""

import math
import os
from pathlib import Path

import click

# What a container may use: microseconds of processor time in each period, or "max".
_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
# More than any machine has; TensorFlow would start them all, and die of it without a word.
MOST_THREADS = 4096


def threads() -> int:
    """TensorFlow's threads: the environment variable `THREADS`, or the cores that we may use.

    Raises:
        click.ClickException: `THREADS` is no whole number from 1 to MOST_THREADS.
    """
    setting = os.environ.get("THREADS", "").strip()
    if not setting:
        return usable_cores(len(os.sched_getaffinity(0)), _CPU_MAX)
    if not setting.isdecimal() or not 0 < int(setting[:9]) <= MOST_THREADS:
        raise click.ClickException(
            f"THREADS={setting[:40]} is not a whole number from 1 to {MOST_THREADS}"
        )
    return int(setting)


def usable_cores(allowed: int, cpu_max: Path) -> int:
    """The cores that a process is `allowed` on, at most the quota of its container, rounded up."""
    try:
        quota, period = cpu_max.read_text().split()
        return max(1, min(allowed, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no quota, or no control groups here
        return allowed
