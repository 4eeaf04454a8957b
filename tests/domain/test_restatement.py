"""What a version has changed of an account's month is recorded once, as a restatement or as an adjustment."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from domain.calendar import Month
from domain.cost import PeriodImported, period_stream
from domain.decision import Event
from domain.errors import Forbidden, Refusal
from domain.restatement import RESTATED_MAX, AccountRestated, RecordRestatements, Restatement, account_cost_stream
from tests.domain.specs import ADMIN, SYSTEM_ACTOR, command_id, decide

PAYER, OTHER_PAYER = "999999999999", "888888888888"
JUNE, JULY = Month(2026, 6), Month(2026, 7)
ONE, TWO = "000000000001", "000000000002"


def imported(version: str, payer: str = PAYER, booked_in: Month | None = None) -> Event:
    fact = PeriodImported(
        source="cur",
        billing_period=JUNE,
        report_version=version,
        payer_account_id=payer,
        manifest_hash="0" * 64,
        currency="USD",
        lines=1,
        rows=1,
        totals={},
        booked_in=booked_in,
    )
    return Event(period_stream(JUNE), fact)


def changed(account_id: str = ONE) -> Restatement:
    return Restatement(
        account_id=account_id,
        before={"unblended": Decimal("1.50")},
        after={"unblended": Decimal(2)},
        first_changed=date(2026, 6, 3),
        last_changed=date(2026, 6, 5),
    )


def command(*accounts: Restatement, **changes: Any) -> RecordRestatements:
    values = {"from_version": "v1", "to_version": "v2", "payer_account_id": PAYER} | changes
    accounts = accounts or (changed(),)
    return RecordRestatements(command_id=command_id(), actor="x", billing_period=JUNE, accounts=accounts, **values)


SUCCESSIVE = [imported("v1"), imported("v2")]


def test_each_account_is_restated_in_a_stream_of_its_own() -> None:
    decision = decide(command(changed(ONE), changed(TWO)), SYSTEM_ACTOR, SUCCESSIVE)
    assert [str(event.stream) for event in decision.events] == [
        "account_cost/000000000001/2026-06",
        "account_cost/000000000002/2026-06",
    ]
    assert decision.events[0].fact == AccountRestated(
        billing_period=JUNE,
        payer_account_id=PAYER,
        account_id=ONE,
        from_version="v1",
        to_version="v2",
        before={"unblended": Decimal("1.50")},
        after={"unblended": Decimal(2)},
        first_changed=date(2026, 6, 3),
        last_changed=date(2026, 6, 5),
    )
    assert decision.message == "2 accounts have a restatement by version v2."


def test_what_is_recorded_already_is_not_recorded_again() -> None:
    first = decide(command(), SYSTEM_ACTOR, SUCCESSIVE)
    again = decide(command(changed(ONE), changed(TWO), changed(TWO)), SYSTEM_ACTOR, [*SUCCESSIVE, *first.events])
    assert [event.stream for event in again.events] == [account_cost_stream(TWO, JUNE)]
    assert again.message == "1 account has a restatement by version v2."


def test_the_same_version_of_another_payer_is_another_change() -> None:
    first = decide(command(), SYSTEM_ACTOR, SUCCESSIVE)
    theirs = [imported("v1", OTHER_PAYER), imported("v2", OTHER_PAYER)]
    facts = [*SUCCESSIVE, *theirs, *first.events]
    assert len(decide(command(payer_account_id=OTHER_PAYER), SYSTEM_ACTOR, facts).events) == 1


def test_after_the_month_was_closed_or_invoiced_it_is_an_adjustment() -> None:
    (event,) = decide(command(), SYSTEM_ACTOR, [imported("v1"), imported("v2", booked_in=JULY)]).events
    assert isinstance(event.fact, AccountRestated)
    assert (event.fact.adjustment, event.fact.booked_in) == (True, JULY)


@pytest.mark.parametrize(
    "facts",
    [
        [],
        [imported("v1")],
        [imported("v2"), imported("v1")],
        [imported("v1"), imported("v3"), imported("v2")],
        [imported("v1"), imported("v2", OTHER_PAYER)],
    ],
)
def test_versions_that_did_not_follow_each_other_are_not_compared(facts: list[Event]) -> None:
    with pytest.raises(Refusal) as refused:
        decide(command(), SYSTEM_ACTOR, facts)
    assert refused.value.code == "NotSuccessive"
    assert refused.value.message == (
        "Version v2 of 2026-06 was not imported after v1: compare a version with the one before it."
    )


def test_nobody_else_records_it() -> None:
    with pytest.raises(Forbidden, match="Only Allot itself records what a version of a cost report has changed"):
        decide(command(), ADMIN, SUCCESSIVE)


def test_the_accounts_of_one_command_are_limited() -> None:
    assert len(command(*[changed(f"{n:012d}") for n in range(RESTATED_MAX)]).accounts) == RESTATED_MAX
    with pytest.raises(ValidationError):
        command(*[changed(f"{n:012d}") for n in range(RESTATED_MAX + 1)])
