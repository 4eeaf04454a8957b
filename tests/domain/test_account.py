"""Accounts as seen, their allocation over products, and the conservation of what they spend."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.account import (
    ORGANIZATION_STREAM,
    AccountSeen,
    AccountType,
    AllocateAccount,
    Allocated,
    Allocation,
    Changed,
    ObserveAccounts,
    OrganizationSeen,
    Share,
    Vended,
    account_stream,
    allocation_on,
    intervals,
    split_spend,
    with_allocation,
)
from domain.calendar import Month
from domain.decision import Event, Persona
from domain.errors import Forbidden, NotFound, Refusal
from domain.hierarchy import NodePath
from tests.domain.specs import ADMIN, CHECKOUT, OWNER, RIGHTS, SEARCH, SYSTEM_ACTOR, actor, command_id, decide, line

ID = "100000000001"
ENGINEER = actor("engineer", (Persona.CLOUD_ENGINEER, NodePath.ROOT))
SEEN = AccountSeen(
    account_id=ID,
    name="shop-prod",
    email="aws+shop@example.com",
    state="ACTIVE",
    joined_at=datetime(2026, 3, 10, 12, tzinfo=UTC),
    tags={"team": "shop"},
)
VENDED = Event(account_stream(ID), Vended.model_validate(SEEN.model_dump()))
ORGANIZATION = Event(ORGANIZATION_STREAM, OrganizationSeen(organization_id="o-1", management_account_id="999999999999"))
BUDGET = [line(), line(SEARCH)]


def observe(*seen: AccountSeen) -> ObserveAccounts:
    return ObserveAccounts(
        command_id=command_id(),
        actor="system",
        organization_id="o-1",
        management_account_id="999999999999",
        accounts=seen,
    )


def allocate(
    *percents: str, on: date | None = None, note: str = "", products: tuple[NodePath, ...] = (CHECKOUT, SEARCH)
) -> AllocateAccount:
    shares = tuple(Share(product=p, percent=Decimal(n)) for p, n in zip(products, percents, strict=False))
    return AllocateAccount(
        command_id=command_id(),
        actor="x",
        account_id=ID,
        account_type=AccountType.PRODUCTION,
        shares=shares,
        effective_on=on,
        note=note,
    )


def allocated(on: date, *percents: str) -> Event:
    return decide(allocate(*percents, on=on, note="because"), ADMIN, [VENDED, *BUDGET]).events[0]


def test_the_first_sight_of_an_account_is_recorded_once() -> None:
    assert decide(observe(SEEN), SYSTEM_ACTOR).events == [ORGANIZATION, VENDED]
    assert decide(observe(SEEN), SYSTEM_ACTOR, [ORGANIZATION, VENDED]).events == []


def test_a_rename_is_recorded_and_tags_that_were_not_read_stay() -> None:
    renamed = SEEN.model_copy(update={"name": "shop", "tags": None})
    (event,) = decide(observe(renamed), SYSTEM_ACTOR, [ORGANIZATION, VENDED]).events
    assert isinstance(event.fact, Changed)
    assert (event.fact.name, event.fact.tags) == ("shop", {"team": "shop"})


def test_only_allot_and_cloud_engineers_say_what_organizations_shows() -> None:
    assert decide(observe(SEEN), ENGINEER).events
    with pytest.raises(Forbidden):
        decide(observe(SEEN), OWNER)


def test_a_first_allocation_reaches_back_to_the_vending_date_or_the_first_of_the_previous_month() -> None:
    def default(joined: datetime) -> date:
        seen = Event(account_stream(ID), Vended.model_validate({**SEEN.model_dump(), "joined_at": joined}))
        fact = decide(allocate("60", "40"), ADMIN, [seen, *BUDGET]).events[0].fact
        assert isinstance(fact, Allocated)
        return fact.effective_on

    assert default(datetime(2026, 3, 10, tzinfo=UTC)) == date(2026, 5, 1)
    assert default(datetime(2026, 6, 10, tzinfo=UTC)) == date(2026, 6, 10)


def test_an_earlier_allocation_needs_a_note_and_none_precedes_the_account() -> None:
    with pytest.raises(Refusal) as refused:
        decide(allocate("60", "40", on=date(2026, 4, 1)), ADMIN, [VENDED, *BUDGET])
    assert refused.value.code == "NeedsNote"
    assert decide(allocate("60", "40", on=date(2026, 4, 1), note="history"), ADMIN, [VENDED, *BUDGET]).events
    with pytest.raises(Refusal) as refused:
        decide(allocate("60", "40", on=date(2026, 3, 9), note="history"), ADMIN, [VENDED, *BUDGET])
    assert refused.value.code == "BeforeVending"


def test_a_remap_starts_with_a_spend_period() -> None:
    given_ = [VENDED, *BUDGET, allocated(date(2026, 5, 1), "60", "40")]
    with pytest.raises(Refusal) as refused:
        decide(allocate("50", "50", on=date(2026, 6, 9)), ADMIN, given_)
    assert refused.value.code == "NotPeriodStart"
    assert refused.value.message.endswith("2026-06-09 is Tuesday.")
    assert decide(allocate("50", "50", on=date(2026, 6, 14)), ADMIN, given_).events  # a Sunday
    (event,) = decide(allocate("50", "50"), ADMIN, given_).events
    assert isinstance(event.fact, Allocated)
    assert event.fact.effective_on == date(2026, 6, 1)


@pytest.mark.parametrize(
    ("percents", "code", "words"),
    [
        (("60", "39.9999"), "NotWhole", "The shares add up to 99.9999 %; they must add up to exactly 100 %."),
        (("60", "40.0001"), "NotWhole", "The shares add up to 100.0001 %"),
        (("100", "0"), "WrongPercent", "not 0 %"),
        (("110", "-10"), "WrongPercent", "not -10 %"),
        (("33.33333", "66.66667"), "WrongPercent", "at most 4 decimals, not 33.33333 %"),
    ],
)
def test_percentages_add_up_to_exactly_one_hundred(percents: tuple[str, ...], code: str, words: str) -> None:
    with pytest.raises(Refusal) as refused:
        decide(allocate(*percents), ADMIN, [VENDED, *BUDGET])
    assert refused.value.code == code
    assert words in refused.value.message


def test_unknown_accounts_and_products_are_named() -> None:
    with pytest.raises(NotFound, match="Account 100000000001 is not known from AWS Organizations"):
        decide(allocate("60", "40"), ADMIN, BUDGET)
    with pytest.raises(NotFound, match="There is no product Retail/Digital/Web/Search in the budget"):
        decide(allocate("60", "40"), ADMIN, [VENDED, line()])
    with pytest.raises(NotFound, match="There is no product Retail/Digital/Web in the budget"):
        decide(allocate("100", products=(CHECKOUT.portfolio,)), ADMIN, [VENDED, *BUDGET])
    with pytest.raises(Refusal, match="one share of an account only"):
        decide(allocate("50", "50", products=(CHECKOUT, CHECKOUT)), ADMIN, [VENDED, *BUDGET])


def test_a_cloud_engineer_makes_the_first_allocation_only() -> None:
    assert decide(allocate("60", "40"), ENGINEER, [VENDED, *BUDGET]).events
    with pytest.raises(Forbidden):
        decide(allocate("50", "50"), ENGINEER, [VENDED, *BUDGET, allocated(date(2026, 5, 1), "60", "40")])
    with pytest.raises(Forbidden):
        decide(allocate("60", "40"), OWNER, [VENDED, *BUDGET])


def test_the_same_allocation_again_changes_nothing() -> None:
    given_ = [VENDED, *BUDGET, allocated(date(2026, 6, 1), "60", "40")]
    assert decide(allocate("60.0", "40", on=date(2026, 6, 1)), ADMIN, given_).events == ()


def test_account_ids_are_text_of_twelve_digits() -> None:
    assert AccountSeen.model_validate({**SEEN.model_dump(), "account_id": "000000000001"}).account_id == "000000000001"
    for wrong in ("1", "1" * 13, "10000000000a", 100000000001):
        with pytest.raises(ValidationError):
            AccountSeen.model_validate({**SEEN.model_dump(), "account_id": wrong})


def entry(on: date, *percents: str) -> Allocation:
    shares = tuple(Share(product=p, percent=Decimal(n)) for p, n in zip((CHECKOUT, SEARCH), percents, strict=False))
    return Allocation(effective_on=on, account_type=AccountType.SHARED, shares=shares)


def test_a_month_is_cut_where_the_allocation_changes() -> None:
    first, second = entry(date(2026, 5, 10), "100"), entry(date(2026, 6, 14), "60", "40")
    history = with_allocation([second], first)
    assert intervals(history, Month(2026, 4)) == [(date(2026, 4, 1), date(2026, 4, 30), None)]
    assert intervals(history, Month(2026, 5)) == [
        (date(2026, 5, 1), date(2026, 5, 9), None),
        (date(2026, 5, 10), date(2026, 5, 31), first),
    ]
    assert intervals(history, Month(2026, 6)) == [
        (date(2026, 6, 1), date(2026, 6, 13), first),
        (date(2026, 6, 14), date(2026, 6, 30), second),
    ]
    assert allocation_on(history, date(2026, 5, 9)) is None


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
    shares = [Share(product=NodePath(("a", "b", "c", f"p{n}")), percent=percent) for n, percent in enumerate(percents)]
    assert sum(percents) == 100
    assert sum(split_spend(amount, shares, 2).values()) == amount


@pytest.mark.parametrize("day", ["1999-12-31", "2200-01-01", "9999-12-31", "0001-01-01"])
def test_an_allocation_from_a_day_beyond_all_calendars_is_no_command(day: str) -> None:
    with pytest.raises(ValidationError, match="effective_on"):
        AllocateAccount.model_validate(allocate("100").model_dump(mode="json") | {"effective_on": day})


def test_each_refusal_of_an_allocation_says_what_is_wrong_and_what_to_do() -> None:
    def refused(wanted: AllocateAccount, *given_: Event) -> tuple[str, str]:
        with pytest.raises(Refusal) as error:
            decide(wanted, ADMIN, given_)
        return error.value.code, error.value.message

    assert refused(allocate("60", "40"), *BUDGET) == (
        "UnknownAccount",
        "Account 100000000001 is not known from AWS Organizations: check the id with `allot account list`, or wait for "
        "the next synchronisation.",
    )
    assert refused(allocate("50", "50", products=(CHECKOUT, CHECKOUT)), VENDED, *BUDGET) == (
        "DuplicateProduct",
        "A product may have one share of an account only.",
    )
    assert refused(allocate("60", "40"), VENDED, line()) == (
        "UnknownProduct",
        "There is no product Retail/Digital/Web/Search in the budget: check the path, or load its budget first.",
    )
    assert refused(allocate("60", "40", on=date(2026, 3, 9)), VENDED, *BUDGET) == (
        "BeforeVending",
        "Account 100000000001 exists since 2026-03-10; it cannot be allocated from 2026-03-09.",
    )
    assert refused(allocate("60", "40", on=date(2026, 4, 30), note=" "), VENDED, *BUDGET) == (
        "NeedsNote",
        "An allocation usually reaches back to 2026-05-01 at most; one from 2026-04-30 needs a note that says why.",
    )


def test_an_allocation_keeps_who_made_it_and_why() -> None:
    decision = decide(allocate("60", "40", on=date(2026, 6, 1), note="as agreed"), ADMIN, [VENDED, *BUDGET])
    assert decision.message == "Account 100000000001 is allocated from 2026-06-01."
    assert decision.authority.version == RIGHTS.version
    assert [event.fact for event in decision.events] == [
        Allocated(
            account_id=ID,
            account_type=AccountType.PRODUCTION,
            shares=(Share(product=CHECKOUT, percent=Decimal(60)), Share(product=SEARCH, percent=Decimal(40))),
            effective_on=date(2026, 6, 1),
            allocated_by=ADMIN.person_id,
            note="as agreed",
        )
    ]
    again = decide(allocate("60", "40", on=date(2026, 6, 1)), ADMIN, [VENDED, *BUDGET, *decision.events])
    assert again.message == "Account 100000000001 is allocated like that already; nothing changed."


def test_an_allocation_from_the_first_of_a_month_does_not_cut_it() -> None:
    only = entry(date(2026, 6, 1), "100")
    assert intervals([only], Month(2026, 6)) == [(date(2026, 6, 1), date(2026, 6, 30), only)]
    last = entry(date(2026, 6, 30), "100")
    assert intervals([last], Month(2026, 6)) == [
        (date(2026, 6, 1), date(2026, 6, 29), None),
        (date(2026, 6, 30), date(2026, 6, 30), last),
    ]
