"""The channels: apprise for mail, Slack, Teams and the like, and Amazon SES. One message at a time, no endless wait."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import quote

import boto3
from apprise import Apprise, NotifyBase, NotifyFormat
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import BadInput
from notifications.config import EMAIL_PLACEHOLDER, SETTING, AppriseChannel, ChannelConfig, SesChannel
from notifications.masking import masked, secrets_of

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
"""One wait for an answer; a message by mail takes about six of them."""
EVENT_HEADER = "X-Allot-Event-Id"
"""By which a message that comes twice is recognised, where the channel has headers."""
_ONE_ADDRESS = re.compile(r"[^\s@,;<>\"'()\[\]\\:]+@[^\s@,;<>\"'()\[\]\\:]+")
_ANYBODY = "somebody@example.com"
"""To see whether an address is one that apprise understands."""


class Message(NamedTuple):
    event_id: str
    subject: str
    body: str
    to: str = ""
    """An e-mail address; empty for a room."""


class NotSentError(Exception):
    """Why not, without secrets and addresses."""


class Sender(Protocol):
    @property
    def per_person(self) -> bool: ...

    def send(self, message: Message) -> None:
        """Raises NotSentError."""
        ...


def sender_of(name: str, config: ChannelConfig) -> Sender:
    """Raises BadInput for an address that apprise does not understand."""
    return AppriseSender(name, config) if isinstance(config, AppriseChannel) else SesSender(config)


def is_one_address(text: str) -> bool:
    """Whether it is exactly one: a comma would add recipients."""
    return bool(_ONE_ADDRESS.fullmatch(text))


class AppriseSender:
    def __init__(self, name: str, config: AppriseChannel) -> None:
        _quieten()
        self.per_person = config.per_person
        self._url = config.url.get_secret_value()
        self._secrets = secrets_of(self._url)
        if self._service(_ANYBODY) is None:
            raise BadInput(
                f"{SETTING}: the url of the channel {name} is not one that apprise understands; "
                "see https://github.com/caronc/apprise/wiki for how it is written."
            )

    def send(self, message: Message) -> None:
        service = self._service(message.to)
        if service is None:
            raise NotSentError("apprise does not understand the channel's url with this recipient in it")
        if isinstance(headers := getattr(service, "headers", None), dict):
            headers[EVENT_HEADER] = message.event_id
        with _HEARD.on_this_thread() as heard:
            try:
                # Not by Apprise.notify(): its threads are shared, and a service that hangs would hold up the others.
                done = service.notify(body=message.body, title=message.subject, body_format=NotifyFormat.TEXT)
            except Exception as error:  # whatever a service of apprise may raise; its text may hold anything
                raise NotSentError(f"unforeseen: {type(error).__name__}") from None
        if not done:
            raise NotSentError(masked("; ".join(heard) or "the service did not take it", self._secrets))

    def _service(self, to: str) -> NotifyBase | None:
        service = Apprise.instantiate(self._url.replace(EMAIL_PLACEHOLDER, quote(to, safe="")))
        if service is not None:
            # Commands are copied from the text: HTML would make something else of their blanks.
            service.notify_format = NotifyFormat.TEXT
            service.socket_connect_timeout = min(float(service.socket_connect_timeout), READ_TIMEOUT_S)
            service.socket_read_timeout = min(float(service.socket_read_timeout), READ_TIMEOUT_S)
        return service


class SesSender:
    per_person = True

    def __init__(self, config: SesChannel) -> None:
        self._config = config
        self._made: SESV2Client | None = None

    def send(self, message: Message) -> None:
        try:
            self._client().send_email(
                FromEmailAddress=self._config.sender,
                Destination={"ToAddresses": [message.to]},
                Content={
                    "Simple": {
                        "Subject": {"Data": message.subject, "Charset": "UTF-8"},
                        "Body": {"Text": {"Data": message.body, "Charset": "UTF-8"}},
                        "Headers": [{"Name": EVENT_HEADER, "Value": message.event_id}],
                    }
                },
            )
        except ClientError as error:
            problem = error.response.get("Error", {})
            text = f"SES: {problem.get('Code', 'error')}: {problem.get('Message', '')}"
            raise NotSentError(masked(text, ())) from None
        except BotoCoreError as error:  # no answer, no credentials, no region
            raise NotSentError(masked(f"SES: {type(error).__name__}: {error}", ())) from None

    def _client(self) -> SESV2Client:
        """Made when it is first needed: without credentials or a region it is the message that fails, not the start."""
        if self._made is None:
            limits = Config(
                connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, retries={"total_max_attempts": 1}
            )
            self._made = boto3.session.Session().client("sesv2", region_name=self._config.region, config=limits)
        return self._made


class _Heard(logging.Handler):
    """What apprise says of a failure, which it tells nobody but its log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._here = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        heard: list[str] | None = getattr(self._here, "heard", None)
        if heard is not None:
            heard.append(record.getMessage())

    @contextmanager
    def on_this_thread(self) -> Iterator[list[str]]:
        self._here.heard = []
        try:
            yield self._here.heard
        finally:
            self._here.heard = None


_HEARD = _Heard()


def _quieten() -> None:
    """Keeps what apprise and the library below it log, which are addresses and tokens, out of our log."""
    logger = logging.getLogger("apprise")
    if _HEARD not in logger.handlers:
        logger.addHandler(_HEARD)
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.INFO)  # at DEBUG it logs the path of each request
