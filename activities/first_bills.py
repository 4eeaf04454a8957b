"""The activity after an import: which accounts a report version has lines of, and which of them had none before."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import batched
from uuid import uuid5

import psycopg
from pydantic_core import to_json
from temporalio import activity

from activities.alignment_starting import Starts
from activities.alignment_views import open_rounds
from activities.contracts import ActivityName, FirstBillsRequest, FirstBillsResult
from activities.heartbeats import beating
from activities.ledger_commands import origin_of_activity, reported
from domain.account import Account, account_stream
from domain.account_event_body import is_account_id
from domain.decision import NAMESPACE, SYSTEM, Accepted, Channel
from domain.errors import error_named
from domain.first_bill import FIRST_LINES_MAX, FirstLine, RecordFirstBills, is_news
from ledger.ledger import Ledger

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 120_000
# A fee may be dated outside of its month; an account's first day is within it.
_FIRST_LINES = """
SELECT account_id, least(greatest(min(usage_date), %(first)s), %(last)s) FROM cost_rows
WHERE billing_period = %(first)s AND report_version = %(version)s GROUP BY account_id ORDER BY account_id"""


class FirstBills:
    """May be repeated: an account is billed for the first time once."""

    def __init__(self, ledger: Ledger, database_url: str, starter: Starts | None = None) -> None:
        self._ledger, self._database_url, self._starter = ledger, database_url, starter

    @activity.defn(name=ActivityName.RECORD_FIRST_BILLS)
    def record(self, request: FirstBillsRequest) -> FirstBillsResult:
        with reported(), beating() as beat:
            lines = self._lines(request)
            billed = position = 0
            for some in batched(lines, FIRST_LINES_MAX):
                news, first_ones = self._news(some)
                beat.report("recording first bills", billed, len(lines))
                if news:
                    outcome = self._record(request, news)
                    billed, position = billed + first_ones, max(position, outcome.position)
                # An attempt before may have recorded them, and died before it started their processes.
                self._start(some if activity.info().attempt > 1 else news)
            return FirstBillsResult(accounts=len(lines), billed=billed, position=position)

    def _lines(self, request: FirstBillsRequest) -> list[FirstLine]:
        parameters = {
            "first": request.billing_period.first_day,
            "last": request.billing_period.last_day,
            "version": request.report_version,
        }
        options = f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"
        with psycopg.connect(
            self._database_url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, options=options
        ) as connection:
            rows = connection.execute(_FIRST_LINES, parameters).fetchall()
        return [
            FirstLine(account_id=account_id, first_usage_on=day)
            for account_id, day in rows
            if is_account_id(account_id)
        ]

    def _news(self, lines: Sequence[FirstLine]) -> tuple[tuple[FirstLine, ...], int]:
        """Those that the ledger does not know to be billed, or not so early; and how many not at all."""
        streams = {line.account_id: account_stream(line.account_id) for line in lines}
        states = self._ledger.states(streams.values())
        found, first_ones = [], 0
        for line in lines:
            account: Account = states[streams[line.account_id]]
            if is_news(account, line):
                found.append(line)
                first_ones += account.first_billed_on is None
        return tuple(found), first_ones

    def _record(self, request: FirstBillsRequest, news: tuple[FirstLine, ...]) -> Accepted:
        digest = sha256(to_json(news)).hexdigest()
        name = f"first-bills/{request.billing_period}/{request.report_version}/{digest}"
        command = RecordFirstBills(
            command_id=uuid5(NAMESPACE, f"{name}/{activity.info().workflow_run_id}"),
            actor=SYSTEM,
            channel=Channel.WORKFLOW,
            billing_period=request.billing_period,
            report_version=request.report_version,
            accounts=news,
        )
        with activity.shield_thread_cancel_exception():
            outcome = self._ledger.record(command, origin_of_activity())
        if not isinstance(outcome, Accepted):
            raise error_named(outcome.error, outcome.message, outcome.code)
        return outcome

    def _start(self, lines: Sequence[FirstLine]) -> None:
        if self._starter is not None and lines:
            self._starter.start(open_rounds(self._ledger, [line.account_id for line in lines]))
