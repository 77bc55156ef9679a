"""Any bytes for a manifest: taken, or refused with a line number in one sentence."""

import csv
import io
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from forging import stub_site
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imaging.errors import SourceError
from imaging.listing.manifest import read_manifest
from producer.cli import main

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "300"))
REFUSED = re.compile(r"m\.csv:[1-9][0-9]*: .+")

FIELDS = st.text(max_size=12) | st.sampled_from(
    ["path", "filepath", "label", "0", "1", "a.jpg", "é", "\ufeff", '"', "\0", "x" * 200_000]
)
ROWS = st.lists(st.lists(FIELDS, max_size=4), max_size=6)
HEADERS = st.sampled_from([b"", b"path\n", b"\xef\xbb\xbfpath,label\r\n", b"path,label,path\n"])


def as_csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


MANIFESTS = st.tuples(HEADERS, st.binary(max_size=80) | ROWS.map(as_csv)).map(b"".join)


@settings(max_examples=EXAMPLES, deadline=None, derandomize="PROPERTY_EXAMPLES" not in os.environ)
@given(MANIFESTS)
def test_any_bytes_are_rows_or_refused_by_their_line(data: bytes) -> None:
    message, rows = "m.csv:1: nothing", []
    try:
        rows = list(read_manifest(io.BytesIO(data), "m.csv"))
    except SourceError as error:
        message = error.message

    assert REFUSED.fullmatch(message), message
    assert all(row.path.strip() and row.label in {0, 1, None} for row in rows)


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(MANIFESTS)
def test_the_command_takes_it_or_says_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    site = stub_site(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHECKPOINT", site.settings["CHECKPOINT"])
    (tmp_path / "m.csv").write_bytes(data)

    done = CliRunner().invoke(main, ["enqueue", "m.csv", "--allow-missing", "--new-run"])

    assert done.exit_code in {0, 1}
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    if done.exit_code:
        (line,) = done.stderr.splitlines()
        assert line.startswith("Error: m.csv")
