"""An account's split over products in time: shares, entries, from when they hold, and that they conserve money."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.allocation import (
    SHARES_MAX,
    AccountType,
    Allocation,
    AllocationStatus,
    Share,
    Shares,
    allocation_on,
    check_from,
    checked_shares,
    default_from,
    intervals,
    is_expiring,
    is_new,
    split_spend,
    status_on,
    usual_from,
    with_allocation,
)
from domain.calendar import Month, next_spend_period, spend_period_of, starts_spend_period
from domain.errors import Refusal
from domain.hierarchy import NodePath
from tests.domain.accounts_given import entry, shares
from tests.domain.specs import CHECKOUT, SEARCH

JUNE_17 = date(2026, 6, 17)
APRIL, MAY, JUNE, JULY = (Month(2026, n) for n in range(4, 8))


# Shares


def test_the_types_of_accounts() -> None:
    assert [str(one) for one in AccountType] == ["Production", "Pre-Production", "Shared", "Development", "Sandbox"]


def test_shares_are_ordered_by_product() -> None:
    assert checked_shares(shares("40", "60", products=(SEARCH, CHECKOUT))) == shares("60", "40")


@pytest.mark.parametrize(
    ("percents", "code", "message"),
    [
        (("60", "39.9999"), "NotWhole", "The shares add up to 99.9999 %; they must add up to exactly 100 %."),
        (("60", "40.0001"), "NotWhole", "The shares add up to 100.0001 %; they must add up to exactly 100 %."),
        (
            ("100", "0"),
            "WrongPercent",
            "Retail/Digital/Web/Search: a share is above 0 % with at most 4 decimals, not 0 %.",
        ),
        (
            ("110", "-10"),
            "WrongPercent",
            "Retail/Digital/Web/Search: a share is above 0 % with at most 4 decimals, not -10 %.",
        ),
        (
            ("33.33333", "66.66667"),
            "WrongPercent",
            "Retail/Digital/Web/Checkout: a share is above 0 % with at most 4 decimals, not 33.33333 %.",
        ),
    ],
)
def test_percentages_add_up_to_exactly_one_hundred(percents: tuple[str, ...], code: str, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        checked_shares(shares(*percents))
    assert (refused.value.code, refused.value.message) == (code, message)


def test_a_share_has_four_decimals_that_count() -> None:
    assert checked_shares(shares("0.0001", "99.9999"))
    assert checked_shares(shares("33.33330", "66.66670"))


def test_a_product_has_one_share() -> None:
    with pytest.raises(Refusal) as refused:
        checked_shares(shares("50", "50", products=(CHECKOUT, CHECKOUT)))
    assert refused.value.code == "DuplicateProduct"
    assert refused.value.message == "A product may have one share of an account only."


def test_an_account_is_split_over_one_to_a_hundred_products() -> None:
    adapter: TypeAdapter[tuple[Share, ...]] = TypeAdapter(Shares)
    products = [NodePath(("a", "b", "c", f"p{n:03}")) for n in range(SHARES_MAX + 1)]
    assert len(adapter.validate_python(shares(*["1"] * 100, products=products))) == SHARES_MAX == 100
    for wrong in ((), shares(*["1"] * 101, products=products)):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


# The history


@pytest.mark.parametrize(
    ("effective_on", "effective_to", "status"),
    [
        (date(2026, 6, 18), None, AllocationStatus.FUTURE),
        (date(2026, 6, 18), date(2026, 7, 1), AllocationStatus.FUTURE),
        (date(2026, 6, 17), None, AllocationStatus.CURRENT),
        (date(2026, 6, 1), date(2026, 6, 18), AllocationStatus.CURRENT),
        (date(2026, 6, 1), date(2026, 6, 17), AllocationStatus.PAST),
    ],
)
def test_an_entry_is_past_current_or_future(
    effective_on: date, effective_to: date | None, status: AllocationStatus
) -> None:
    assert status_on(effective_on, effective_to, JUNE_17) is status


def test_an_allocation_is_new_in_its_first_thirty_days() -> None:
    first = date(2026, 6, 1)
    assert [is_new(first, day) for day in (date(2026, 5, 31), first, date(2026, 6, 30), date(2026, 7, 1))] == [
        False,
        True,
        True,
        False,
    ]


def test_an_allocation_expires_within_thirty_days_before_the_next_one() -> None:
    assert not is_expiring(None, JUNE_17)
    assert [
        is_expiring(day, JUNE_17) for day in (JUNE_17, date(2026, 6, 18), date(2026, 7, 17), date(2026, 7, 18))
    ] == [
        False,
        True,
        True,
        False,
    ]


def test_a_month_is_cut_where_the_allocation_changes() -> None:
    first, second = entry(date(2026, 5, 10), "100"), entry(date(2026, 6, 14), "60", "40")
    history = with_allocation([second], first)
    assert intervals(history, APRIL) == [(date(2026, 4, 1), date(2026, 4, 30), None)]
    assert intervals(history, MAY) == [
        (date(2026, 5, 1), date(2026, 5, 9), None),
        (date(2026, 5, 10), date(2026, 5, 31), first),
    ]
    assert intervals(history, JUNE) == [
        (date(2026, 6, 1), date(2026, 6, 13), first),
        (date(2026, 6, 14), date(2026, 6, 30), second),
    ]
    assert allocation_on(history, date(2026, 5, 9)) is None


def test_an_allocation_from_the_first_of_a_month_does_not_cut_it() -> None:
    only = entry(date(2026, 6, 1), "100")
    assert intervals([only], JUNE) == [(date(2026, 6, 1), date(2026, 6, 30), only)]
    last = entry(date(2026, 6, 30), "100")
    assert intervals([last], JUNE) == [
        (date(2026, 6, 1), date(2026, 6, 29), None),
        (date(2026, 6, 30), date(2026, 6, 30), last),
    ]


def test_a_later_decision_for_the_same_date_takes_the_place_of_the_earlier() -> None:
    old, new = entry(date(2026, 5, 1), "100"), entry(date(2026, 5, 1), "50", "50")
    assert with_allocation([old], new) == (new,)


@given(
    dates=st.lists(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=6),
    month=st.builds(Month, st.just(2026), st.integers(1, 12)),
)
def test_intervals_cover_each_day_of_a_month_once(dates: list[date], month: Month) -> None:
    history: tuple[Allocation, ...] = ()
    for day in dates:
        history = with_allocation(history, entry(day, "100"))
    found = intervals(history, month)
    covered = [day for first, last, _ in found for day in range(first.toordinal(), last.toordinal() + 1)]
    assert covered == list(range(month.first_day.toordinal(), month.last_day.toordinal() + 1))
    assert all(
        allocation_on(history, date.fromordinal(day)) == allocation
        for first, last, allocation in found
        for day in range(first.toordinal(), last.toordinal() + 1)
    )


@given(
    amount=st.decimals(-(10**9), 10**9, places=12),
    cuts=st.lists(st.integers(1, 999_999), min_size=0, max_size=8, unique=True),
)
def test_what_an_account_spends_is_what_its_products_get(amount: Decimal, cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), 1_000_000]
    percents = [Decimal(b - a).scaleb(-4) for a, b in itertools.pairwise(borders)]
    parts = [Share(product=NodePath(("a", "b", "c", f"p{n}")), percent=percent) for n, percent in enumerate(percents)]
    assert sum(percents) == 100
    assert sum(split_spend(amount, parts, 2).values()) == amount


# From when it holds


def test_a_first_allocation_reaches_back_to_the_vending_date_or_the_first_of_the_previous_month() -> None:
    assert usual_from(date(2026, 3, 10), JUNE_17) == date(2026, 5, 1)
    assert usual_from(date(2026, 5, 1), JUNE_17) == date(2026, 5, 1)
    assert usual_from(date(2026, 5, 2), JUNE_17) == date(2026, 5, 2)
    assert usual_from(date(2025, 3, 10), date(2026, 1, 31)) == date(2025, 12, 1)
    assert default_from(date(2026, 3, 10), JUNE_17, is_remap=False) == date(2026, 5, 1)
    assert default_from(date(2026, 6, 10), JUNE_17, is_remap=False) == date(2026, 6, 10)


@pytest.mark.parametrize(
    ("since", "today", "expected"),
    [
        (date(2026, 3, 10), JUNE_17, date(2026, 6, 1)),
        (date(2026, 6, 1), JUNE_17, date(2026, 6, 1)),
        (date(2026, 6, 2), JUNE_17, date(2026, 6, 14)),  # this business week
        (date(2026, 6, 14), JUNE_17, date(2026, 6, 14)),
        (date(2026, 6, 15), JUNE_17, date(2026, 6, 21)),  # it was not there when this week began
        (date(2026, 6, 29), date(2026, 6, 30), date(2026, 7, 1)),  # the month ends first
        (date(2026, 6, 2), date(2026, 6, 3), date(2026, 6, 7)),
    ],
)
def test_a_remap_holds_from_this_month_or_for_a_young_account_from_a_week(
    since: date, today: date, expected: date
) -> None:
    assert default_from(since, today, is_remap=True) == expected
    assert starts_spend_period(expected)


@pytest.mark.parametrize("is_remap", [False, True])
def test_what_nobody_dates_begins_after_the_last_closed_month(is_remap: bool) -> None:
    def start(*closed: Month) -> date:
        return default_from(date(2026, 3, 10), JUNE_17, is_remap=is_remap, closed=closed)

    assert start(APRIL) == (date(2026, 6, 1) if is_remap else date(2026, 5, 1))
    assert start(MAY, APRIL) == date(2026, 6, 1)
    assert start(JUNE, MAY) == date(2026, 7, 1)


def _refused(day: date, history: Sequence[Allocation], *closed: Month, is_remap: bool = False) -> Refusal:
    with pytest.raises(Refusal) as refused:
        check_from(day, history, closed, is_remap=is_remap)
    return refused.value


def test_a_remap_starts_with_a_spend_period_and_a_first_allocation_on_any_day() -> None:
    refused = _refused(date(2026, 6, 9), [], is_remap=True)
    assert refused.code == "NotPeriodStart"
    assert refused.message == (
        "A remap takes effect at the start of a spend period, the 1st of a month or a Sunday; 2026-06-09 is Tuesday."
    )
    for day in (date(2026, 6, 1), date(2026, 6, 14)):
        check_from(day, [], (), is_remap=True)
    check_from(date(2026, 6, 9), [], (), is_remap=False)


def test_closed_months_stay_as_they_are() -> None:
    refused = _refused(date(2026, 5, 31), [], MAY, APRIL)
    assert refused.code == "ClosedMonth"
    assert refused.message == (
        "An allocation from 2026-05-31 would change what is closed (2026-05): allocate from 2026-06-01 on, or have the "
        "month reopened."
    )
    check_from(date(2026, 6, 1), [], (MAY, APRIL), is_remap=False)


def test_five_closed_months_are_named_and_the_others_counted() -> None:
    year = [Month(2026, n) for n in range(1, 7)]
    assert "(2026-01, 2026-02, 2026-03, 2026-04, 2026-05):" in _refused(date(2026, 1, 1), [], *year[:5]).message
    told = _refused(date(2026, 1, 1), [], *reversed(year)).message
    assert "(2026-01, 2026-02, 2026-03, 2026-04, 2026-05 and 1 more): allocate from 2026-07-01 on" in told


def test_an_allocation_changes_nothing_from_its_successor_on() -> None:
    """Closed months after the next entry are not touched; one that the entry only begins in is."""
    history = [entry(date(2026, 3, 1), "100"), entry(date(2026, 5, 1), "60", "40")]
    check_from(date(2026, 4, 1), history, (MAY, JUNE), is_remap=True)
    assert _refused(date(2026, 4, 1), [entry(date(2026, 5, 2), "100")], MAY).code == "ClosedMonth"
    # An entry of the same date gives way, so it limits nothing.
    assert _refused(date(2026, 5, 1), history, JULY, is_remap=True).code == "ClosedMonth"


# Spend periods


@pytest.mark.parametrize(
    ("day", "its_first", "next_first"),
    [
        (date(2026, 6, 1), date(2026, 6, 1), date(2026, 6, 1)),  # a Monday
        (date(2026, 6, 6), date(2026, 6, 1), date(2026, 6, 7)),
        (date(2026, 6, 7), date(2026, 6, 7), date(2026, 6, 7)),
        (date(2026, 6, 13), date(2026, 6, 7), date(2026, 6, 14)),
        (date(2026, 6, 30), date(2026, 6, 28), date(2026, 7, 1)),
        (date(2026, 3, 1), date(2026, 3, 1), date(2026, 3, 1)),  # a Sunday
    ],
)
def test_a_business_week_begins_on_a_sunday_or_with_its_month(day: date, its_first: date, next_first: date) -> None:
    assert (spend_period_of(day), next_spend_period(day)) == (its_first, next_first)


@given(st.dates(date(2001, 1, 1), date(2198, 12, 31)))
def test_a_spend_period_holds_its_days_and_no_other_start(day: date) -> None:
    first, following = spend_period_of(day), next_spend_period(day)
    assert first <= day <= following
    assert starts_spend_period(first)
    assert starts_spend_period(following)
    between = range(first.toordinal() + 1, day.toordinal() + 1)
    assert not any(starts_spend_period(date.fromordinal(n)) for n in between)
