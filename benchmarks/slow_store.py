"""An object store on this machine whose every answer comes late, and that counts what is asked.

It answers S3's GET of an object with the file of that key, after a delay. A first folder `copyN` of
a key is left out, so that one file serves as many objects. Run it as a process of its own: what it
computes is then not the worker's.
"""

import asyncio
import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from processes import Process, Site

BUCKET = "images"
COUNTS = "/-/counts"
_SAID = "listening on "


class SlowStore(NamedTuple):
    """A store that was started: the process, and the port that it listens on."""

    process: Process
    port: int

    @property
    def settings(self) -> dict[str, str]:
        """What a worker needs in its environment."""
        return {
            "DATA_ROOT": f"s3://{BUCKET}",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


def start_store(site: Site, folder: Path, delay: float) -> SlowStore:
    """Serve the files of a folder, each answer late by `delay` seconds; use its process as one."""
    process = site.start("python", str(Path(__file__)), str(folder), str(delay))
    process.await_output(_SAID)
    return SlowStore(process, int(process.output.split(_SAID)[1].split()[0]))


@lru_cache(maxsize=512)
def _content(folder: Path, key: str) -> bytes | None:
    first, _, rest = key.partition("/")
    file = folder / (rest if first.startswith("copy") else key)
    return file.read_bytes() if file.is_file() else None


class _Server:
    """The store itself; `open` requests wait for an answer, `most` is their highest number."""

    def __init__(self, folder: Path, delay: float) -> None:
        self._folder, self._delay = folder, delay
        self.open = self.most = self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after another."""
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                path = request.split(b" ", 2)[1].decode().partition("?")[0]
                if path == COUNTS:
                    _answer(writer, json.dumps({"most": self.most, "asked": self.asked}).encode())
                    self.most = self.asked = 0
                else:
                    await self._get(writer, path)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _get(self, writer: asyncio.StreamWriter, path: str) -> None:
        self.open += 1
        self.asked += 1
        self.most = max(self.most, self.open)
        await asyncio.sleep(self._delay)
        self.open -= 1
        _answer(writer, _content(self._folder, path.removeprefix(f"/{BUCKET}/")))


def _answer(writer: asyncio.StreamWriter, body: bytes | None) -> None:
    status = "404 Not Found" if body is None else "200 OK"
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body or b'')}\r\n\r\n"
    writer.write(head.encode())
    writer.write(body or b"")


async def _main(folder: Path, delay: float) -> None:
    server = await asyncio.start_server(_Server(folder, delay).serve, "127.0.0.1", 0)
    print(f"{_SAID}{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), float(sys.argv[2])))
