"""A full read of 10,000 accounts of which nothing is new, beside the bare client that turns the same pages.

    python -m bench organization

AWS is a script that answers at once, so that what is seen is our own time; its calls are counted.
"""

from __future__ import annotations

import os
import statistics
import time
from unittest.mock import patch

from temporalio.testing import ActivityEnvironment

from activities.organizations import Organizations
from bench.rows import Row
from bench.schedule import servers
from domain.account_process import SyncRequest
from domain.decision import Organization
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.activities.aws_script import CREDENTIALS, Script
from tests.activities.many_accounts import known, pages
from tests.views.given import append

ACCOUNTS, ROUNDS = 10_000, 5
CALLS_MAX = 501
"""A call for each page of 20, and one for the organization."""


def measure() -> list[Row]:
    with servers() as (database_url, _), patch.dict(os.environ, CREDENTIALS):
        append(database_url, known(ACCOUNTS))
        with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=2) as ledger:
            _pass(ledger)  # connections, caches and code are warm
            rounds = [(*_pass(ledger), _bare()) for _ in range(ROUNDS)]
    ours, calls, peer = (list(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    what = f"full read of {ACCOUNTS:,} accounts, nothing new"
    return [
        Row(f"{what} : the list alone", f"{statistics.median(ours):.2f} s", f"{statistics.median(peer):.2f} s", ratio),
        Row(f"{what}, calls : {CALLS_MAX}", f"{max(calls):.0f}", "", max(calls) / CALLS_MAX, 1, at_most=True),
    ]


def _pass(ledger: Ledger) -> tuple[float, int]:
    """Its seconds and calls."""
    script = Script(ListAccounts=pages(ACCOUNTS))
    begun = time.perf_counter()
    result = ActivityEnvironment().run(Organizations(ledger, script.client).sync, SyncRequest())
    seconds = time.perf_counter() - begun
    assert (result.accounts, result.recorded, result.calls) == (ACCOUNTS, 0, len(script.asked)), result
    return seconds, result.calls


def _bare() -> float:
    script = Script(ListAccounts=pages(ACCOUNTS))
    begun = time.perf_counter()
    listed = [
        account for page in script.client().get_paginator("list_accounts").paginate() for account in page["Accounts"]
    ]
    seconds = time.perf_counter() - begun
    assert len(listed) == ACCOUNTS
    return seconds
