"""Where notifications arrive in tests: a mail server, a catcher of HTTP requests and one that never answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from embedded.ports import free_port

LOOPBACK = "127.0.0.1"


class Mail(NamedTuple):
    to: list[str]
    message: Message

    @property
    def text(self) -> str:
        for part in self.message.walk():
            content: Any = part.get_payload(decode=True)
            if content:
                return str(content.decode())
        return ""


class MailSink:
    """Takes every mail, but for the addresses that it refuses."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.refused: set[str] = set()
        self._port = free_port()
        self._controller = Controller(self, hostname=LOOPBACK, port=self._port)

    @property
    def url(self) -> str:
        return f"mailto://{LOOPBACK}:{self._port}?from=allot@example.com&to={{email}}"

    async def handle_RCPT(  # noqa: N802 - the library's name for it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(Mail(list(envelope.rcpt_tos), message_from_bytes(content)))
        return "250 OK"

    @contextmanager
    def running(self) -> Iterator[MailSink]:
        self._controller.start()
        try:
            yield self
        finally:
            self._controller.stop()


class HttpCatcher:
    """Keeps what is posted and answers with a status; while it hangs, it answers nobody."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.status = 200
        self.hangs = False
        self.asked = threading.Event()
        self.let_go = threading.Event()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())

    @property
    def url(self) -> str:
        return f"json://operator:s3cr3t-password@{LOOPBACK}:{self._server.server_port}/t0ken-of-the-room"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        catcher = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                catcher.asked.set()
                if catcher.hangs:
                    catcher.let_go.wait(60)
                    return
                if catcher.status == 200:
                    catcher.posts.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(catcher.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    @contextmanager
    def running(self) -> Iterator[HttpCatcher]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.let_go.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()
