"""Stands between client and server, and breaks connections at chosen moments."""

from __future__ import annotations

import select
import socket
import threading
from types import TracebackType
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHUNK_BYTES = 65_536


class Proxy:
    """Passes bytes on. When armed with a marker, it drops the server's reply to the next message that contains it."""

    def __init__(self, database_url: str) -> None:
        where = conninfo_to_dict(database_url)
        self._server = (str(where["host"]), int(str(where["port"])))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = make_conninfo(database_url, host="127.0.0.1", port=self._listener.getsockname()[1])
        self._marker: bytes | None = None
        self.dropped = threading.Event()

    def drop_reply_to(self, marker: bytes) -> None:
        self._marker = marker

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._pump, args=(client,), daemon=True).start()

    def _pump(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    if not (data := source.recv(CHUNK_BYTES)):
                        return
                    (server if source is client else client).sendall(data)
                    if source is client and self._marker and self._marker in data:
                        self._marker = None
                        server.recv(CHUNK_BYTES)  # it has committed when it answers
                        self.dropped.set()
                        return
