"""Lines of native code about images: in their details or in the log, and no other line lost."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from bad_images import kinds
from drawing import encoded
from processes import PATIENCE, PROJECT, Trained, fresh_site

pytestmark = pytest.mark.usefixtures("measured")

# What a worker's own lines begin with.
TIMED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (INFO|WARNING|ERROR) ")
SAYS = {
    "cut30.jpg": "Premature end of JPEG data. Stopped at line 30/200",
    "tables.jpg": "Quantization table 0x00 was not defined",
    "zeroed.jpg": "Corrupt JPEG data: premature end of data segment",
}


def test_what_is_said_of_images_stands_in_their_details_and_nowhere_without_time(
    trained: Trained, tmp_path: Path
) -> None:
    site = fresh_site(tmp_path, trained)
    folder = tmp_path / "data" / "test" / "damaged"
    folder.mkdir()
    for kind in kinds():
        if kind.name in SAYS:
            kind.put(folder / kind.name)
    site.succeed("producer", "enqueue", "data/test", "--label", "damaged=0")
    output = site.drain()
    details = {Path(row.path).name: row.detail for row in site.ledger.predictions() if row.error}
    assert set(details) == set(SAYS)
    for name, said in SAYS.items():
        assert str(details[name]).endswith(")")
        assert said in str(details[name]).split(" (", 1)[1]
    untimed = [line for line in output.splitlines() if not TIMED.match(line)]
    assert [line for line in untimed if "JPEG" in line or " table " in line] == []
    assert "WARNING about one of the images that are being decoded: Quantization" in output


START = """
import ctypes, logging, os, sys, threading
from worker.observability.native_lines import NativeLines
libc = ctypes.CDLL(None)
def say(text): libc.write(2, text.encode(), len(text.encode()))
logging.basicConfig(format="LOG %(message)s")
"""
# The terminal is a pipe here, which tells all that came to it, also after the process is gone.
ENDINGS = {
    "abort": ("libc.abort()", -6),
    "kill": ("os.kill(os.getpid(), 9)", -9),
    "exit": ("os._exit(70)", 70),
}


def said_by(script: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", START + script],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("window", ["batch", "alone"])
def test_the_last_words_of_a_process_that_dies_while_it_decodes_are_not_lost(
    window: str, ending: str
) -> None:
    how, expected = ENDINGS[ending]
    code, said = said_by(f"""
with NativeLines().{window}():
    say("F0000 00:00:1.5 7 op.cc:3] Check failed: fatal\\n" * 400 + "and no end of line")
    {how}
""")
    assert code == expected
    assert said.count("Check failed: fatal\n") == 400
    assert said.endswith("and no end of line")


def test_threads_share_it_and_the_log_is_beside_it() -> None:
    code, said = said_by("""
native = NativeLines()
both = threading.Barrier(2)
def decode(number):
    for at in range(50):
        with native.batch():
            both.wait()
            say(f"Corrupt JPEG data: {number}\\n")
            say(f"other {number}\\n")
            logging.warning("own %d", number)
            both.wait()
        with native.alone() as of_one:
            say(f"Corrupt JPEG data: alone {number} {at}\\n")
        assert of_one == [f"Corrupt JPEG data: alone {number} {at}"], of_one
        both.wait()
    sys.stderr.write("done\\n")  # print would write it in two pieces
threads = [threading.Thread(target=decode, args=(number,)) for number in (1, 2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""")
    assert code == 0
    lines = said.splitlines()
    for number in (1, 2):
        assert lines.count(f"other {number}") == lines.count(f"LOG own {number}") == 50
        logged = "LOG about one of the images that are being decoded: Corrupt JPEG data: "
        assert lines.count(f"{logged}{number}") == 50
    assert lines.count("done") == 2
    assert len(lines) == 302


def test_a_filter_that_was_killed_costs_no_line() -> None:
    code, said = said_by("""
native = NativeLines()
native._filter.kill()
native._filter.wait()
with native.alone() as of_one:
    say("Corrupt JPEG data: here\\n")
with native.batch():
    say("and here\\n")
print(of_one, file=sys.stderr)
""")
    assert code == 0
    assert said == "Corrupt JPEG data: here\nand here\n[]\n"


def test_an_image_that_is_whole_is_decoded_as_before(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG", 40, 30))
    code, said = said_by(f"""
from pathlib import Path
from model.card import Decode
from imaging.decoding.decoder import Decoder
decoded = Decoder(Decode(), native=NativeLines()).decode_files(Path({str(tmp_path)!r}), ["a.png"])
assert decoded.positions == [0]
""")
    assert (code, said) == (0, "")
