"""What two sources see of accounts, in any order and more than once; and when somebody has to be asked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domain.account import Account
from domain.account_facts import AlignmentOpened, Occasion, OrganizationSeen
from domain.account_observing import (
    NO_CONSEQUENCE,
    OBSERVATIONS_MAX,
    SOURCE_CHARS_MAX,
    ObserveAccounts,
    changes,
    has_departed,
    is_older,
    needs_alignment,
)
from domain.account_rules import AccountRule
from domain.decision import Event
from domain.errors import Forbidden
from tests.domain import accounts_given as given
from tests.domain.accounts_given import (
    ENGINEER,
    ID,
    OPEN,
    ORGANIZATION,
    OTHER,
    SEEN,
    VENDOR_MANAGER,
    account_of,
    at,
    by_allot,
    depart,
    departure,
    observe,
    opened,
    refused,
    seen,
    vended,
)
from tests.domain.specs import ADMIN, CHECKOUT, NOW, OWNER, SEARCH, SYSTEM_ACTOR, decide

WEB = given.rule("web", ou_path="/Workloads/Production")
SHOP = given.rule("shop", ou_path="/Shop", shares=given.shares("60", "40"))
TAGGED = given.rule("tagged", ou_path="", product_tag="product", shares=())
ALIGNED = [*given.ALIGNED, given.rules(WEB, SHOP, TAGGED)]
"""Allocated as the rule of its organizational unit says."""


def observed_after(facts: list[Event], minutes: int, **fields: Any) -> list[Event]:
    return by_allot(observe(seen(**fields), minutes=minutes), facts)


# First sight, and changes


def test_the_first_sight_of_an_account_is_recorded_once_and_somebody_is_asked() -> None:
    decision = decide(observe(SEEN), SYSTEM_ACTOR)
    first = Event(given.STREAM, vended().fact.model_copy(update={"observed_at": NOW}))
    assert decision.events == [ORGANIZATION, first, opened()]
    assert decision.message == "1 of 1 accounts new or changed."
    again = decide(observe(SEEN), SYSTEM_ACTOR, decision.events)
    assert (again.events, again.message) == ([], "0 of 1 accounts new or changed.")


def test_another_organization_or_payer_is_recorded() -> None:
    other = Event(ORGANIZATION.stream, OrganizationSeen(organization_id="o-1", management_account_id="999999999998"))
    assert by_allot(observe(minutes=0), [*OPEN, other]) == [ORGANIZATION]


def test_it_is_kept_where_and_when_it_was_seen() -> None:
    events = by_allot(observe(minutes=0, source="CreateAccountResult"), [ORGANIZATION])
    assert events == [vended(source="CreateAccountResult"), opened()]


def test_a_rename_is_recorded_and_tags_that_were_not_read_stay() -> None:
    events = observed_after(OPEN, 1, name="shop", tags=None)
    assert events == [given.changed(1, "name", name="shop")]


def test_tags_that_are_read_as_none_are_gone() -> None:
    assert observed_after(OPEN, 1, tags={}) == [given.changed(1, "tags", tags={})]


def test_each_field_that_differs_is_named() -> None:
    other = seen(name="x", email="y", state="SUSPENDED", joined_method="INVITED", joined_at=at(0), ou_path="/", tags={})
    names = ("name", "email", "state", "joined_method", "joined_at", "ou_path", "tags")
    assert changes(SEEN, other) == names
    assert set(names) - {"ou_path", "tags"} == NO_CONSEQUENCE
    assert changes(SEEN, seen(tags=None)) == ()


def test_an_account_that_is_named_twice_counts_once_as_it_was_named_last() -> None:
    decision = decide(observe(seen(name="old"), SEEN, minutes=0), SYSTEM_ACTOR, [ORGANIZATION])
    assert decision.events == [vended(), opened()]


def test_accounts_are_looked_at_one_by_one() -> None:
    events = by_allot(observe(SEEN, seen(account_id=OTHER), minutes=0), [ORGANIZATION, vended(), opened()])
    assert events == [vended(account_id=OTHER), opened(account_id=OTHER)]


# Two sources, in any order


def test_a_late_older_observation_changes_nothing() -> None:
    facts = [*OPEN, given.changed(5, "name", name="shop")]
    assert observed_after(facts, 4, name="older", ou_path="/Old") == []
    assert observed_after(facts, 5, name="same moment") != []
    assert observed_after(facts, 6, name="newer") == [given.changed(6, "name", name="newer")]


def test_a_second_source_that_saw_the_same_changes_nothing() -> None:
    assert by_allot(observe(minutes=0, source="CreateManagedAccount"), OPEN) == []
    assert by_allot(observe(minutes=9, source="CreateManagedAccount"), OPEN) == []


def test_what_was_seen_before_a_departure_does_not_bring_an_account_back() -> None:
    facts = [*OPEN, given.departed(5), given.ended(1, "departed")]
    assert observed_after(facts, 4) == []
    assert observed_after(facts, 6) == [given.returned(6), opened(2, Occasion.RETURNED)]


def test_what_is_known_without_a_moment_is_older_than_anything() -> None:
    assert not is_older(Account(), at(0))
    assert not is_older(account_of([given.vended(None)]), at(-1000))
    assert not is_older(account_of(OPEN), None)
    assert is_older(account_of(OPEN), at(-1))
    assert not is_older(account_of(OPEN), at(0))


# Departures


def test_a_departure_is_recorded_once_and_ends_the_occasion() -> None:
    wanted = depart(departure(5), minutes=5, source="AccountDepartedOrganization")
    decision = decide(wanted, SYSTEM_ACTOR, OPEN)
    gone = given.departed(5, source="AccountDepartedOrganization")
    assert decision.events == [gone, given.ended(1, "departed")]
    assert decision.message == "1 accounts looked at."
    assert by_allot(wanted, [*OPEN, *decision.events]) == []
    assert by_allot(depart(departure(6, how="gone from the list"), minutes=6), [*OPEN, *decision.events]) == []


def test_a_departure_is_not_later_than_it_was_seen_so_that_a_return_is_believed() -> None:
    left = by_allot(depart(departure(9_000), minutes=5), [vended()])
    assert left == [given.departed(5)]
    facts = [given.ORGANIZATION, vended(), given.allocated(), *left]
    assert by_allot(observe(SEEN, minutes=6), facts) == [given.returned(6)]


def test_a_departure_leaves_an_allocation_as_it_is() -> None:
    events = by_allot(depart(departure(5), minutes=5), ALIGNED)
    assert events == [given.departed(5)]
    assert account_of([*ALIGNED, *events]).allocations == account_of(ALIGNED).allocations


def test_an_account_that_is_named_twice_departs_once() -> None:
    events = by_allot(depart(departure(5), departure(5), departure(5, OTHER), minutes=5), OPEN)
    assert events == [given.departed(5), given.ended(1, "departed")]


def test_what_departs_is_known_and_was_not_seen_or_joined_since() -> None:
    assert not has_departed(Account(), departure(5), at(5))
    assert not has_departed(account_of([given.first_billed()]), departure(5), at(5))
    joined_later = account_of([vended(joined_at=at(3))])
    assert not has_departed(joined_later, departure(2), at(9))
    assert has_departed(joined_later, departure(3), at(9))
    seen_later = account_of([*OPEN, given.changed(7, "name", name="shop")])
    assert not has_departed(seen_later, departure(6), at(6))
    assert has_departed(seen_later, departure(7), at(7))


def test_spend_that_belongs_to_nobody_is_asked_about_even_when_the_account_is_gone() -> None:
    spending = [*OPEN, given.first_billed()]
    assert by_allot(depart(departure(5), minutes=5), spending) == [given.departed(5)]
    assert observed_after(spending, 5, state="CLOSED") == [given.changed(5, "state", state="CLOSED")]


# Closing


def test_a_closed_account_ends_the_occasion_and_a_suspended_one_does_not() -> None:
    assert observed_after(OPEN, 1, state="SUSPENDED") == [given.changed(1, "state", state="SUSPENDED")]
    assert observed_after(OPEN, 1, state="CLOSED") == [given.changed(1, "state", state="CLOSED"), given.ended()]


@pytest.mark.parametrize("state", ["SUSPENDED", "PENDING_CLOSURE", "CLOSED"])
def test_nobody_is_asked_about_an_account_that_is_first_seen_at_its_end(state: str) -> None:
    facts = [ORGANIZATION, vended(state=state)]
    assert observed_after([ORGANIZATION], 0, state=state) == facts[1:]
    assert observed_after(facts, 1, state="ACTIVE") == [given.changed(1, "state"), opened()]


def test_moving_a_suspended_account_that_nobody_was_asked_about_asks_nobody() -> None:
    facts = [ORGANIZATION, vended(state="SUSPENDED"), given.rules(given.rule(ou_path="/Suspended"), TAGGED)]
    for fields in ({"ou_path": "/Suspended"}, {"tags": {"product": "CHK"}}):
        (event,) = observed_after(facts, 1, state="SUSPENDED", **fields)
        assert event == given.changed(1, *fields, state="SUSPENDED", **fields)


def test_a_closed_account_that_is_reinstated_has_returned() -> None:
    facts = [*OPEN, given.changed(1, "state", state="CLOSED"), given.ended()]
    assert observed_after(facts, 2) == [given.changed(2, "state"), opened(2, Occasion.RETURNED)]


def test_a_proposal_for_a_closed_account_waits_for_its_decision() -> None:
    """It may still be billed, so that its spend may belong somewhere else."""
    closed = [*given.ALIGNED, given.changed(1, "state", state="CLOSED")]
    asked = [*closed, opened(2, Occasion.PROPOSED), given.proposed(occasion=2)]
    for minutes in (1, 2):
        assert observed_after(asked, minutes, state="CLOSED") == []
    assert len(observed_after(asked, 2, state="CLOSED", name="x")) == 1


# Occasions


def test_an_account_of_before_there_were_alignments_is_asked_about_when_it_is_seen_again() -> None:
    before = [ORGANIZATION, given.vended(None)]
    assert needs_alignment(account_of(before))
    assert by_allot(observe(minutes=1), before) == [opened()]
    assert by_allot(observe(minutes=1), [*before, given.first_billed()]) == [opened(1, Occasion.SPENDING)]
    assert by_allot(observe(minutes=1), [*before, given.allocated()]) == []


@pytest.mark.parametrize(
    ("facts", "needed"),
    [
        ([], False),
        ([given.first_billed()], False),  # of which there is nothing to look at; its first bill opens its occasion
        ([vended()], True),
        ([vended(), opened()], False),
        ([vended(), given.allocated()], False),
        ([vended(state="SUSPENDED")], False),
        ([vended(state="PENDING_CLOSURE")], False),
        ([vended(state="CLOSED")], False),
        ([vended(), given.departed(1)], False),
        ([vended(state="SUSPENDED"), given.first_billed()], True),
        ([vended(), given.departed(1), given.first_billed()], True),
    ],
)
def test_who_is_asked_about(facts: list[Event], needed: bool) -> None:
    assert needs_alignment(account_of(facts)) is needed


def test_an_account_that_only_the_bill_knew_is_seen_while_its_occasion_is_open() -> None:
    facts = [ORGANIZATION, given.first_billed(), opened(1, Occasion.SPENDING)]
    assert by_allot(observe(minutes=1), facts) == [vended(1)]


def test_a_move_that_calls_for_another_budget_is_an_occasion() -> None:
    moved = given.changed(1, "ou_path", ou_path="/Shop/Test")
    assert observed_after(ALIGNED, 1, ou_path="/Shop/Test") == [moved, opened(2, Occasion.MOVED)]


@pytest.mark.parametrize("where", ["/Workloads/Production/Web", "/Nobody's"])
def test_a_move_that_calls_for_the_same_budget_or_for_none_is_no_occasion(where: str) -> None:
    assert observed_after(ALIGNED, 1, ou_path=where) == [given.changed(1, "ou_path", ou_path=where)]


def test_a_rule_that_says_another_type_calls_for_another_allocation() -> None:
    sandbox = given.rule("sandbox", ou_path="/Sandbox", account_type="Sandbox")
    assert len(observed_after([*given.ALIGNED, given.rules(sandbox)], 1, ou_path="/Sandbox")) == 2


def test_a_move_while_somebody_is_asked_is_no_other_occasion() -> None:
    facts = [*OPEN, given.rules(WEB, SHOP)]
    assert observed_after(facts, 1, ou_path="/Shop") == [given.changed(1, "ou_path", ou_path="/Shop")]
    asked = [*ALIGNED, given.changed(1, "ou_path", ou_path="/Shop"), opened(2, Occasion.MOVED)]
    assert observed_after(asked, 2, ou_path="/Shop/Test") == [given.changed(2, "ou_path", ou_path="/Shop/Test")]


def test_a_change_of_nothing_but_the_name_asks_nobody() -> None:
    differs = [*given.ALIGNED, given.rules(SHOP, given.rule("all", ou_path="", name_pattern="*", shares=SHOP.shares))]
    fields = {"name": "x", "email": "y", "state": "SUSPENDED", "joined_method": "INVITED", "joined_at": at(0)}
    for name, value in fields.items():
        assert len(observed_after(differs, 1, **{name: value})) == 1
    assert len(observed_after(differs, 1, ou_path="/Elsewhere")) == 2


def tagged(facts: list[Event], **tags: str) -> list[Occasion]:
    """Occasions that these tags lead to."""
    found = observed_after(facts, 1, ou_path="/Elsewhere", tags={"team": "shop"} | tags)
    return [fact.reason for _, fact in found if isinstance(fact, AlignmentOpened)]


def test_a_tag_that_names_another_product_is_an_occasion() -> None:
    elsewhere = [*ALIGNED, given.changed(0, "ou_path", ou_path="/Elsewhere")]
    assert tagged(elsewhere, product=str(CHECKOUT)) == []
    assert tagged(elsewhere, product=str(SEARCH)) == [Occasion.TAGS_CHANGED]
    assert tagged(elsewhere, other=str(SEARCH)) == []


def test_a_code_that_is_another_one_is_looked_up_by_the_process() -> None:
    coded = [*ALIGNED, given.changed(0, "ou_path", "tags", ou_path="/Elsewhere", tags={"team": "shop", "product": "A"})]
    assert tagged(coded, product="A", other="x") == []
    assert tagged(coded, product="B") == [Occasion.TAGS_CHANGED]
    assert tagged(coded) == []  # no product is requested any more
    assert tagged(coded, product="") == []


def test_a_move_outweighs_a_change_of_tags() -> None:
    (_, asked) = observed_after(ALIGNED, 1, ou_path="/Elsewhere", tags={"product": str(SEARCH)})
    assert asked == opened(2, Occasion.MOVED)


def test_an_account_that_returns_is_asked_about_where_its_allocation_does_not_fit_any_more() -> None:
    gone = [*ALIGNED, given.departed(1)]
    assert observed_after(gone, 2) == [given.returned(2)]
    assert observed_after(gone, 2, ou_path="/Shop")[1:] == [opened(2, Occasion.RETURNED)]
    never_allocated = [*OPEN, given.departed(1), given.ended(1, "departed")]
    assert observed_after(never_allocated, 2) == [given.returned(2), opened(2, Occasion.RETURNED)]


def test_an_account_that_returns_with_its_tags_unread_has_those_it_had() -> None:
    gone = [*ALIGNED, given.departed(1)]
    assert observed_after(gone, 2, tags=None) == [given.returned(2)]


def test_rules_of_before_do_not_matter() -> None:
    def replaced(*some: AccountRule) -> list[Event]:
        return [*ALIGNED, given.rules(*some)]

    assert len(observed_after(replaced(), 1, ou_path="/Shop")) == 1
    assert len(observed_after(replaced(SHOP), 1, ou_path="/Shop")) == 2


# Who, and how many


def test_only_allot_and_cloud_engineers_say_what_organizations_shows() -> None:
    assert decide(observe(SEEN), ENGINEER).events
    assert decide(depart(departure(5), minutes=5), ENGINEER, OPEN).events
    for who in (OWNER, ADMIN, VENDOR_MANAGER):
        for command in (observe(SEEN), depart(departure(5), minutes=5)):
            refusal = refused(command, who, OPEN)
            assert isinstance(refusal, Forbidden)
            assert refusal.message == (
                "To observe organization on / one must be cloud_engineer there; ask a Financial Admin for a grant."
            )


def test_twenty_accounts_are_observed_at_once_at_most_and_their_source_is_one_short_line() -> None:
    assert OBSERVATIONS_MAX == 20
    assert len(observe(*[SEEN] * OBSERVATIONS_MAX).accounts) == OBSERVATIONS_MAX
    for wrong in ({"accounts": [SEEN] * 21}, {"source": "x" * (SOURCE_CHARS_MAX + 1)}, {"source": "a\nb"}):
        with pytest.raises(ValidationError):
            ObserveAccounts.model_validate(observe().model_dump() | wrong)
    observe(source="x" * SOURCE_CHARS_MAX)
    depart(*[departure(5)] * OBSERVATIONS_MAX, minutes=5)
    for number in (0, OBSERVATIONS_MAX + 1):
        with pytest.raises(ValidationError, match="departures"):
            depart(*[departure(5)] * number, minutes=5)


def test_what_is_observed_is_about_the_organization() -> None:
    assert observe().subject == depart(departure(5, ID), minutes=5).subject == ORGANIZATION.stream
