"""The activity after an import: what the new version has changed of accounts' days that the one before had covered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from itertools import batched
from typing import NamedTuple
from uuid import uuid5

import psycopg
from pydantic_core import to_json
from temporalio import activity

from activities.contracts import ActivityName, RestatementsRequest, RestatementsResult
from activities.heartbeats import beating
from activities.ledger_commands import origin_of_activity, reported
from domain.cost import CostPeriod, ImportedVersion, period_stream
from domain.cost_metric import CostMetric
from domain.decision import NAMESPACE, SYSTEM, Accepted, Channel
from domain.errors import error_named
from domain.money import EXACT
from domain.restatement import RESTATED_MAX, RecordRestatements, Restatement, account_cost_stream
from ledger.ledger import Ledger

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_MS = 300_000
_METRICS = tuple(metric.value for metric in CostMetric)
# Versions of before there was more than one metric have the others as NULL.
_HAS_METRICS = "amortized IS NOT NULL"
_EXISTS = """
SELECT EXISTS (SELECT FROM cost_rows WHERE billing_period = %(first)s AND report_version = %(version)s)"""


def _each(pattern: str, separator: str = ", ") -> str:
    """A piece of SQL for every metric."""
    return separator.join(pattern.format(metric) for metric in _METRICS)


# A fee may be dated outside of its month; it counts for the month's first or last day, as everywhere.
_DAYS = f"""
    SELECT account_id, least(greatest(usage_date, %(first)s), %(last)s) AS day, {_each("sum({0}) AS {0}")}
    FROM cost_rows WHERE billing_period = %(first)s AND report_version = %({{version}})s GROUP BY 1, 2"""  # noqa: S608 - our own columns
_CHANGED = f"""
WITH b AS MATERIALIZED ({_DAYS.format(version="before")}),
a AS MATERIALIZED ({_DAYS.format(version="after")}),
known AS (
    SELECT (SELECT max(day) FROM b) AS covered_until,
        (SELECT bool_and({_HAS_METRICS}) FROM (SELECT amortized FROM b UNION ALL SELECT amortized FROM a) m) AS metrics
),
days AS (
    SELECT account_id, day, metrics, {_each("coalesce(b.{0}, 0) AS {0}_before, coalesce(a.{0}, 0) AS {0}_after")}
    FROM b FULL JOIN a USING (account_id, day) CROSS JOIN known WHERE day <= covered_until OR %(all_days)s
),
compared AS (
    SELECT *, unblended_before <> unblended_after
        OR metrics AND ({_each("{0}_before <> {0}_after", " OR ")}) AS changed
    FROM days
)
SELECT account_id, min(day) FILTER (WHERE changed), max(day) FILTER (WHERE changed), bool_and(metrics),
    ARRAY[{_each("sum({0}_before)")}], ARRAY[{_each("sum({0}_after)")}]
FROM compared GROUP BY account_id HAVING bool_or(changed) ORDER BY account_id"""  # noqa: S608


class Compared(NamedTuple):
    """Two versions that followed each other, of one payer."""

    payer_account_id: str
    before: ImportedVersion
    after: ImportedVersion


class Restatements:
    """May be repeated: what a version has changed of an account is recorded once."""

    def __init__(self, ledger: Ledger, database_url: str) -> None:
        self._ledger, self._database_url = ledger, database_url

    @activity.defn(name=ActivityName.RECORD_RESTATEMENTS)
    def record(self, request: RestatementsRequest) -> RestatementsResult:
        with reported(), beating() as beat:
            if (compared := self._compared(request)) is None:
                return RestatementsResult()
            changed = self._changed(request, compared)
            position = 0
            for done, some in enumerate(batched(changed, RESTATED_MAX)):
                beat.report("recording restatements", done * RESTATED_MAX, len(changed))
                if news := self._news(request, compared, some):
                    position = max(position, self._record(request, compared, news).position)
            return RestatementsResult(
                replaced=compared.before.report_version,
                restated=len(changed),
                adjustment=compared.after.booked_in is not None,
                booked_in=compared.after.booked_in,
                position=position,
            )

    def _compared(self, request: RestatementsRequest) -> Compared | None:
        """None for a payer's first version of the period."""
        stream = period_stream(request.billing_period)
        period: CostPeriod = self._ledger.states([stream])[stream]
        for payer_account_id, payer in period.payers.items():
            for before, after in zip(payer.versions, payer.versions[1:], strict=False):
                if after.report_version == request.report_version:
                    return Compared(payer_account_id, before, after)
        return None

    def _changed(self, request: RestatementsRequest, compared: Compared) -> list[Restatement]:
        """By account; nothing where the rows of one of the versions have been cleaned up meanwhile."""
        parameters = {
            "first": request.billing_period.first_day,
            "last": request.billing_period.last_day,
            "before": compared.before.report_version,
            "after": compared.after.report_version,
            "all_days": compared.after.booked_in is not None,
        }
        options = f"-c statement_timeout={STATEMENT_TIMEOUT_MS}"
        with psycopg.connect(
            self._database_url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, options=options
        ) as connection:
            for version in (compared.before, compared.after):
                found = connection.execute(_EXISTS, parameters | {"version": version.report_version}).fetchone()
                if version.rows and found == (False,):
                    return []
            rows = connection.execute(_CHANGED.encode(), parameters).fetchall()
        return [_restatement(*row) for row in rows]

    def _news(
        self, request: RestatementsRequest, compared: Compared, changed: Sequence[Restatement]
    ) -> tuple[Restatement, ...]:
        """Those that the ledger does not know yet."""
        streams = {one.account_id: account_cost_stream(one.account_id, request.billing_period) for one in changed}
        states = self._ledger.states(streams.values())
        mark = (compared.payer_account_id, compared.after.report_version)
        return tuple(one for one in changed if mark not in states[streams[one.account_id]])

    def _record(self, request: RestatementsRequest, compared: Compared, news: tuple[Restatement, ...]) -> Accepted:
        digest = sha256(to_json(news)).hexdigest()
        name = f"restatements/{request.billing_period}/{request.report_version}/{digest}"
        command = RecordRestatements(
            command_id=uuid5(NAMESPACE, f"{name}/{activity.info().workflow_run_id}"),
            actor=SYSTEM,
            channel=Channel.WORKFLOW,
            billing_period=request.billing_period,
            payer_account_id=compared.payer_account_id,
            from_version=compared.before.report_version,
            to_version=compared.after.report_version,
            accounts=news,
        )
        with activity.shield_thread_cancel_exception():
            outcome = self._ledger.record(command, origin_of_activity())
        if not isinstance(outcome, Accepted):
            raise error_named(outcome.error, outcome.message, outcome.code)
        return outcome


def _restatement(
    account_id: str, first: date, last: date, metrics: bool | None, before: list[Decimal], after: list[Decimal]
) -> Restatement:
    names = _METRICS if metrics else _METRICS[:1]
    return Restatement(
        account_id=account_id,
        before=_amounts(names, before),
        after=_amounts(names, after),
        first_changed=first,
        last_changed=last,
    )


def _amounts(names: Sequence[str], amounts: Sequence[Decimal]) -> dict[str, Decimal]:
    """Without zeros after the last digit, so that equal amounts are recorded as equal texts."""
    return {name: amount.normalize(EXACT) for name, amount in zip(names, amounts, strict=False)}
