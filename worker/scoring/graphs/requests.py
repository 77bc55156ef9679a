"""Requests to a network that OpenVINO has compiled: several at a time, each by one thread."""

from collections.abc import Callable
from typing import Any

from base.arrays import Float32Array


class Requests:
    """Requests to one compiled network, each for the same number of images."""

    def __init__(self, new_queue: Callable[[], Any], size: int) -> None:
        """Take what makes a queue of requests, an `openvino.AsyncInferQueue`."""
        self._new_queue, self._size = new_queue, size
        self._queue = new_queue()

    def compute(self, rows: Float32Array, features: Float32Array) -> None:
        """Fill in the `features` of `rows`, whose number is a multiple of `size`.

        Raises:
            RuntimeError, MemoryError: OpenVINO failed; the next call begins with new requests.
        """
        if not len(rows):
            return
        failed: list[Exception] = []

        def take(request: Any, position: int) -> None:  # noqa: ANN401 - openvino.InferRequest
            try:
                features[position : position + self._size] = request.get_output_tensor(0).data
            except Exception as error:  # noqa: BLE001 - one that OpenVINO sees ends the process
                failed.append(error)

        self._queue.set_callback(take)
        try:
            self._start(rows)
        except (RuntimeError, MemoryError):
            # The queue has lost the request that failed, and would wait for it for ever.
            self._queue = self._new_queue()
            raise
        if failed:
            raise failed[0]

    def _start(self, rows: Float32Array) -> None:
        try:
            for position in range(0, len(rows), self._size):
                self._queue.start_async([rows[position : position + self._size]], position)
        finally:
            self._queue.wait_all()
