"""A network of a given speed before a server on this machine, which is else as fast as its memory."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK_BYTES = 65_536


@contextmanager
def slow_network(host: str, port: int, bytes_per_s: float) -> Iterator[tuple[str, int]]:
    """Host and port of the server as seen through it. All connections share its speed towards the client."""
    network = _Network((host, port), bytes_per_s)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=network.serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()


class _Network:
    def __init__(self, server: tuple[str, int], bytes_per_s: float) -> None:
        self._server, self._bytes_per_s = server, bytes_per_s
        self._lock, self._free_at = threading.Lock(), 0.0

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
            except OSError:  # closed
                return
            for ends in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_slow: bool) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if is_slow:
                    time.sleep(self._wait_for(len(data)))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _wait_for(self, size: int) -> float:
        """Takes the line for so many bytes; the seconds until they have passed."""
        with self._lock:
            self._free_at = max(self._free_at, time.perf_counter()) + size / self._bytes_per_s
            return max(0.0, self._free_at - time.perf_counter())
