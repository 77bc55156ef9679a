"""How long the commands take to answer, and a worker to its first batch.

Aim: `producer --help` and `report --help` under 0.5 s. The other side is a bare interpreter.
"""

import subprocess
import sys
import time
from statistics import median

from common import describe_machine, line
from processes import SCRIPTS
from sites import BACKENDS, start_worker, stub_site, write_manifest

ROUNDS = 5


def seconds_of(*command: str) -> float:
    """Seconds until a command has ended well."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own commands
    return time.perf_counter() - began


def first_batch(backend: str) -> float:
    """Seconds from a stub worker's start to its first finished batch."""
    with stub_site(backend) as site:
        site.succeed("producer", "enqueue", write_manifest(site.folder, 64), "--allow-missing")
        began = time.perf_counter()
        with start_worker(site) as worker:
            worker.await_true(lambda: not site.ledger.unfinished(), "its first batch was finished")
            return time.perf_counter() - began


def main() -> None:
    """All commands in turn, so that a noisy moment meets each."""
    commands = {
        "python -c pass": (sys.executable, "-c", "pass"),
        "producer --help": (str(SCRIPTS / "producer"), "--help"),
        "report --help": (str(SCRIPTS / "report"), "--help"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            seconds[name].append(seconds_of(*command))
    print(describe_machine())
    bare = median(seconds["python -c pass"])
    for name, values in seconds.items():
        ratio = f"{median(values) / bare:.1f} times a bare interpreter"
        print(f"{line(name, values, 's')}; {ratio}; aim: under 0.5")
    for backend in BACKENDS:
        values = [first_batch(backend) for _ in range(3)]
        print(line(f"stub worker, {backend}, from start to first batch", values, "s"))


if __name__ == "__main__":
    main()
