import contextlib
import fcntl
import io
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from drawing import encoded
from processes import PATIENCE

from trainer.commands.download import command as download
from trainer.download import room_needed
from trainer.downloading.transfer_progress import in_units

Members = list[tuple[str | zipfile.ZipInfo, bytes]]

# Python ignores SIGINT where a shell started it in the background.
COMMAND = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from trainer.commands.download import command; command(sys.argv[1:])"
)


@dataclass
class Site:
    """A file server with faults; `sent` has the bytes of every body, in order of the requests."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True  # heeds Range
    conditions: bool = True  # heeds If-Range
    shift: int = 0  # bytes that a range begins too late
    tags: str = "etag"  # or date, weak, none
    claims: int | None = None  # the size that HEAD gives
    cut_after: int | None = None  # bytes of a body before the connection is closed
    cuts: int = 0  # how many more answers are cut
    hold: threading.Event | None = None  # instead of being closed, the connection stays silent
    status: list[int] = field(default_factory=list)  # of the next answers
    sent: list[int] = field(default_factory=list)

    def headers(self, body: bytes) -> dict[str, str]:
        tag = f'"{hash(body)}"'
        date = formatdate(abs(hash(body)) % 2**30, usegmt=True)
        kinds = {"etag": {"ETag": tag}, "date": {"Last-Modified": date}, "none": {}}
        return kinds.get(self.tags, {"ETag": f"W/{tag}", "Last-Modified": date})


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, *, body: bool) -> None:
        site, data = self.site, self.site.files.get(self.path.lstrip("/"))
        status = site.status.pop(0) if site.status else 200 if data is not None else 404
        if data is None or status != 200:
            self.send_error(status)
            return
        headers = site.headers(data)
        start, whole = self.start(headers), data
        if start is not None and start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.end_headers()
            return
        if start is not None:
            data = data[start:]
            headers["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        size = site.claims if site.claims and not body else len(data)
        self.send_response(200 if start is None else 206)
        for name, value in {**headers, "Content-Length": str(size)}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.send(data)

    def start(self, headers: dict[str, str]) -> int | None:
        """Where the wanted range starts, if one is wanted and may be had."""
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        only_if = self.headers.get("If-Range")
        if not wanted or not self.site.ranges:
            return None
        strong = {value for value in headers.values() if not value.startswith("W/")}
        if self.site.conditions and only_if not in (None, *strong):
            return None
        return int(wanted[1]) + self.site.shift

    def send(self, data: bytes) -> None:
        if self.site.cut_after is not None and self.site.cuts:
            self.site.cuts -= 1
            data = data[: self.site.cut_after]
        self.site.sent.append(len(data))  # first, or the client would be done before it
        self.wfile.write(data)
        if self.site.hold:
            self.site.hold.wait(PATIENCE)


@pytest.fixture
def site() -> Iterator[Site]:
    """Serves three archives: two images of valid, three of train, four of test."""
    site = Site()
    handler = type("SiteHandler", (Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    for number, name in enumerate(("valid", "train", "test"), start=2):
        site.files[f"{name}.zip"] = zipped(images(name, number))
    yield site
    if site.hold:
        site.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def images(part: str, number: int) -> Members:
    """Melanoma and nevus by turns, and what macOS leaves in an archive."""
    made: Members = [
        (f"{part}/{('nevus', 'melanoma')[at % 2]}/{at}.jpg", encoded("JPEG", 90, 60, seed=at))
        for at in range(number)
    ]
    return [
        *made,
        (f"__MACOSX/{part}/nevus/._0.jpg", b"leftover"),
        (f"{part}/.DS_Store", b"leftover"),
        (f"{part}/nevus/._0.jpg", b"leftover"),
    ]


def zipped(members: Members) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def link(name: str, kind: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3  # Unix
    info.external_attr = (kind | 0o777) << 16
    return info


def call(site: Site, data: Path, *more: str) -> Result:
    return CliRunner().invoke(download, [str(data), "--url", site.url, *more])


def valid(site: Site, data: Path, *more: str) -> Result:
    return call(site, data, "--part", "valid", "--retries", "1", *more)


def tree(folder: Path) -> list[str]:
    """Every file below the folder but the lock."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in found if path.suffix != ".lock")


VALID = ["valid/.downloaded", "valid/melanoma/1.jpg", "valid/nevus/0.jpg"]


def assert_complete(site: Site, data: Path) -> None:
    assert tree(data) == VALID
    expected = dict(images("valid", 2))
    for name in VALID[1:]:
        assert (data / name).read_bytes() == expected[name]
    assert site.files  # was served, not made up


def test_three_archives_valid_first(site: Site, data: Path) -> None:
    done = call(site, data)
    assert done.exit_code == 0, done.output
    first, *rest = done.stdout.splitlines()
    total = sum(map(len, site.files.values()))
    assert first.startswith(f"valid {in_units(len(site.files['valid.zip']))}, train ")
    assert f": {in_units(total)} to download, " in first
    assert rest == [
        f"valid: 2 images in {data}/valid",
        f"train: 3 images in {data}/train",
        f"test: 4 images in {data}/test",
    ]
    assert len(tree(data)) == 2 + 3 + 4 + 3  # and a marker each
    assert site.sent == [len(site.files[f"{name}.zip"]) for name in ("valid", "train", "test")]


def test_no_second_download(site: Site, data: Path) -> None:
    assert call(site, data, "--part", "test", "--part", "valid").exit_code == 0
    assert sorted(path.name for path in data.iterdir() if path.is_dir()) == ["test", "valid"]
    sent = len(site.sent)
    done = call(site, data)
    assert f"valid: already in {data}/valid\n" in done.stdout
    assert len(site.sent) == sent + 1  # train only


def test_archives_can_be_kept(site: Site, data: Path) -> None:
    assert valid(site, data, "--keep-archives").exit_code == 0
    assert tree(data) == sorted([*VALID, "valid.zip"])
    assert (data / "valid.zip").read_bytes() == site.files["valid.zip"]


def test_an_archive_without_top_folder(site: Site, data: Path) -> None:
    site.files["valid.zip"] = zipped([("nevus/0.jpg", b"x"), ("melanoma/1.jpg", b"y")])
    assert valid(site, data).exit_code == 0
    assert tree(data) == VALID


def test_a_cut_connection_goes_on_by_itself(site: Site, data: Path) -> None:
    size = len(site.files["valid.zip"])
    site.cut_after, site.cuts = 500, 3  # more cuts than retries, but each brought something
    done = valid(site, data)
    assert done.exit_code == 0, done.output
    assert site.sent == [500, 500, 500, size - 1500]
    assert f"valid: cut off after 500 of {size:,} bytes; trying again" in done.stderr
    assert_complete(site, data)


@pytest.mark.parametrize("tags", ["etag", "date", "weak"])
def test_the_next_call_transfers_only_what_is_missing(site: Site, data: Path, tags: str) -> None:
    size, site.tags = len(site.files["valid.zip"]), tags
    site.cut_after, site.cuts = 1000, 1
    done = valid(site, data, "--retries", "0")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "what was downloaded is kept, and the same command continues" in done.stderr
    assert (data / "valid.zip.part").stat().st_size == 1000
    done = valid(site, data)
    assert f"{in_units(size - 1000)} to download" in done.stdout
    assert site.sent == [1000, size - 1000]
    assert_complete(site, data)


def test_retries_come_to_an_end(site: Site, data: Path) -> None:
    site.cut_after, site.cuts = 0, 100
    done = valid(site, data)
    assert (done.exit_code, site.sent) == (1, [0, 0])
    assert done.stderr.splitlines()[-1].startswith(f"Error: {site.url}/valid.zip: cut off after 0")


def half(site: Site, data: Path, size: int = 1000) -> None:
    """Leave the first bytes of valid.zip behind."""
    site.cut_after, site.cuts = size, 1
    assert valid(site, data, "--retries", "0").exit_code == 1
    assert tree(data) == ["valid.zip.part", "valid.zip.source"]
    site.sent.clear()


def test_a_server_without_ranges_starts_over(site: Site, data: Path) -> None:
    half(site, data)
    site.ranges, whole = False, site.files["valid.zip"]
    done = valid(site, data, "--keep-archives")
    assert (done.exit_code, site.sent) == (0, [len(whole)])
    # A zip file with something glued before it still opens as one.
    assert (data / "valid.zip").read_bytes() == whole
    assert f"valid: {in_units(len(whole))} of {in_units(len(whole))}\n" in done.stderr


def test_an_answer_from_elsewhere_in_the_file_is_not_glued(site: Site, data: Path) -> None:
    half(site, data)
    site.shift = 7
    done = valid(site, data, "--keep-archives")
    assert done.exit_code == 0, done.output
    assert (data / "valid.zip").read_bytes() == site.files["valid.zip"]


@pytest.mark.parametrize("conditions", [True, False])
@pytest.mark.parametrize("longer", [True, False])
def test_a_changed_file_is_not_glued_to_an_old_half(
    site: Site, data: Path, conditions: bool, longer: bool
) -> None:
    old = [(f"valid/nevus/{at}.jpg", bytes([at]) * 2000) for at in range(9)]
    new, site.files["valid.zip"] = site.files["valid.zip"], zipped(list(old))
    half(site, data, 1000 if longer else len(new) + 1000)
    site.files["valid.zip"], site.conditions = new, conditions
    done = valid(site, data)
    assert done.exit_code == 0, done.output
    assert site.sent[-1] == len(new)
    if conditions:  # one request is enough
        assert len(site.sent) == 1
    assert_complete(site, data)


@pytest.mark.parametrize("conditions", [True, False])
def test_without_a_validator_nothing_is_glued(site: Site, data: Path, conditions: bool) -> None:
    site.tags, site.conditions = "none", conditions
    half(site, data)
    assert valid(site, data).exit_code == 0
    assert site.sent == [len(site.files["valid.zip"])]


def test_another_server_starts_over(site: Site, data: Path) -> None:
    half(site, data)
    site.files["mirror/valid.zip"] = site.files["valid.zip"]
    assert valid(site, data, "--url", f"{site.url}/mirror/").exit_code == 0
    assert site.sent == [len(site.files["valid.zip"])]


def test_a_complete_half_needs_no_byte(site: Site, data: Path) -> None:
    half(site, data)
    (data / "valid.zip.part").write_bytes(site.files["valid.zip"])
    assert valid(site, data).exit_code == 0
    assert site.sent == []
    assert_complete(site, data)


def test_a_busy_server_is_asked_again(site: Site, data: Path) -> None:
    site.status = [503]
    done = valid(site, data)
    assert done.exit_code == 0
    assert "valid: the server answers 503 Service Unavailable; trying again" in done.stderr


def test_a_missing_file_is_not_asked_for_again(site: Site, data: Path) -> None:
    done = valid(site, data, "--url", f"{site.url}/elsewhere")
    assert done.exit_code == 1
    says = f"Error: {site.url}/elsewhere/valid.zip: the server answers 404 Not Found\n"
    assert done.stderr == says


def test_nobody_answers(data: Path) -> None:
    done = valid(Site(url="http://127.0.0.1:9"), data)
    assert done.exit_code == 1
    assert "no connection (Connection refused)" in done.stderr


@pytest.mark.parametrize("address", ["file:///etc", "ftp://host", "data"])
def test_addresses_are_of_the_web(data: Path, address: str) -> None:
    assert (valid(Site(url=address), data).exit_code, data.exists()) == (2, False)


def test_a_disk_without_room_is_said_before_a_byte_is_sent(site: Site, data: Path) -> None:
    site.claims = 10**18
    done = valid(site, data)
    assert (done.exit_code, site.sent) == (1, [])
    assert re.search(r"Error: this needs 2,000,000,000.0 GB on the disk of .*are free", done.stderr)


def test_room_for_archives_and_what_is_in_them() -> None:
    assert room_needed([8, 53, 51], keep=False) == 8 + 53 + 2 * 51
    assert room_needed([8, 53, 51], keep=True) == 2 * (8 + 53 + 51)
    assert room_needed([1, 100, 1], keep=False) == 1 + 2 * 100


def broken(archive: bytes) -> bytes:
    at = archive.index(b"\xff\xd8\xff") + 100
    return archive[:at] + bytes([archive[at] ^ 255]) + archive[at + 1 :]


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-200], lambda _: b"<html>log in</html>", broken]
)
def test_a_damaged_archive_is_deleted_and_not_unpacked(
    site: Site, data: Path, spoil: Callable[[bytes], bytes]
) -> None:
    good = site.files["valid.zip"]
    site.files["valid.zip"] = spoil(good)
    done = valid(site, data)
    assert done.exit_code == 1
    assert f"Error: {site.url}/valid.zip is not a whole zip archive: " in done.stderr
    assert not any(name.endswith((".jpg", ".zip", ".part")) for name in tree(data))
    site.files["valid.zip"] = good
    assert valid(site, data).exit_code == 0
    assert_complete(site, data)


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("../evil.jpg", "leads outside"),
        ("valid/../../evil.jpg", "leads outside"),
        ("/tmp/evil.jpg", "leads outside"),
        ("C:/evil.jpg", "leads outside"),
        ("valid\\..\\evil.jpg", "leads outside"),
        ("valid/./evil.jpg", "is not a plain name"),
        ("valid//evil.jpg", "is not a plain name"),
        ("__MACOSX/../../evil", "leads outside"),
        (link("valid/nevus/link"), "is a link or a device"),
        (link("valid/nevus/pipe", stat.S_IFIFO), "is a link or a device"),
        (link("valid/nevus/disk", stat.S_IFBLK), "is a link or a device"),
    ],
)
def test_an_evil_name_refuses_the_archive(
    site: Site, data: Path, member: str | zipfile.ZipInfo, says: str
) -> None:
    site.files["valid.zip"] = zipped([*images("valid", 2), (member, b"/etc/passwd")])
    done = valid(site, data)
    assert done.exit_code == 1
    assert "valid.zip is refused: '" in done.stderr
    assert says in done.stderr
    assert tree(data.parent) == ["data/valid.zip.part", "data/valid.zip.source"]


def test_two_files_of_one_name_refuse_the_archive(site: Site, data: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        site.files["valid.zip"] = zipped([("valid/a.jpg", b"1"), ("valid/a.jpg", b"2")])
    assert "two files of one name" in valid(site, data).stderr


def test_a_bomb_is_refused(site: Site, data: Path) -> None:
    packed = zipped([("valid/nevus/0.jpg", bytes(1 << 20))])
    # What the directory says is believed by zipfile, and is what must be bounded.
    size, huge = (1 << 20).to_bytes(4, "little"), (2 * 10**9).to_bytes(4, "little")
    site.files["valid.zip"] = (
        packed[: packed.rindex(size)] + huge + packed[packed.rindex(size) + 4 :]
    )
    done = valid(site, data)
    assert done.exit_code == 1
    assert "would unpack to 2.0 GB, more than 3 times as much" in done.stderr


def test_unpacking_goes_on_where_it_stopped(site: Site, data: Path) -> None:
    data.mkdir()
    (data / "valid.zip").write_bytes(site.files["valid.zip"])
    whole, torn = data / ".valid" / "nevus" / "0.jpg", data / ".valid" / "melanoma" / "1.jpg"
    expected = dict(images("valid", 2))["valid/nevus/0.jpg"]
    for path, content in ((whole, expected), (torn, b"")):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    before = whole.stat().st_mtime_ns
    assert valid(site, data).exit_code == 0
    assert site.sent == []
    assert (data / "valid" / "nevus" / "0.jpg").stat().st_mtime_ns == before
    assert_complete(site, data)


def test_interrupted_before_the_last_step(site: Site, data: Path) -> None:
    assert valid(site, data).exit_code == 0
    (data / "valid").rename(data / ".valid")
    (data / "valid.zip").write_bytes(b"not deleted yet")
    assert f"valid: already in {data}/valid" in valid(site, data).stdout
    assert_complete(site, data)


def test_a_folder_of_somebody_else_is_left_alone(site: Site, data: Path) -> None:
    (data / "valid").mkdir(parents=True)
    done = valid(site, data)
    assert (done.exit_code, site.sent) == (1, [])
    assert "valid is there, but was not made by `trainer download`" in done.stderr


def test_one_download_at_a_time(site: Site, data: Path) -> None:
    data.mkdir()
    with (data / ".download.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        done = valid(site, data)
    assert (done.exit_code, site.sent) == (1, [])
    assert "is at work" in done.stderr


def test_a_folder_that_cannot_be_made(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = valid(site, tmp_path / "file" / "data")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "Not a directory" in done.stderr


@contextlib.contextmanager
def process(site: Site, data: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", COMMAND, str(data), "--url", site.url, "--part", "valid"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


def test_control_c_says_how_to_go_on(site: Site, data: Path) -> None:
    site.hold, site.cut_after, site.cuts = threading.Event(), 1000, 1
    waiting, part = time.monotonic() + PATIENCE, data / "valid.zip.part"
    with process(site, data) as started:
        while not part.exists() or part.stat().st_size < 1000:
            assert time.monotonic() < waiting
            os.sched_yield()
        started.send_signal(signal.SIGINT)
        errors = started.communicate()[1]
    assert started.returncode == 130
    assert errors == "interrupted; the same command goes on where it stopped\n"
    site.hold.set()
    site.hold = None
    assert valid(site, data).exit_code == 0
    assert site.sent == [1000, len(site.files["valid.zip"]) - 1000]
    assert_complete(site, data)


@pytest.mark.parametrize(
    ("size", "words"),
    [(999, "999 B"), (1000, "1.0 kB"), (824_500_000, "824.5 MB"), (5.3e9, "5.3 GB")],
)
def test_sizes_in_units(size: float, words: str) -> None:
    assert in_units(size) == words
