"""Images in an object store: a real S3 (moto's server), and a web server that has bad moments."""

import gzip
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import boto3
import fsspec
import pytest
from certificates import Signer, make_signer
from colours import draw_number, score_of_number
from moto.server import ThreadedMotoServer
from processes import Site, stub_checkpoint

from imaging.errors import ImageError
from imaging.limits import MAX_BYTES
from imaging.listing.stored_keys import source_key
from imaging.stores import object_store as stores
from imaging.stores.object_store import Store, open_store

pytestmark = pytest.mark.usefixtures("measured")

HELPERS = str(Path(__file__).parents[1] / "helpers")
NUMBERS = {"melanoma/1.png": 1000, "melanoma/2.png": 2000, "nevus/3.png": 3000}
BUCKET = "lesions"
CERTIFICATE = "server.crt"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def settings(endpoint: str) -> dict[str, str]:
    """What every S3 tool reads."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.fixture(scope="module")
def bucket(endpoint: str) -> str:
    """A bucket with three images that hold numbers, and objects that are none."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket=BUCKET)
    objects = {f"test/{name}": draw_number(number) for name, number in NUMBERS.items()}
    objects |= {
        "bad/empty.png": b"",
        "bad/huge.png": bytes(MAX_BYTES + 1),
        "bad/text.png": b"no image",
        "test/.hidden/4.png": draw_number(4),
        "test/notes.txt": b"no image, and not listed",
    }
    for key, data in objects.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=data)
    return f"s3://{BUCKET}"


@pytest.fixture
def store(bucket: str, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Store:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return open_store(bucket)


@pytest.fixture
def site(tmp_path: Path, settings: dict[str, str], bucket: str) -> Site:
    """A folder with a checkpoint for the stub, and no image."""
    checkpoint = stub_checkpoint(tmp_path)
    return Site(
        tmp_path,
        {
            **settings,
            "DATA_ROOT": bucket,
            "CHECKPOINT": str(checkpoint),
            "PYTHONPATH": HELPERS,
            "STUB_MODE": "colour",
        },
    )


def drain(site: Site) -> str:
    with site.start("celery", "-A", "stub_worker", "worker", "--drain") as worker:
        assert worker.await_end() == 0, worker.last_words
        return worker.output


# tests/e2e/test_howto.py begins with the third spelling.
@pytest.mark.parametrize("source", ["s3://lesions/test/", "test"])
def test_a_folder_of_a_store_is_scored(site: Site, source: str) -> None:
    enqueued = site.succeed("producer", "enqueue", source)
    assert "run 1: 3 images (3 new)" in enqueued.stdout
    assert "images under s3://lesions" in drain(site)
    assert site.ledger.scores() == {
        f"test/{name}": score_of_number(number) for name, number in NUMBERS.items()
    }
    labels = site.ledger.rows("SELECT path, label FROM images ORDER BY id")
    assert labels == [
        ("test/melanoma/1.png", 1),
        ("test/melanoma/2.png", 1),
        ("test/nevus/3.png", 0),
    ]
    # Known again by any spelling.
    again = site.succeed("producer", "enqueue", "s3://lesions/test")
    assert "run 1: 3 images (0 new)" in again.stdout


def test_each_object_of_a_manifest_ends_with_its_own_outcome(site: Site) -> None:
    rows = "s3://lesions/test/nevus/3.png bad/gone.png bad/empty.png bad/huge.png bad/text.png bad"
    (site.folder / "manifest.csv").write_text("\n".join(["path", *rows.split()]))
    site.succeed("producer", "enqueue", "manifest.csv")
    drain(site)
    outcomes = {row.path: row.error or row.score for row in site.ledger.predictions()}
    assert outcomes == {
        "test/nevus/3.png": score_of_number(3000),
        "bad/gone.png": "missing",
        "bad/empty.png": "empty",
        "bad/huge.png": "too_large",
        "bad/text.png": "not_an_image",
        "bad": "missing",
    }


@pytest.mark.parametrize(
    ("root", "row", "said"),
    [
        ("s3://lesions/test", "s3://other/1.png", "manifest.csv:2: s3://other/1.png lies outside"),
        ("s3://lesions/test", "s3://lesions/bad/x.png", "lies outside DATA_ROOT (s3://lesions/te"),
        ("s3://lesions/test", "../bad/x.png", "manifest.csv:2: ../bad/x.png lies outside"),
        ("s3://lesions/test", "%2E%2e/x.png", "manifest.csv:2: %2E%2e/x.png lies outside"),
        ("s3://lesions/test", "/etc/x.png", "manifest.csv:2: /etc/x.png lies outside"),
        ("", "s3://lesions/test/1.png", "is an address, and DATA_ROOT"),
        ("", "gs://lesions/test/1.png", "is an address, and DATA_ROOT"),
        ("ftp://lesions", "1.png", "DATA_ROOT=ftp://lesions is neither a folder nor an address"),
        ("s3://", "1.png", "DATA_ROOT=s3:// is neither a folder nor an address"),
        ("s3://me:secret@lesions", "1.png", "credentials and parameters belong in"),
        ("az://lesions", "1.png", "pip install 'dermscore[azure]'"),
    ],
)
def test_only_what_the_data_root_names_is_asked_for(
    site: Site, root: str, row: str, said: str
) -> None:
    (site.folder / "manifest.csv").write_text(f"path\n{row}\n")
    other = Site(site.folder, {**site.settings, "DATA_ROOT": root})
    done = other.run("producer", "enqueue", "manifest.csv")
    assert done.code == 1
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "path", ["s3://lesions/bad/text.png", "../bad/text.png", "%2e%2e/bad/text.png", "/x", "..", ""]
)
def test_a_forged_path_is_not_asked_for(store: Store, path: str) -> None:
    with pytest.raises(ImageError) as caught:
        Store(f"{store.address}/test").read(path)
    assert caught.value.code == "outside_root"


@pytest.mark.parametrize("source", ["s3://lesions/nowhere", "tset"])
def test_a_folder_that_is_not_there_is_one_line(site: Site, source: str) -> None:
    done = site.run("producer", "enqueue", source)
    assert done.code == 1
    assert done.stderr == (
        f"Error: {source}: there is nothing of that name under DATA_ROOT (s3://lesions)\n"
    )


def test_a_store_that_is_away_is_told_before_it_is_asked_again(site: Site) -> None:
    """All of the five tries take most of a minute."""
    site.settings["AWS_ENDPOINT_URL"] = "no.address"
    with site.start("producer", "enqueue", "test") as process:
        process.await_output("s3://lesions/test: Invalid endpoint: no.address; trying again\n")
        process.send(signal.SIGINT)
        assert process.await_end() == 130


def test_a_folder_is_known_by_its_key(store: Store) -> None:
    assert source_key("s3://lesions", store) == "."
    assert source_key("s3://lesions/test/", store) == source_key("test", store) == "test"


class Moody(BaseHTTPRequestHandler):
    """Serves one image; the first requests of each path fail."""

    failures: dict[str, int]

    def do_GET(self) -> None:
        left = self.failures.get(self.path, 0)
        self.failures[self.path] = left - 1
        if left > 0:
            self.send_error(503)
            return
        if "gone" in self.path:
            self.send_error(404)
            return
        data = draw_number(3000)
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address of an HTTPS server, whose certificate is in `tmp_path`."""
    with https_server(Moody, make_signer(tmp_path, "server")) as address:
        yield address


@contextmanager
def https_server(handler: type[BaseHTTPRequestHandler], signer: Signer) -> Iterator[str]:
    """A web server while the block runs; the address of its folder `images`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signer.certificate, signer.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/images"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_web_server_is_asked_again_and_one_that_stays_away_costs_its_image_alone(
    site: Site, web: str
) -> None:
    trusting = {"DATA_ROOT": web, "SSL_CERT_FILE": str(site.folder / CERTIFICATE)}
    served = Site(site.folder, {**site.settings, **trusting})
    Moody.failures = {"/images/moody.png": 2, "/images/away.png": 100}
    rows = ["path", "well.png", f"{web}/moody.png", "away.png", "gone.png"]
    (site.folder / "manifest.csv").write_text("\n".join(rows))
    served.succeed("producer", "enqueue", "manifest.csv")
    drain(served)
    outcomes = {row.path: row.error or row.score for row in served.ledger.predictions()}
    score = score_of_number(3000)
    assert outcomes == {
        "well.png": score,
        "moody.png": score,
        "away.png": "unreadable",
        "gone.png": "missing",
    }
    (detail,) = (row.detail for row in served.ledger.predictions() if row.error == "unreadable")
    assert "503" in (detail or "")


def test_a_server_that_cannot_prove_who_it_is_is_not_read(site: Site, web: str) -> None:
    served = Site(site.folder, {**site.settings, "DATA_ROOT": web})
    Moody.failures = {}
    (site.folder / "manifest.csv").write_text("path\nwell.png\n")
    served.succeed("producer", "enqueue", "manifest.csv")
    drain(served)
    (row,) = served.ledger.predictions()
    assert row.error == "unreadable"
    assert "CERTIFICATE_VERIFY_FAILED" in (row.detail or "")


def test_a_web_server_has_no_folders(site: Site, web: str) -> None:
    served = Site(site.folder, {**site.settings, "DATA_ROOT": web})
    done = served.run("producer", "enqueue", web)
    assert done.code == 1
    assert "a web server has no folders; list the images in a manifest" in done.stderr


class Hostile(BaseHTTPRequestHandler):
    """A server that somebody else has taken over; `sent` counts the bytes that clients took."""

    sent = 0
    elsewhere: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        if not self.path.startswith("/images/"):
            Hostile.elsewhere.append(self.path)
        name = self.path.rpartition("/")[2]
        if location := REDIRECTS.get(name):
            self.send_response(302)
            assert isinstance(self.server, ThreadingHTTPServer)
            self.send_header("Location", location.format(port=self.server.server_port))
            self.end_headers()
            return
        data = gzip.compress(bytes(MAX_BYTES)) if name == "gzip.png" else draw_number(3000)
        length = {"endless.png": None, "large.png": 10**12, "cut.png": 2 * len(data)}
        self.send_response(200)
        if name == "gzip.png":
            self.send_header("Content-Encoding", "gzip")
        if length.get(name, len(data)) is not None:
            self.send_header("Content-Length", str(length.get(name, len(data))))
        self.end_headers()
        with suppress(OSError):  # the client goes when it has seen enough
            if name in ("endless.png", "large.png"):
                self.send_without_end()
            else:
                self.wfile.write(data)

    def send_without_end(self) -> None:
        while Hostile.sent < 8 * MAX_BYTES:
            Hostile.sent += self.wfile.write(bytes(1 << 20))

    def log_message(self, *_: Any) -> None:
        pass


REDIRECTS = {
    "plain_http.png": "http://127.0.0.1:{port}/images/well.png",
    "metadata.png": "http://169.254.169.254/latest/meta-data/iam/",
    "file.png": "file:///etc/passwd",
    "other_port.png": "https://127.0.0.1:1/images/well.png",
    "other_host.png": "//localhost:{port}/images/well.png",
    "sibling.png": "/secret/well.png",
    "dots.png": "../secret/well.png",
    "coded_dots.png": "/images/%2e%2e/secret/well.png",
    "twice_coded.png": "/images/a/%2e%2e/%2e%2e/secret/well.png",
    "named_alike.png": "https://127.0.0.1:{port}/images_of_others/well.png",
    "in_front_of_host.png": "https://127.0.0.1:{port}@localhost/images/well.png",
    "round_and_round.png": "round_and_round.png",
    "inside.png": "sub/well.png",
}


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    signer = make_signer(tmp_path, "server")
    monkeypatch.setenv("SSL_CERT_FILE", str(signer.certificate))
    Hostile.sent, Hostile.elsewhere = 0, []
    with https_server(Hostile, signer) as address:
        yield open_store(address)


def test_a_redirect_is_followed_only_below_the_data_root(hostile: Store) -> None:
    refused = {}
    for name in REDIRECTS:
        try:
            hostile.read(name)
        except ImageError as error:
            refused[name] = error.code
    assert refused == {
        name: "unreadable" if name == "round_and_round.png" else "outside_root"
        for name in REDIRECTS
        if name != "inside.png"
    }
    assert hostile.read("inside.png")[0] == draw_number(3000)
    assert Hostile.elsewhere == []


@pytest.mark.parametrize(
    ("name", "code"),
    [("endless.png", "too_large"), ("large.png", "too_large"), ("gzip.png", "unreadable")],
)
def test_a_server_cannot_fill_the_memory(hostile: Store, name: str, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        hostile.read(name)
    assert caught.value.code == code
    assert Hostile.sent < 2 * MAX_BYTES


def test_a_body_of_unknown_length_waits_for_room_for_the_longest(hostile: Store) -> None:
    asked: list[int] = []
    hostile.read("well.png", asked.append)
    with pytest.raises(ImageError):
        hostile.read("endless.png", asked.append)
    assert asked == [len(draw_number(3000)), MAX_BYTES]


def test_a_file_that_breaks_off_is_no_file(hostile: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "BACK_OFF_SECONDS", (0.01,))
    with pytest.raises(ImageError, match="IncompleteRead") as caught:
        hostile.read("cut.png")
    assert caught.value.code == "unreadable"


def test_s3_that_ignores_the_range_cannot_fill_the_memory(
    tmp_path: Path, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = make_signer(tmp_path, "server")
    Hostile.sent = 0
    with https_server(Hostile, signer) as address:
        endpoint = address.removesuffix("/images")
        named = {"AWS_ENDPOINT_URL": endpoint, "AWS_CA_BUNDLE": str(signer.certificate)}
        for name, value in (settings | named).items():
            monkeypatch.setenv(name, value)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        with pytest.raises(ImageError) as caught:
            open_store("s3://images").read("large.png")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    assert caught.value.code == "too_large"
    assert Hostile.sent < 2 * MAX_BYTES
