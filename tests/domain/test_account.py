"""An account's life: what its facts come to."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from domain.account import (
    DECISIONS_KEPT_MAX,
    ORGANIZATION_STREAM,
    Account,
    AwsOrganization,
    Lifecycle,
    account_stream,
    account_streams,
    lifecycle,
    lifecycle_of,
)
from domain.account_facts import TAGS_MAX, AccountSeen, Occasion
from domain.allocation import AccountType
from domain.decision import Event
from tests.domain import accounts_given as given
from tests.domain.accounts_given import ID, ORGANIZATION, SEEN, STREAM, account_of, at, shares
from tests.domain.specs import fold

VENDED = given.vended()
SUSPENDED = given.changed(1, "state", state="SUSPENDED")
PENDING_CLOSURE = given.changed(1, "state", state="PENDING_CLOSURE")
CLOSED = given.changed(2, "state", state="CLOSED")
OPENED = given.opened()
ALLOCATED = given.allocated("100")
BILLED = given.first_billed()


@pytest.mark.parametrize(
    ("facts", "where"),
    [
        ([], Lifecycle.UNKNOWN),
        ([BILLED], Lifecycle.UNKNOWN),
        ([BILLED, ALLOCATED], Lifecycle.UNKNOWN),
        ([VENDED, OPENED], Lifecycle.VENDED),
        ([VENDED, OPENED, given.proposed()], Lifecycle.PROPOSED),
        ([VENDED, OPENED, given.proposed(), given.declined()], Lifecycle.VENDED),
        ([VENDED, OPENED, ALLOCATED], Lifecycle.ALIGNED),
        ([VENDED, OPENED, ALLOCATED, given.opened(2), given.proposed(occasion=2)], Lifecycle.ALIGNED),
        ([VENDED, OPENED, ALLOCATED, BILLED], Lifecycle.BILLING),
        ([VENDED, OPENED, BILLED], Lifecycle.SPENDING),
        ([VENDED, OPENED, BILLED, given.proposed()], Lifecycle.SPENDING),
        ([VENDED, OPENED, BILLED, ALLOCATED], Lifecycle.BILLING),
        ([VENDED, ALLOCATED, BILLED, SUSPENDED], Lifecycle.SUSPENDED),
        ([VENDED, ALLOCATED, BILLED, PENDING_CLOSURE], Lifecycle.SUSPENDED),
        ([VENDED, BILLED, SUSPENDED], Lifecycle.SUSPENDED),
        ([VENDED, ALLOCATED, BILLED, SUSPENDED, CLOSED], Lifecycle.CLOSED),
        ([VENDED, ALLOCATED, given.departed(3)], Lifecycle.DEPARTED),
        ([VENDED, SUSPENDED, given.departed(3)], Lifecycle.CLOSED),
        ([VENDED, PENDING_CLOSURE, given.departed(3)], Lifecycle.CLOSED),
        ([VENDED, CLOSED, given.departed(3)], Lifecycle.CLOSED),
        ([VENDED, ALLOCATED, given.departed(3), given.returned(4)], Lifecycle.ALIGNED),
    ],
)
def test_the_life_of_an_account(facts: list[Event], where: Lifecycle) -> None:
    assert lifecycle(account_of(facts)) is where


def test_an_account_that_is_being_activated_is_vended() -> None:
    where = lifecycle_of(aws_state="PENDING_ACTIVATION", departed=False, allocated=False, billed=False, proposed=False)
    assert where is Lifecycle.VENDED


def test_the_states_are_named_as_people_see_them() -> None:
    assert [str(where) for where in Lifecycle] == [
        "VENDED",
        "PROPOSED",
        "ALIGNED",
        "BILLING",
        "SPENDING_UNALLOCATED",
        "SUSPENDED",
        "CLOSED",
        "DEPARTED",
        "UNKNOWN_TO_ORGANIZATIONS",
    ]


def test_what_was_seen_last_is_known_with_its_moment() -> None:
    account = account_of([VENDED, given.changed(5, "name", name="shop")])
    assert account.seen == given.seen(name="shop")
    assert account.as_of == at(5)


def test_an_old_fact_without_a_moment_leaves_the_moment_as_it_was() -> None:
    assert account_of([given.vended(None)]).as_of is None
    account = account_of([VENDED, given.changed(None, "name", name="shop")])
    assert (account.as_of, account.seen) == (at(0), given.seen(name="shop"))


def test_a_departure_keeps_everything_else_and_a_return_ends_it() -> None:
    before = account_of([VENDED, ALLOCATED])
    gone = account_of([VENDED, ALLOCATED, given.departed(3)])
    assert (gone.departed_at, gone.seen, gone.allocations) == (at(3), before.seen, before.allocations)
    assert gone.is_over
    back = account_of([VENDED, ALLOCATED, given.departed(3), given.returned(4)])
    assert (back.departed_at, back.as_of, back.is_over) == (None, at(4), False)


def test_an_account_is_over_when_it_is_closed_and_not_while_it_is_suspended() -> None:
    assert not Account().is_over
    assert not account_of([VENDED, SUSPENDED]).is_over
    assert account_of([VENDED, CLOSED]).is_over


def test_an_account_is_there_since_it_joined_or_else_since_its_first_bill() -> None:
    assert Account().since is None
    assert account_of([BILLED]).since == date(2026, 6, 12)
    assert account_of([BILLED, VENDED]).since == date(2026, 3, 10)


def test_it_spends_unallocated_from_its_first_bill_to_its_first_allocation() -> None:
    assert not account_of([VENDED]).spends_unallocated
    assert account_of([BILLED]).spends_unallocated
    assert not account_of([BILLED, ALLOCATED]).spends_unallocated


def test_an_occasion_is_open_until_it_ends_or_the_account_is_allocated() -> None:
    assert not Account().is_open
    account = account_of([VENDED, given.opened(3, Occasion.MOVED)])
    assert (account.is_open, account.occasion, account.open_reason) == (True, 3, Occasion.MOVED)
    for end in (given.ended(3), ALLOCATED):
        over = account_of([VENDED, given.opened(3, Occasion.MOVED), given.proposed(occasion=3), end])
        assert (over.is_open, over.occasion, over.proposal) == (False, 3, None)


def test_the_next_occasion_begins_without_proposals_and_forgets_what_was_declined() -> None:
    first = [VENDED, OPENED, given.proposed(), given.declined(), given.proposed(2)]
    assert account_of(first).declined == ((AccountType.PRODUCTION, shares("100")),)
    second = account_of([*first, given.ended(), given.opened(2, Occasion.RETURNED)])
    assert (second.proposal, second.declined, second.proposals) == (None, (), 2)


def test_a_decision_on_a_proposal_is_remembered() -> None:
    account = account_of(
        [VENDED, OPENED, given.proposed(), given.declined(), given.proposed(2), given.allocated("100", proposal=2)]
    )
    assert (account.decision_on(1), account.decision_on(2)) == ("declined", "accepted")
    assert account.decision_on(3) is None
    assert account_of([VENDED, OPENED, ALLOCATED]).decided == ()


def test_a_decline_of_what_is_not_pending_any_more_declines_nothing_else() -> None:
    account = account_of([VENDED, OPENED, given.declined(1)])
    assert (account.declined, account.decided) == ((), ((1, "declined"),))


def test_the_last_fifty_decisions_are_remembered() -> None:
    decisions = [event for n in range(1, DECISIONS_KEPT_MAX + 2) for event in (given.proposed(n), given.declined(n))]
    account = account_of([VENDED, OPENED, *decisions])
    assert len(account.decided) == DECISIONS_KEPT_MAX == 50
    assert account.decision_on(1) is None
    assert (account.decision_on(2), account.decision_on(51)) == ("declined", "declined")


def test_the_organization_is_the_one_that_was_seen_last() -> None:
    found: AwsOrganization = fold([ORGANIZATION], [ORGANIZATION_STREAM])[ORGANIZATION_STREAM]
    assert found == AwsOrganization("o-1", "999999999999")


def test_each_account_is_a_stream_and_named_once() -> None:
    assert str(STREAM) == "account/100000000001"
    assert account_streams([ID, given.OTHER, ID]) == (STREAM, account_stream(given.OTHER))


def test_account_ids_are_text_of_twelve_digits() -> None:
    assert given.seen(account_id="000000000001").account_id == "000000000001"
    for wrong in ("1", "1" * 13, "10000000000a", 100000000001):
        with pytest.raises(ValidationError):
            given.seen(account_id=wrong)


def test_an_account_has_so_many_tags_at_most_and_a_moment_with_its_zone() -> None:
    assert TAGS_MAX == 100
    assert len(given.seen(tags={str(n): "" for n in range(TAGS_MAX)}).tags or ()) == TAGS_MAX
    with pytest.raises(ValidationError, match="tags"):
        given.seen(tags={str(n): "" for n in range(TAGS_MAX + 1)})
    with pytest.raises(ValidationError, match="joined_at"):
        given.seen(joined_at=datetime(2026, 3, 10, 12, tzinfo=UTC).replace(tzinfo=None))


def test_an_account_seen_by_an_older_version_of_allot_is_read() -> None:
    old = {"account_id": ID, "name": "shop", "state": "ACTIVE", "joined_at": "2026-03-10T12:00:00Z"}
    assert AccountSeen.model_validate(old).tags is None
    assert SEEN.tags == {"team": "shop"}
