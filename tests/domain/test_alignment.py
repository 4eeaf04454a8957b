"""What Allot does on its own in an occasion: expected accounts, rules, reminders, escalation."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from domain.account_facts import Basis, Occasion
from domain.account_rules import AccountRule
from domain.alignment import AlignAccount, AlignmentStep
from domain.allocation import AccountType
from domain.budget import AnnualApproved
from domain.calendar import Month
from domain.decision import Actor, Decision, Event
from domain.errors import Forbidden
from domain.hierarchy import NodePath
from domain.waiting import REMINDERS_MAX, Overdue, Waiting
from tests.domain import accounts_given as given
from tests.domain.accounts_given import (
    ENGINEER,
    ID,
    OPEN,
    align,
    allocated,
    by_allot,
    ended,
    escalate,
    escalated,
    first_billed,
    opened,
    proposed,
    refused,
    registered,
    remind,
    reminded,
    rule,
    rules,
    shares,
)
from tests.domain.specs import ADMIN, CHECKOUT, OWNER, SEARCH, SYSTEM_ACTOR, decide, fold, line

MAY_1 = date(2026, 5, 1)
SUGGEST = rule("web", shares=shares("60", "40"))
APPLY = rule("web", shares=shares("60", "40"), apply=True)
BY_TAG = rule("requested", ou_path="", product_tag="product", shares=())
BY_EMAIL = given.expected(email="aws+shop@EXAMPLE.com", note="ticket 7", shares=shares("40", "60"))
BY_NAME = given.expected(name="shop-prod")


def aligned(facts: list[Event], *coded: NodePath, occasion: int = 1) -> Decision:
    return decide(align(occasion, *coded), SYSTEM_ACTOR, facts)


def applied(on: date) -> Event:
    return allocated("60", "40", on=on, basis=Basis.RULE, rule="web")


def nothing(decision: Decision) -> str:
    """What was said, where nothing was done."""
    assert not decision.events
    return decision.message


# Expected accounts


def test_an_expected_account_is_allocated_on_the_authority_of_whoever_registered_it() -> None:
    decision = aligned([*OPEN, registered(BY_EMAIL), rules(APPLY)])
    assert decision.message == "Expected: account 100000000001 is allocated from 2026-05-01."
    assert decision.events == [
        allocated(
            "40", "60", on=MAY_1, by="engineer", note="ticket 7", basis=Basis.EXPECTED, rule="aws+shop@example.com"
        ),
        given.appeared("email:aws+shop@example.com"),
    ]
    account = given.account_of([*OPEN, *decision.events])
    assert (account.is_open, len(account.allocations)) == (False, 1)


def test_an_address_goes_before_a_name_and_each_expectation_is_met_once() -> None:
    both = [*OPEN, registered(BY_NAME), registered(BY_EMAIL)]
    assert aligned(both).events[1] == given.appeared("email:aws+shop@example.com")
    met = [*both, given.appeared("email:aws+shop@example.com", given.OTHER)]
    assert aligned(met).events == [
        allocated("100", on=MAY_1, by="engineer", basis=Basis.EXPECTED, rule="shop-prod"),
        given.appeared("name:shop-prod"),
    ]
    none_left = [*met, given.appeared("name:shop-prod", given.OTHER)]
    assert nothing(aligned(none_left)) == "No rule takes this account; somebody has to allocate it."


def test_an_account_that_has_an_allocation_is_not_the_one_that_was_expected() -> None:
    facts = [*given.ALIGNED, opened(2, Occasion.MOVED), registered(BY_NAME)]
    assert nothing(aligned(facts, occasion=2)).startswith("No rule takes this account")


def test_an_expected_account_that_cannot_be_allocated_waits_for_somebody() -> None:
    elsewhere = [event for event in OPEN if event not in given.BUDGET]
    assert nothing(aligned([*elsewhere, registered(BY_NAME)])) == (
        "It was expected, but cannot be allocated like that: There is no product Retail/Digital/Web/Checkout in the "
        "budget: check the path, or load its budget first."
    )


def test_an_expected_account_goes_before_what_somebody_proposed() -> None:
    facts = [*OPEN, proposed(1, "100", by="engineer"), registered(BY_NAME)]
    assert len(aligned(facts).events) == 2


def test_what_is_expected_holds_after_the_last_closed_month() -> None:
    facts = [*OPEN, registered(BY_NAME), *given.closed(Month(2026, 5))]
    assert aligned(facts).message.endswith("is allocated from 2026-06-01.")


# Rules


def test_a_rule_suggests_an_allocation() -> None:
    decision = aligned([*OPEN, rules(SUGGEST)])
    assert decision.message == "Rule 'web' suggests an allocation."
    assert decision.events == [proposed(1, "60", "40")]
    assert given.account_of([*OPEN, *decision.events]).is_open


def test_a_rule_that_says_so_is_applied_on_the_authority_of_whoever_set_it() -> None:
    decision = aligned([*OPEN, rules(APPLY)])
    assert decision.message == "Rule 'web' applied: account 100000000001 is allocated from 2026-05-01."
    assert decision.events == [applied(MAY_1)]


def test_the_first_rule_that_fits_is_the_one() -> None:
    first = rule("first", ou_path="/Workloads/Production")
    assert aligned([*OPEN, rules(rule("x", ou_path="/X"), first, APPLY)]).events == [proposed(1, "100", rule="first")]


def test_where_no_rule_fits_somebody_has_to_allocate() -> None:
    words = "No rule takes this account; somebody has to allocate it."
    assert nothing(aligned(OPEN)) == words
    assert nothing(aligned([*OPEN, rules(rule(ou_path="/Other"))])) == words


def test_a_suggestion_is_made_once() -> None:
    facts = [*OPEN, rules(SUGGEST), proposed(1, "60", "40")]
    assert nothing(aligned(facts)) == "There is nothing new to propose."
    renamed = [*OPEN, rules(SUGGEST.model_copy(update={"name": "other"})), proposed(1, "60", "40")]
    assert nothing(aligned(renamed)) == "There is nothing new to propose."


def test_another_suggestion_takes_the_place_of_a_rules_own() -> None:
    facts = [*OPEN, rules(SUGGEST), proposed(1, "100")]
    assert aligned(facts).events == [proposed(2, "60", "40")]
    another_type = [*OPEN, rules(SUGGEST), proposed(1, "60", "40", account_type=AccountType.SANDBOX)]
    assert aligned(another_type).events == [proposed(2, "60", "40")]


@pytest.mark.parametrize("one", [SUGGEST, APPLY])
def test_what_was_declined_is_not_suggested_or_applied_again_in_its_occasion(one: AccountRule) -> None:
    facts = [*OPEN, rules(one), proposed(1, "60", "40"), given.declined(1)]
    assert nothing(aligned(facts)) == "There is nothing new to propose."
    later = [*facts, ended(), opened(2, Occasion.RETURNED)]
    assert aligned(later, occasion=2).events


@pytest.mark.parametrize("one", [SUGGEST, APPLY])
def test_what_somebody_proposed_is_not_replaced_by_a_rule(one: AccountRule) -> None:
    words = "No rule is asked while what somebody proposed waits for a decision."
    assert nothing(aligned([*OPEN, rules(one), proposed(1, "100", by="engineer")])) == words
    remap = [
        *OPEN,
        allocated("60", "40"),
        opened(2, Occasion.PROPOSED),
        proposed(1, "100", by="engineer", occasion=2),
        rules(one),
    ]
    assert nothing(aligned(remap, occasion=2)) == words
    declined = [*OPEN, rules(one), proposed(1, "100", by="engineer"), given.declined(1)]
    assert aligned(declined).events


@pytest.mark.parametrize("one", [SUGGEST, APPLY])
def test_an_occasion_ends_where_the_rule_says_what_holds_already(one: AccountRule) -> None:
    facts = [*OPEN, allocated("60", "40"), opened(2, Occasion.MOVED), rules(one)]
    decision = aligned(facts, occasion=2)
    assert decision.events == [ended(2, "it is allocated like that already")]
    assert decision.message == "Rule 'web' takes this account: it is allocated like that already."


def test_a_rule_remaps_from_this_month_on() -> None:
    facts = [*given.OPEN, allocated("100", on=MAY_1), opened(2, Occasion.MOVED)]
    assert aligned([*facts, rules(APPLY)], occasion=2).events == [applied(date(2026, 6, 1))]
    assert aligned([*facts, rules(SUGGEST)], occasion=2).events == [proposed(1, "60", "40", occasion=2)]
    sandbox = rule("web", account_type=AccountType.SANDBOX, apply=True)
    assert len(aligned([*facts, rules(sandbox)], occasion=2).events) == 1


def test_a_rule_that_names_what_is_in_no_budget_any_more_says_so() -> None:
    facts = [event for event in OPEN if event != given.BUDGET[1]]
    assert nothing(aligned([*facts, rules(APPLY)])) == (
        "Rule 'web' takes this account, but: There is no product Retail/Digital/Web/Search in the budget: check the "
        "path, or load its budget first."
    )


def test_a_requested_product_is_found_by_path_and_by_code() -> None:
    def requesting(text: str) -> list[Event]:
        return [*OPEN, given.changed(1, "tags", tags={"product": text}), rules(BY_TAG)]

    wanted = proposed(1, "100", rule="requested")
    assert aligned(requesting(str(CHECKOUT))).events == [wanted]
    stream, fact = line()
    assert isinstance(fact, AnnualApproved)
    coded = [*requesting("CHK"), Event(stream, fact.model_copy(update={"code": "CHK"}))]
    assert aligned(coded, CHECKOUT).events == [wanted]
    for facts, hints in ((coded, ()), (coded, (SEARCH,)), (requesting("CHK"), (CHECKOUT,))):
        assert nothing(aligned(facts, *hints)).startswith("No rule takes this account")
    assert nothing(aligned(requesting("Retail/Digital/Web/Unknown"))).startswith("No rule takes this account")


def test_hints_do_not_make_another_command() -> None:
    assert AlignAccount.hints == {"coded"}


def test_rules_are_for_what_is_there() -> None:
    words = "No rule is asked about an account that is not in the organization."
    spending = [given.first_billed(), opened(1, Occasion.SPENDING), *given.BUDGET, rules(APPLY)]
    assert nothing(aligned(spending)) == words
    gone = [*OPEN, given.first_billed(), given.departed(5), rules(APPLY)]
    assert nothing(aligned(gone)) == words
    closed = [*OPEN, given.first_billed(), given.changed(5, "state", state="CLOSED"), rules(APPLY)]
    assert nothing(aligned(closed)) == words
    assert aligned([*closed, registered(BY_NAME)]).events
    assert aligned([*OPEN, given.changed(5, "state", state="SUSPENDED"), rules(APPLY)]).events


@pytest.mark.parametrize(
    ("facts", "occasion"),
    [
        ([], 1),
        ([*OPEN, ended()], 1),
        ([*OPEN, allocated("60", "40")], 1),
        (OPEN, 2),
        ([*OPEN, ended(), opened(2, Occasion.RETURNED)], 1),
    ],
)
def test_an_occasion_that_is_over_is_left_alone(facts: list[Event], occasion: int) -> None:
    decided = [*facts, rules(APPLY), registered(BY_NAME)]
    assert nothing(aligned(decided, occasion=occasion)) == "The occasion is over."
    assert nothing(decide(remind(occasion), SYSTEM_ACTOR, decided)) == "There is nobody to be reminded."
    assert nothing(decide(escalate(occasion), SYSTEM_ACTOR, decided)) == "There is nothing to escalate."


def test_a_young_account_is_allocated_from_its_first_day() -> None:
    young = [given.vended(joined_at=datetime(2026, 6, 16, 23, tzinfo=UTC)), *OPEN[2:], rules(APPLY)]
    assert aligned(young).message.endswith("is allocated from 2026-06-16.")


# Time


def test_whoever_has_to_allocate_is_reminded_each_time_once() -> None:
    decision = decide(remind(1, 1), SYSTEM_ACTOR, OPEN)
    assert (decision.events, decision.message) == ([reminded(1, 1)], "Reminded.")
    facts = [*OPEN, *decision.events]
    assert by_allot(remind(1, 1), facts) == []
    assert by_allot(remind(1, 2), facts) == [reminded(1, 2)]


def test_a_reminder_of_an_account_that_spends_unallocated_says_since_when() -> None:
    spending = [*OPEN, first_billed(date(2026, 6, 3))]
    assert by_allot(remind(), spending) == [reminded(spending_since=date(2026, 6, 3))]
    aligned = [*OPEN, allocated("100"), first_billed(), opened(2, Occasion.MOVED)]
    assert by_allot(remind(2, 1), aligned) == [reminded(2, 1)]


def test_there_are_400_reminders_in_an_occasion_at_most() -> None:
    last = by_allot(remind(1, REMINDERS_MAX), [*OPEN, reminded(1, REMINDERS_MAX - 1)])
    assert last == [reminded(1, REMINDERS_MAX)]
    assert by_allot(remind(1, REMINDERS_MAX + 1), [*OPEN, *last]) == []


def test_reminders_are_counted_anew_in_each_occasion() -> None:
    facts = [*OPEN, reminded(1, 2), ended(), opened(2, Occasion.RETURNED)]
    assert by_allot(remind(2, 1), facts) == [reminded(2, 1)]


def test_what_waited_too_long_is_escalated_once_in_each_occasion() -> None:
    decision = decide(escalate(), SYSTEM_ACTOR, OPEN)
    assert (decision.events, decision.message) == ([escalated(1, Overdue.WAITED_TOO_LONG)], "Escalated.")
    facts = [*OPEN, *decision.events]
    assert nothing(decide(escalate(), SYSTEM_ACTOR, facts)) == "There is nothing to escalate."
    assert by_allot(escalate(2), [*facts, ended(), opened(2, Occasion.RETURNED)]) == [escalated(2)]
    assert by_allot(escalate(), [*OPEN, escalated(1, Overdue.SPENDING)]) == []


def test_waiting_for_an_account_belongs_to_no_fiscal_year_or_product() -> None:
    facts = [*OPEN, reminded(1, 3), escalated(1)]
    waiting: Waiting = fold(facts, [given.WAITING])[given.WAITING]
    assert (waiting.reminded(1), waiting.escalated(1)) == (3, True)
    assert str(given.WAITING) == f"waiting/account/{ID}"
    for _, fact in facts[-2:]:
        assert (fact.model_dump()["fiscal_year"], fact.model_dump()["product"]) == (0, "/")


@pytest.mark.parametrize("who", [ADMIN, ENGINEER, OWNER])
@pytest.mark.parametrize("command", [align(), remind(), escalate()])
def test_only_allot_itself_aligns_reminds_and_escalates(command: AlignmentStep, who: Actor) -> None:
    refusal = refused(command, who, [*OPEN, rules(APPLY)])
    assert isinstance(refusal, Forbidden)
    assert (refusal.code, refusal.message) == (
        "SystemOnly",
        "Only Allot itself aligns by rules, reminds and escalates.",
    )
