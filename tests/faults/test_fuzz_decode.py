import sys
from pathlib import Path
from subprocess import run

from mutants import SMALL, mutant
from processes import PATIENCE

SCRIPT = Path(__file__).with_name("fuzz_decode.py")
COUNT = 600  # 10,000 in `make chaos`


def test_a_damaged_image_harms_nothing() -> None:
    # In a process of its own: what hangs or crashes is its end, and its memory is watched.
    command = [sys.executable, str(SCRIPT), "--count", str(COUNT), "--seed", "1"]
    done = run(command, capture_output=True, text=True, check=False, timeout=2 * PATIENCE)

    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    counts = {line.split()[1]: int(line.split()[0]) for line in done.stdout.splitlines()[1:-1]}
    assert sum(counts.values()) == COUNT
    assert min(counts["scored"], counts["corrupt"]) > COUNT / 10  # it tries both


def test_a_damaged_image_can_be_made_again() -> None:
    made = [mutant(1, number) for number in range(50)]

    assert [mutant(1, number) for number in range(50)] == made
    assert len({*made, *SMALL}) > 40 + len(SMALL), "most are neither undamaged nor twice"
