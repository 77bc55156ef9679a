"""A RabbitMQ of its own, where one is installed: `apt-get install rabbitmq-server`, as CI does."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from processes import PATIENCE
from servers import free_port

# Where Debian keeps what is not for an ordinary user's PATH, and what its script there runs: that
# refuses everybody but root and the user rabbitmq.
_SCRIPTS, _PROGRAM = "/usr/sbin", Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def rabbitmq_program() -> str | None:
    """What starts a server, or None where none is installed."""
    if os.geteuid() and _PROGRAM.exists():
        return str(_PROGRAM)
    return shutil.which("rabbitmq-server", path=f"{os.environ['PATH']}{os.pathsep}{_SCRIPTS}")


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[str]:
    """The address of a broker on free ports; so is the port mapper, that all of a machine share."""
    program = rabbitmq_program()
    assert program is not None, "no rabbitmq-server is installed"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)  # as root its script becomes the user rabbitmq
    port, other, mapper = free_port(), free_port(), free_port()
    environment = {
        **os.environ,
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"dermscore{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(other),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [program], env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _await(port, process, folder)
        yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        # Its scripts pass no signal on; the server itself says who it is, once it is up.
        with suppress(FileNotFoundError):
            os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
            process.wait(PATIENCE)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
        # The port mapper outlives its servers.
        subprocess.run(["epmd", "-kill"], env=environment, capture_output=True, check=False)


def _await(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        ended = process.poll() is not None or time.monotonic() > deadline
        assert not ended, (folder / "output").read_text()
        time.sleep(0.1)
