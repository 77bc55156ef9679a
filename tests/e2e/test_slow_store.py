"""A store whose answers come late: how much is asked for at once, and a read without end."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from colours import draw_number
from processes import PATIENCE, Site, stub_checkpoint

from imaging.decoding.image_file import STORE_READERS, ImageFile, read_images
from imaging.stores.object_store import Store, open_store
from worker.health.watchdog import HUNG_EXIT_CODE

pytestmark = pytest.mark.usefixtures("measured")

HELPERS = str(Path(__file__).parents[1] / "helpers")
WAITING_SECONDS = 20.0


class Late(BaseHTTPRequestHandler):
    """S3 that answers once so many have asked, and sends `endless.png` bit by bit for ever."""

    everyone: ClassVar[threading.Barrier]
    lock: ClassVar[threading.Lock] = threading.Lock()
    asking = most = 0

    def do_GET(self) -> None:
        if self.path.split("?")[0].endswith("endless.png"):
            self.send_for_ever()
            return
        self.count(1)
        Late.everyone.wait()
        self.count(-1)
        data = draw_number(3000)
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def count(self, change: int) -> None:
        with Late.lock:
            Late.asking += change
            Late.most = max(Late.most, Late.asking)

    def send_for_ever(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        never = threading.Event()
        try:
            while not never.wait(0.1):
                self.wfile.write(b"x")
        except OSError:  # the client is gone
            pass

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """The same for many clients at once."""

    request_queue_size = 128
    daemon_threads = True


@pytest.fixture
def settings() -> Iterator[dict[str, str]]:
    """What every S3 tool reads; the server runs until the test ends."""
    server = Server(("127.0.0.1", 0), Late)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield open_store("s3://images")
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.parametrize("batches", [1, 2])
def test_each_batch_asks_a_store_for_many_files_at_once_and_for_no_more(
    store: Store, batches: int
) -> None:
    at_once = batches * STORE_READERS
    Late.everyone = threading.Barrier(at_once, timeout=WAITING_SECONDS)
    Late.asking = Late.most = 0
    paths = [[f"{batch}-{at}.png" for at in range(2 * STORE_READERS)] for batch in range(batches)]
    with ThreadPoolExecutor(batches) as readers:
        read = list(readers.map(lambda part: list(read_images(store, part)), paths))
    assert [[type(file) for file in part] for part in read] == [
        [ImageFile] * 2 * STORE_READERS
    ] * batches
    assert Late.most == at_once


def test_a_read_without_end_is_named_and_ends_the_worker(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    Late.everyone = threading.Barrier(1)
    checkpoint = stub_checkpoint(tmp_path)
    own = {"DATA_ROOT": "s3://images", "CHECKPOINT": str(checkpoint), "PYTHONPATH": HELPERS}
    site = Site(tmp_path, {**settings, **own, "STUB_MODE": "colour", "HANG_SECONDS": "4"})
    (tmp_path / "manifest.csv").write_text("path\n1.png\nendless.png\n2.png\n")
    site.succeed("producer", "enqueue", "manifest.csv")
    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        assert worker.await_end(PATIENCE) == HUNG_EXIT_CODE, worker.last_words
        said = worker.output
    assert "the scoring of 3 images did not end within 4 seconds" in said
    assert "run 1 batch 1" in said
    assert site.ledger.predictions() == []
