"""Claims of resources, by the days on which they hold: what actual spend is split by, and what a search shows.

A claim ends when it is released, when another takes its place, or with its workload. Its end is worked out when a batch
is settled, because the end of a workload may move; so a row may hold on no day at all (`since` = `until`), and comes to
life again where its workload is to last longer after all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Cursor
from psycopg.sql import SQL

from domain.claim import FACTS, Claimed, Released
from domain.decision import RecordedEvent
from views.batch import Batch, Projection, missing
from views.paths import path_text
from views.tables import Table
from views.workload_rows import WORKLOADS


class ClaimRow(NamedTuple):
    account_id: str
    resource: str
    since: date
    until: date | None
    """Exclusive."""
    product: str
    workload: str
    component: str
    released_on: date | None
    """From which it was released, or another claim took its place; null while neither has happened."""
    claimed_by: UUID
    claimed_at: datetime
    note: str


CLAIMS = Table("claims", ClaimRow, key=3, group=2, indexes=("(product, workload)",))
"""A key of at most 2,048 bytes (`domain.claim`) fits an index, which takes 2,704."""
_OF_WORKLOADS = """
SELECT DISTINCT c.account_id, c.resource FROM {claims} c
JOIN unnest(%s::text[], %s::text[]) AS w(product, workload) USING (product, workload)"""


def wants(batch: Batch, _: RecordedEvent, fact: Claimed | Released) -> None:
    batch.rows(CLAIMS).want(fact.account_id, fact.resource)
    batch.rows(WORKLOADS).want(path_text(fact.product), fact.workload)


def fold(batch: Batch, event: RecordedEvent, fact: Claimed | Released) -> None:
    if isinstance(fact, Claimed):
        _claim(batch, event, fact)
    else:
        _release(batch, event, fact)
    batch.changes.resources[fact.account_id, fact.resource] = None
    batch.changes.claims_moved(fact.account_id, fact.effective_on)


def _claim(batch: Batch, event: RecordedEvent, fact: Claimed) -> None:
    claims = batch.rows(CLAIMS)
    for row in claims.having(fact.account_id, fact.resource):
        if row.released_on is None or row.released_on > fact.effective_on:
            claims.put(_closed(row, fact.effective_on))
    workload = batch.rows(WORKLOADS).get(path_text(fact.product), fact.workload)
    if workload is None:
        raise missing(event, f"workload {fact.workload} of {fact.product}")
    claims.put(
        ClaimRow(
            account_id=fact.account_id,
            resource=fact.resource,
            since=fact.effective_on,
            until=workload.ends_on,
            product=path_text(fact.product),
            workload=fact.workload,
            component=fact.component.value,
            released_on=None,
            claimed_by=fact.claimed_by,
            claimed_at=event.recorded_at,
            note=fact.note,
        )
    )


def _release(batch: Batch, event: RecordedEvent, fact: Released) -> None:
    claims = batch.rows(CLAIMS)
    last = max(claims.having(fact.account_id, fact.resource), key=lambda row: row.since, default=None)
    if last is None:
        raise missing(event, f"claim of {fact.resource} in account {fact.account_id}")
    claims.put(_closed(last, fact.effective_on))


def _closed(row: ClaimRow, day: date) -> ClaimRow:
    """The claim, released from that day on."""
    return row._replace(released_on=day, until=day if row.until is None else min(row.until, day))


def settle(batch: Batch) -> None:
    """Ends the claims of workloads whose end has moved, or lets them go on."""
    moved = batch.changes.ends_moved
    if not moved:
        return
    claims = batch.rows(CLAIMS)
    resources = {**batch.changes.resources, **dict.fromkeys(_of_workloads(batch, moved))}
    for account_id, resource in resources:
        claims.want(account_id, resource)
    batch.load()
    for account_id, resource in resources:
        for row in claims.having(account_id, resource):
            if (row.product, row.workload) in moved:
                _settle_end(batch, row)


def _of_workloads(batch: Batch, workloads: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Stored claims of these workloads; those that this batch has made are known anyway."""
    columns = [list(column) for column in zip(*sorted(workloads), strict=True)]
    query = SQL(_OF_WORKLOADS).format(claims=CLAIMS.named(batch.generation))
    return sorted(batch.cursor.execute(query, columns).fetchall())


def _settle_end(batch: Batch, row: ClaimRow) -> None:
    workload = batch.rows(WORKLOADS).get(row.product, row.workload)
    assert workload is not None  # its end has moved in this batch
    until = workload.ends_on if row.released_on is None else min(workload.ends_on, row.released_on)
    if until == row.until:
        return
    batch.rows(CLAIMS).put(row._replace(until=until))
    days = [day for day in (until, row.until) if day is not None]
    batch.changes.claims_moved(row.account_id, max(row.since, min(days)))


def ever_claimed(cursor: Cursor[Any], account_ids: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """Accounts and keys of all resources that were claimed at any time; of all accounts where none are named.

    What a cost report's import keeps of each day (`claimed_cost_rows`). Ask once the views have reached the log's head
    as it was when the import began (`Views.wait_for`): what is claimed later takes effect on the day after that, of
    which no report that is there already can hold a line.
    """
    accounts = None if account_ids is None else sorted(account_ids)
    query = """SELECT DISTINCT account_id, resource FROM claims
        WHERE %s::text[] IS NULL OR account_id = ANY(%s) ORDER BY 1, 2"""
    return cursor.execute(query, [accounts, accounts]).fetchall()


PROJECTION = Projection((CLAIMS,), FACTS, wants, fold, settle)
