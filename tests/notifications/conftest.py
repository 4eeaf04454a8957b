from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator

import pytest

from domain.decision import Organization
from ledger.ledger import Ledger
from notifications.outbox import opened
from rights.cedar import CedarRights
from tests.notifications.company import Company
from tests.notifications.sinks import HttpCatcher, MailSink
from views.database import Database


@pytest.fixture
def company(database_url: str) -> Iterator[Company]:
    """Everybody is there, and a budget; nobody has been told anything yet."""
    organization = Organization()
    with (
        Ledger(database_url, organization, rights=CedarRights(), pool_size=4) as ledger,
        Database(database_url) as views,
        opened(database_url, 4) as outbox,
    ):
        made = Company(ledger, views, outbox, database_url)
        made.settle()
        yield made


@pytest.fixture
def mail_sink() -> Iterator[MailSink]:
    with MailSink().running() as sink:
        yield sink


@pytest.fixture
def catcher() -> Iterator[HttpCatcher]:
    with HttpCatcher().running() as catcher:
        yield catcher


@pytest.fixture
def our_log() -> Iterator[Callable[[], str]]:
    """What a worker would have logged by now, at the most talkative level. (`caplog` also hears what is kept out.)"""
    said, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(said), root.level
    handler.addFilter(lambda record: record.name != "mail.log")  # the mail server of the test
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield said.getvalue
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
