"""The table of `python -m worker.bench`, and the line to type."""

from worker.bench.child import Measured, NotMeasured
from worker.bench.table import Row, advice, table

EXACT = Measured(30.0, 20.0, 3_000_000_000, {"a.jpg": 0.25, "b.jpg": 0.5})
QUICK = Measured(60.0, 36.0, 2_500_000_000, {"a.jpg": 0.26, "b.jpg": 0.49, "c.jpg": 0.9})
SLOW = QUICK._replace(network_rate=18.0, rate=12.0)
NONE = NotMeasured("no float16 on a CPU")


def row(precision: str, found: Measured | NotMeasured) -> Row:
    return Row("m.keras", "my models/m.keras", precision, found)


def test_rows_are_compared_with_float32() -> None:
    rows = [row("float32", EXACT), row("bfloat16", QUICK), row("float16", NONE)]
    heading, exact, quick, none = table(rows)
    assert heading.split("  ")[0].strip() == "checkpoint"
    assert exact.split() == ["m.keras", "float32", "30.0", "20.0", "1.00", "3.00", "GB", "0"]
    assert quick.split() == ["m.keras", "bfloat16", "60.0", "36.0", "1.80", "2.50", "GB", "0.01"]
    assert none == "m.keras in float16: n/a: no float16 on a CPU"


def test_the_quickest_is_advised_with_what_it_changes() -> None:
    line = advice([row("float32", EXACT), row("bfloat16", QUICK)])
    typed = "producer enqueue SOURCE --checkpoint 'my models/m.keras' --precision"
    assert line.startswith(f"to type: {typed} bfloat16 ")
    assert "differ by up to 0.01" in line
    for other in (SLOW, EXACT._replace(rate=20.5), QUICK._replace(network_rate=30.0), NONE):
        line = advice([row("float32", EXACT), row("bfloat16", other)])
        assert line == f"to type: {typed} float32"
    assert "nothing" in advice([row("float32", NONE)])


def test_a_quantised_checkpoint_is_called_int8_and_typed_without_a_precision() -> None:
    rows = [Row("q.keras", "q.keras", "float32", QUICK, quantised=True), row("float32", EXACT)]
    assert [line.split()[1] for line in table(rows)] == ["precision", "int8", "float32"]
    assert advice(rows).startswith("to type: producer enqueue SOURCE --checkpoint q.keras   (")
