"""An account's split over products, and how it changes in time (product rules, section 5): pure shapes and arithmetic.

The history of an account is a row of entries by effective date; each holds until the next one. A later decision for the
same date takes the place of the earlier one in what is in force, and both stay in the ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.calendar import Month, next_spend_period, spend_period_of, starts_spend_period
from domain.errors import Refusal
from domain.hierarchy import NodePath
from domain.model import Model
from domain.money import Amount, decimals_used, split, total

PERCENT_DECIMALS = 4
WHOLE_PERCENT = Decimal(100)
SHARES_MAX = 100
"""Products one account may be split over."""
NEW_DAYS = 30
"""Days from its first one on which an allocation is shown as new."""
EXPIRING_DAYS = 30
"""Days before its last one on which an allocation is shown as expiring."""
MONTHS_SHOWN_MAX = 5


class AccountType(StrEnum):
    PRODUCTION = "Production"
    PRE_PRODUCTION = "Pre-Production"
    SHARED = "Shared"
    DEVELOPMENT = "Development"
    SANDBOX = "Sandbox"


class Share(Model):
    """A product's part of an account, in percent."""

    product: NodePath
    percent: Amount


Shares = Annotated[tuple[Share, ...], Field(min_length=1, max_length=SHARES_MAX)]


class Allocation(Model):
    """One entry of an account's allocation history."""

    effective_on: date
    account_type: AccountType
    shares: tuple[Share, ...]


class AllocationStatus(StrEnum):
    """Where an entry of the history stands on a day."""

    PAST = "Past"
    CURRENT = "Current"
    FUTURE = "Future"


def status_on(effective_on: date, effective_to: date | None, day: date) -> AllocationStatus:
    """`effective_to` is exclusive; None for the last entry."""
    if effective_on > day:
        return AllocationStatus.FUTURE
    if effective_to is not None and effective_to <= day:
        return AllocationStatus.PAST
    return AllocationStatus.CURRENT


def is_new(effective_on: date, day: date) -> bool:
    """Whether an allocation is in its first days."""
    return effective_on <= day < effective_on + timedelta(days=NEW_DAYS)


def is_expiring(effective_to: date | None, day: date) -> bool:
    """Whether another allocation takes its place soon."""
    return effective_to is not None and day < effective_to <= day + timedelta(days=EXPIRING_DAYS)


def checked_shares(shares: Sequence[Share]) -> tuple[Share, ...]:
    """The shares ordered by product. Raises Refusal where they are not a whole of percentages above zero."""
    if len({share.product for share in shares}) < len(shares):
        raise Refusal("A product may have one share of an account only.", code="DuplicateProduct")
    for share in shares:
        if share.percent <= 0 or decimals_used(share.percent) > PERCENT_DECIMALS:
            raise Refusal(
                f"{share.product}: a share is above 0 % with at most {PERCENT_DECIMALS} decimals, "
                f"not {share.percent} %.",
                code="WrongPercent",
            )
    if (whole := total([share.percent for share in shares])) != WHOLE_PERCENT:
        raise Refusal(f"The shares add up to {whole} %; they must add up to exactly 100 %.", code="NotWhole")
    return tuple(sorted(shares, key=lambda share: share.product))


def with_allocation(allocations: Sequence[Allocation], new: Allocation) -> tuple[Allocation, ...]:
    """The history with the new entry in its place."""
    kept = [entry for entry in allocations if entry.effective_on != new.effective_on]
    return tuple(sorted([*kept, new], key=lambda entry: entry.effective_on))


def allocation_on(allocations: Sequence[Allocation], day: date) -> Allocation | None:
    """The allocation in effect on a day; None while the account's spend is unallocated."""
    in_effect = [entry for entry in allocations if entry.effective_on <= day]
    return in_effect[-1] if in_effect else None


def intervals(allocations: Sequence[Allocation], month: Month) -> list[tuple[date, date, Allocation | None]]:
    """The month cut where the allocation changes: (first day, last day, allocation in effect)."""
    cuts = [entry.effective_on for entry in allocations if month.first_day < entry.effective_on <= month.last_day]
    starts = [month.first_day, *cuts]
    ends = [*(cut - timedelta(days=1) for cut in cuts), month.last_day]
    return [(first, last, allocation_on(allocations, first)) for first, last in zip(starts, ends, strict=True)]


def split_spend(amount: Decimal, shares: Sequence[Share], decimals: int) -> Mapping[NodePath, Decimal]:
    """Each product's part of an account's spend; adds up to the whole exactly. Shares are ordered by product path."""
    parts = split(amount, [share.percent for share in shares], decimals)
    return {share.product: part for share, part in zip(shares, parts, strict=True)}


def usual_from(since: date, today: date) -> date:
    """How far back a first allocation usually reaches: `since` is the vending date."""
    return max(since, Month.of(today).plus(-1).first_day)


def default_from(since: date, today: date, *, is_remap: bool, closed: Collection[Month] = ()) -> date:
    """From when an allocation holds where nobody says; never from before the last closed month.

    A first one reaches as far back as usual. A remap holds from the 1st of this month; for an account that is younger,
    from the business week that today is in, or the first one that it is there from the beginning.
    """
    wanted = usual_from(since, today) if not is_remap else Month.of(today).first_day
    if wanted < since:
        week = spend_period_of(today)
        wanted = week if week >= since else next_spend_period(since)
    last_closed = max(closed, default=None)
    return wanted if last_closed is None else max(wanted, last_closed.plus(1).first_day)


def check_from(
    effective_on: date, allocations: Sequence[Allocation], closed: Collection[Month], *, is_remap: bool
) -> None:
    """Raises Refusal where a remap cuts a spend period, or an allocation would change what is closed.

    It holds until the next entry of the history begins; of the months before and after that nothing changes.
    """
    if is_remap and not starts_spend_period(effective_on):
        raise Refusal(
            f"A remap takes effect at the start of a spend period, the 1st of a month or a Sunday; {effective_on} is "
            f"{effective_on:%A}.",
            code="NotPeriodStart",
        )
    until = min((one.effective_on for one in allocations if one.effective_on > effective_on), default=date.max)
    touched = sorted(month for month in closed if month.last_day >= effective_on and month.first_day < until)
    if touched:
        shown = ", ".join(str(month) for month in touched[:MONTHS_SHOWN_MAX])
        more = f" and {len(touched) - MONTHS_SHOWN_MAX} more" if len(touched) > MONTHS_SHOWN_MAX else ""
        raise Refusal(
            f"An allocation from {effective_on} would change what is closed ({shown}{more}): allocate from "
            f"{touched[-1].plus(1).first_day} on, or have the month reopened.",
            code="ClosedMonth",
        )
