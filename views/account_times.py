"""How long accounts take from vending to known, to a budget, and to their first bill."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from psycopg import Cursor
from psycopg.rows import class_row

from views.account_models import AccountTimes, AlignmentTimes, Durations

_PERCENT = 100
# What joined before Allot had seen anything was known late for no fault of its own: it would spoil every figure.
_TIMES = """
SELECT account_id, name, lifecycle, joined_at AS vended_at, first_seen_at AS known_at, aligned_at, billed_at,
    coalesce(joined_at >= (SELECT min(least(first_seen_at, billed_at)) FROM accounts)
        AND first_seen_at >= joined_at, false) AS counted
FROM accounts WHERE %(since)s::timestamptz IS NULL OR coalesce(first_seen_at, billed_at) >= %(since)s
ORDER BY coalesce(first_seen_at, billed_at), account_id"""


def alignment_times(cursor: Cursor[Any], since: datetime | None) -> AlignmentTimes:
    """Of the accounts first seen since then, all of them without it."""
    with cursor.connection.cursor(row_factory=class_row(AccountTimes)) as rows:
        accounts = rows.execute(_TIMES, {"since": since}).fetchall()
    counted = [account for account in accounts if account.counted]
    return AlignmentTimes(
        since=since,
        accounts=tuple(accounts),
        left_out=len(accounts) - len(counted),
        to_known=_durations((account.vended_at, account.known_at) for account in counted),
        to_aligned=_durations((account.vended_at, account.aligned_at) for account in counted),
        to_first_bill=_durations((account.vended_at, account.billed_at) for account in counted),
    )


def _durations(spans: Iterable[tuple[datetime | None, datetime | None]]) -> Durations:
    """Of those that have got there, and not before they began."""
    took = sorted(end - begin for begin, end in spans if begin is not None and end is not None and end >= begin)
    if not took:
        return Durations()
    return Durations(accounts=len(took), median=percentile(took, 50), p90=percentile(took, 90))


def percentile(took: Sequence[timedelta], percent: int) -> timedelta:
    """By nearest rank, so that it is a time that some account took; of sorted times, one at least."""
    return took[max(ceil(len(took) * percent / _PERCENT), 1) - 1]
