"""Accounts that are expected: registered, withdrawn, and recognised when they appear."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain.account_facts import Allocated
from domain.decision import Command, Event
from domain.errors import Forbidden, NotFound
from domain.expectation import Appeared, Expectation, Registered, expectation_stream, expected, streams_for
from domain.expected_account import ACCOUNT_NAME_CHARS_MAX, EXPECTED_MAX
from tests.domain import accounts_given as given
from tests.domain.accounts_given import (
    BUDGET,
    ENGINEER,
    ID,
    SEEN,
    VENDOR_MANAGER,
    expect,
    refused,
    registered,
    shares,
    vended,
    withdraw,
)
from tests.domain.specs import ADMIN, CHECKOUT, OWNER, SEARCH, decide, fold, line

BY_EMAIL = given.expected(email="AWS+Shop@example.com")
BY_NAME = given.expected(name="shop-prod", note="asked by mail")
EMAIL_KEY, NAME_KEY = "email:aws+shop@example.com", "name:shop-prod"


def expectation(facts: list[Event], key: str) -> Expectation:
    stream = expectation_stream(key)
    found: Expectation = fold(facts, [stream])[stream]
    return found


# By what it is recognised


def test_an_account_is_recognised_by_its_address_or_else_by_its_name() -> None:
    assert (BY_EMAIL.key, BY_NAME.key) == (EMAIL_KEY, NAME_KEY)
    assert given.expected(email=" AWS+shop@example.com ", name="x").key == EMAIL_KEY
    assert given.expected(email=" ", name=" shop-prod ").key == NAME_KEY
    for email in ("", " "):
        with pytest.raises(ValidationError, match="recognised by its e-mail address or its name: give one of them"):
            given.expected(email=email, name=email)


def test_an_account_that_appears_may_be_expected_by_its_address_first() -> None:
    assert streams_for(SEEN) == (expectation_stream(EMAIL_KEY), expectation_stream(NAME_KEY))
    assert streams_for(given.seen(email=" ")) == (expectation_stream(NAME_KEY),)
    assert streams_for(given.seen(name="")) == (expectation_stream(EMAIL_KEY),)
    assert streams_for(given.seen(name="", email="")) == ()


def found_for(facts: list[Event]) -> str | None:
    found = expected(fold(facts, streams_for(SEEN)), SEEN)
    return None if found is None else found.key


def test_an_address_goes_before_a_name_and_its_case_does_not_matter() -> None:
    both = [registered(BY_NAME), registered(BY_EMAIL)]
    assert found_for(both) == EMAIL_KEY
    assert found_for([*both, given.appeared(EMAIL_KEY)]) == NAME_KEY
    assert found_for([registered(given.expected(name="Shop-Prod"))]) is None
    assert found_for([]) is None


def test_an_expectation_is_met_once() -> None:
    facts = [registered(BY_NAME)]
    assert expectation([], NAME_KEY) == Expectation()
    assert expectation(facts, NAME_KEY).waiting is not None
    met = [*facts, given.appeared(NAME_KEY)]
    assert expectation(met, NAME_KEY) == Expectation(None, ID)
    again = expectation([*met, registered(BY_NAME)], NAME_KEY)
    assert (again.waiting is not None, again.met_by) == (True, ID)
    assert expectation([*met, registered(BY_NAME), given.not_expected(NAME_KEY)], NAME_KEY) == Expectation(None, ID)


# Registering


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        (given.allocate("60", "40"), []),
        (given.allocate_all(given.row(2, "60", "40")), []),
        (given.accept(), [given.opened(), given.proposed(1, "60", "40")]),
    ],
    ids=["by hand", "by a file", "as proposed"],
)
def test_whoever_is_faster_than_allot_meets_the_expectation_too(command: Command, facts: list[Event]) -> None:
    before = [*BUDGET, vended(), registered(BY_NAME), *facts]
    first = decide(command, ADMIN, before).events
    assert [event.fact.fact_name for event in first] == ["account.Allocated", "expected_account.Appeared"]
    assert first[-1] == given.appeared(NAME_KEY)
    assert expectation([*before, *first], NAME_KEY).waiting is None
    another = decide(given.expect(BY_NAME), ADMIN, [*before, *first])  # it stands as it was allocated
    assert not another.events


def test_an_account_with_an_allocation_does_not_meet_what_is_expected_under_its_new_name() -> None:
    facts = [*BUDGET, vended(name="old"), given.allocated("100"), given.changed(5, "name"), registered(BY_NAME)]
    for command in (given.allocate("60", "40"), given.allocate_all(given.row(2, "60", "40"))):
        (event,) = decide(command, ADMIN, facts).events
        assert isinstance(event.fact, Allocated)


def test_two_accounts_of_one_name_meet_an_expectation_once() -> None:
    facts = [*BUDGET, vended(), vended(account_id=given.OTHER), registered(BY_NAME)]
    rows = (given.row(2, "60", "40"), given.row(3, "60", "40", account_id=given.OTHER))
    found = decide(given.allocate_all(*rows), ADMIN, facts)
    assert len([event for event in found.events if isinstance(event.fact, Appeared)]) == 1
    assert found.message == "2 allocations recorded."


def test_accounts_are_registered_before_they_are_vended() -> None:
    split = given.expected(name=" new ", shares=shares("40", "60", products=(SEARCH, CHECKOUT)))
    decision = decide(expect(BY_EMAIL, split), ENGINEER, BUDGET)
    assert decision.message == "2 expected accounts registered."
    assert decision.events == [
        registered(BY_EMAIL),
        registered(given.expected(name="new", shares=shares("60", "40"))),
    ]
    (first, _) = decision.events
    assert isinstance(first.fact, Registered)
    assert (first.fact.email, first.fact.registered_by) == ("AWS+Shop@example.com", ENGINEER.person_id)


def test_what_is_registered_like_that_already_is_not_registered_again() -> None:
    answer = decide(expect(BY_EMAIL, BY_NAME), ADMIN, [*BUDGET, registered(BY_EMAIL)])
    assert answer.events == [registered(BY_NAME, by="admin")]
    assert answer.message == ("1 expected account registered; 1 registered like that, or allocated, already.")
    other = given.expected(email=BY_EMAIL.email, account_type="Sandbox")
    assert decide(expect(other), ADMIN, [*BUDGET, registered(BY_EMAIL)]).events == [registered(other, by="admin")]


def test_what_is_there_and_allocated_is_not_expected() -> None:
    there = [*given.ALIGNED, registered(BY_NAME), given.appeared(NAME_KEY)]
    assert decide(expect(BY_NAME), ADMIN, there).events == []
    assert decide(expect(BY_NAME, known={NAME_KEY: ID}), ADMIN, given.ALIGNED).events == []
    # One that is there, and waits for its allocation, is expected all the same.
    assert decide(expect(BY_NAME, known={NAME_KEY: ID}), ADMIN, given.OPEN).events
    assert decide(expect(BY_NAME), ADMIN, [*given.OPEN, registered(BY_NAME), given.appeared(NAME_KEY)]).events


def test_a_hint_about_what_is_there_is_not_believed_unchecked() -> None:
    other = given.expected(name="other")
    assert decide(expect(other, known={other.key: ID}), ADMIN, given.ALIGNED).events
    assert decide(expect(BY_NAME, known={"name:x": ID}), ADMIN, given.ALIGNED).events
    assert decide(expect(BY_NAME, known={NAME_KEY: given.OTHER}), ADMIN, given.ALIGNED).events
    # An account that had the name, and has another one now, is not the one that is expected.
    renamed = [*given.ALIGNED, registered(BY_NAME), given.appeared(NAME_KEY), given.changed(5, "name", name="old")]
    assert decide(expect(BY_NAME), ADMIN, renamed).events


def test_an_account_is_named_once() -> None:
    refusal = refused(expect(BY_EMAIL, given.expected(email="aws+shop@EXAMPLE.com")), ADMIN, BUDGET)
    assert (refusal.code, refusal.message) == (
        "DuplicateAccount",
        "The account aws+shop@example.com is named twice: leave one of them out.",
    )


def test_one_faulty_expectation_keeps_all_out() -> None:
    faulty = [given.expected(name=f"new-{n}", shares=shares("99")) for n in range(4)]
    unknown = given.expected(name="a:b", shares=shares("60", "40"))
    refusal = refused(expect(BY_EMAIL, faulty[0], unknown), ADMIN, [line()])
    assert (refusal.code, refusal.message) == (
        "FaultyExpectations",
        "No account was registered: new-0: The shares add up to 99 %; they must add up to exactly 100 %. a:b: There is "
        "no product Retail/Digital/Web/Search in the budget: check the path, or load its budget first.",
    )
    three = refused(expect(*faulty[:3]), ADMIN, BUDGET).message
    assert three.endswith("new-2: The shares add up to 99 %; they must add up to exactly 100 %.")
    assert refused(expect(*faulty), ADMIN, BUDGET).message == (
        "No account was registered: "
        + " ".join(f"new-{n}: The shares add up to 99 %; they must add up to exactly 100 %." for n in range(3))
        + " And 1 more."
    )


def test_financial_admins_and_cloud_engineers_say_what_is_expected() -> None:
    for who in (ADMIN, ENGINEER):
        assert decide(expect(BY_NAME), who, BUDGET).events
        assert decide(withdraw(name="shop-prod"), who, [registered(BY_NAME)]).events
    for who in (OWNER, VENDOR_MANAGER):
        for command in (expect(BY_NAME), withdraw(name="shop-prod")):
            refusal = refused(command, who, [*BUDGET, registered(BY_NAME)])
            assert isinstance(refusal, Forbidden)
            assert refusal.message.startswith("To allocate account on / one must be cloud_engineer or financial_admin")


# Withdrawing


def test_what_is_not_expected_any_more_is_withdrawn_once() -> None:
    facts = [registered(BY_EMAIL)]
    command = withdraw(email="aws+shop@example.COM", reason="another plan")
    decision = decide(command, ADMIN, facts)
    assert decision.events == [given.not_expected(EMAIL_KEY)]
    assert decision.message == "The account aws+shop@example.com is not expected any more."
    refusal = refused(command, ADMIN, [*facts, *decision.events])
    assert isinstance(refusal, NotFound)
    assert (refusal.code, refusal.message) == (
        "NotExpected",
        "No account aws+shop@example.com is expected: see `allot account expected`.",
    )


def test_what_has_appeared_cannot_be_withdrawn() -> None:
    refusal = refused(withdraw(name="shop-prod"), ADMIN, [registered(BY_NAME), given.appeared(NAME_KEY)])
    assert refusal.message == (
        "No account shop-prod is expected: see `allot account expected`. It appeared as account 100000000001."
    )


# Limits


def test_five_thousand_accounts_are_registered_at_once_at_most() -> None:
    assert EXPECTED_MAX == 5_000
    assert len(expect(*[BY_NAME] * EXPECTED_MAX).accounts) == EXPECTED_MAX
    for number in (0, EXPECTED_MAX + 1):
        with pytest.raises(ValidationError, match="accounts"):
            expect(*[BY_NAME] * number)
    assert expect(BY_NAME, BY_EMAIL).subject == expectation_stream(NAME_KEY)


def test_names_and_addresses_are_lines_of_the_length_that_aws_allows() -> None:
    assert ACCOUNT_NAME_CHARS_MAX == 50
    assert given.expected(name="x" * 50).name == "x" * 50
    assert given.expected(email="x" * 320).key == f"email:{'x' * 320}"
    for wrong in ({"name": "x" * 51}, {"email": "x" * 321}, {"name": "a\nb"}, {"email": "a\x00b"}):
        with pytest.raises(ValidationError):
            given.expected(**wrong)
