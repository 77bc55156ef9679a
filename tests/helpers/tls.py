"""A proxy in front of a server, which may speak TLS where the server was built without it."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from certificates import Signer

Connect = Callable[[], socket.socket]
Dress = Callable[[socket.socket], socket.socket]


def as_redis(_client: socket.socket) -> None:
    """TLS from the first byte."""


def as_postgresql(client: socket.socket) -> None:
    """The client asks for TLS in eight bytes, and S says yes."""
    client.recv(8, socket.MSG_WAITALL)
    client.sendall(b"S")


@contextmanager
def tls_proxy(
    connect: Connect, signer: Signer, greet: Callable[[socket.socket], None]
) -> Iterator[int]:
    """The port of a proxy that clients speak TLS with; `connect` opens the server behind it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(signer.certificate, signer.key)

    def dress(client: socket.socket) -> socket.socket:
        greet(client)
        return context.wrap_socket(client, server_side=True)

    with proxy("127.0.0.1", connect, dress) as port:
        yield port


@contextmanager
def proxy(address: str, connect: Connect, dress: Dress = lambda client: client) -> Iterator[int]:
    """The port at `address` of a server that listens elsewhere; `connect` opens it."""
    with socket.create_server((address, 0)) as listener:

        def accept() -> None:
            with suppress(OSError):  # the listener was closed
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=serve, args=(client,), daemon=True).start()

        def serve(client: socket.socket) -> None:
            with client, suppress(OSError), dress(client) as dressed, connect() as server:
                back = threading.Thread(target=copy, args=(server, dressed), daemon=True)
                back.start()
                copy(dressed, server)
                back.join()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
