"""The long run of faults: `python tests/faults/chaos.py --kills 200 --images 100000`.

Prints the table and exits with 1 if anything was lost, duplicated, wrong or half done, or if
workers did not recover within a minute. `--only NAME` runs a part of it (`--list` names them).
`--engine int8` takes the real engine with a tiny int8 checkpoint in the place of the stub.
"""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[2]))
sys.path.append(str(Path(__file__).parents[1] / "helpers"))

import process_faults
import server_faults
from checkpoint_faults import broken_checkpoints
from faults import EMBEDDED, RECOVERY_SECONDS, SERVERS, Row, table
from grounds import STUB, Ground, ground
from int8_faults import harmed_in_openvino
from processes import Trained, small_checkpoint
from rabbitmq import rabbitmq_program
from servers import postgres_server
from shutdowns import ON_RABBITMQ

from model.card import claimed_card

TRAINING = Lock()


class Part(NamedTuple):
    """Faults of a kind, and what they are called."""

    name: str
    rows: Callable[[], Iterable[Row]]


def parts(
    place: Ground, scale: process_faults.Scale, engine: Mapping[str, str] = STUB
) -> list[Part]:
    """Every kind of fault; those of processes on both pairs of broker and database."""
    trained = cache(partial(_trained, place.folder, engine))
    of_servers = server_faults.Scale(scale.product_kills, max(320, scale.images // 50), engine)
    found = [
        Part(name, partial(scenario, place.folder / name, of_servers))
        for name, scenario in server_faults.SCENARIOS.items()
        if not server_faults.cannot(name)
    ]
    for backend in (EMBEDDED, SERVERS):
        found.append(
            Part(
                f"broken_checkpoints, {backend}",
                partial(_with, trained, partial(broken_checkpoints, place, backend)),
            )
        )
        found += [
            Part(f"{scenario.__name__}, {backend}", partial(scenario, place, backend, scale))
            for scenario in process_faults.SCENARIOS
        ]
        if engine:
            found.append(
                Part(
                    f"harmed_in_openvino, {backend}",
                    partial(harmed_in_openvino, place, backend, engine),
                )
            )
    if rabbitmq_program() is not None:
        found.append(
            Part(
                f"told_to_end, {ON_RABBITMQ}",
                partial(process_faults.told_to_end_on_rabbitmq, place, scale),
            )
        )
    return found


def _trained(folder: Path, engine: Mapping[str, str]) -> Trained:
    """A small checkpoint that was trained, or what `trainer quantise` made of it."""
    trained = small_checkpoint(folder)
    if not engine:
        return trained
    output = trained.checkpoint.with_name("int8.keras")
    arguments = (str(trained.checkpoint), "data/train", "-o", str(output))
    trained.site.succeed("trainer", "quantise", *arguments)
    return trained._replace(checkpoint=output, digest=claimed_card(output).digest)


def _with(trained: Callable[[], Trained], scenario: Callable[[Trained], list[Row]]) -> list[Row]:
    """A scenario on the checkpoint that is trained when it is first needed."""
    with TRAINING:
        checkpoint = trained()
    return scenario(checkpoint)


def outcome(part: Part) -> tuple[list[Row], bool]:
    """Its rows, and whether it went to its end."""
    try:
        rows = list(part.rows())
    except Exception:  # noqa: BLE001 - the other parts go on
        print(f"{part.name}:\n{traceback.format_exc()}", file=sys.stderr)
        return [], False
    print(table(rows), flush=True)
    return rows, True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts side by side, most of which wait; returns the exit code."""
    options = _parser().parse_args(arguments)
    scale = process_faults.Scale(
        options.kills,
        options.images,
        max(1, options.kills // 20),
        max(1, options.kills // 4),
        options.busy,
    )
    with (
        tempfile.TemporaryDirectory(prefix="chaos") as name,
        postgres_server(Path(name) / "postgres") as uri,
        ground(Path(name) / "ground", uri, engine := _engine(options.engine, Path(name))) as place,
    ):
        every = parts(place, scale, engine)
        chosen = [part for part in every if options.only in part.name]
        if options.list or not chosen:
            print("\n".join(part.name for part in every))
            return 0 if options.list else 2
        for kind in server_faults.SCENARIOS:
            if reason := server_faults.cannot(kind):
                print(f"{kind} is left out: {reason}", file=sys.stderr)
        if rabbitmq_program() is None:
            print("RabbitMQ is left out: it is not installed", file=sys.stderr)
        with ThreadPoolExecutor(options.at_once) as pool:
            outcomes = list(pool.map(outcome, chosen))
    rows = [row for found, _ in outcomes for row in found]
    print(f"\n{table(rows)}")
    well = all(row.holds and row.seconds < RECOVERY_SECONDS for row in rows)
    return 0 if well and all(ended for _, ended in outcomes) else 1


def _engine(name: str, folder: Path) -> Mapping[str, str]:
    if name == "stub":
        return STUB
    from int8_colours import int8_engine  # deferred: TensorFlow takes seconds

    return int8_engine(folder / "int8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of workers at random")
    parser.add_argument("--images", type=int, default=100_000, help="that they score meanwhile")
    parser.add_argument("--only", default="", help="the parts whose name contains this")
    parser.add_argument("--at-once", type=int, default=4, help="parts side by side")
    parser.add_argument(
        "--busy", type=int, default=2, help="programs that want a core, beside workers told to end"
    )
    parser.add_argument("--engine", choices=("stub", "int8"), default="stub", help="what scores")
    parser.add_argument("--list", action="store_true", help="name the parts")
    return parser


if __name__ == "__main__":
    sys.exit(main())
