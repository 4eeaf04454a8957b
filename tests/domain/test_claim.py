"""Claims: wholly, by one workload, from the day after; many at once, all or none."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from domain.calendar import Month
from domain.claim import Claimed, Released
from domain.claim_commands import CLAIM_RESOURCES_MAX, RESOURCE_CHARS_SHOWN
from domain.decision import Actor, Persona
from domain.errors import Forbidden, NotFound
from domain.hierarchy import NodePath
from domain.resource_key import RESOURCE_KEY_CHARS_MAX
from domain.workload import Component
from tests.domain.accounts_given import OTHER, allocated, closed, shares
from tests.domain.specs import ADMIN, LEAD, OWNER, SEARCH, actor, decide
from tests.domain.workload_given import (
    ELSEWHERE,
    EXISTS,
    WEB_SERVER,
    claim,
    claimed,
    created,
    end_moved,
    facts,
    names,
    refused,
    release,
    released,
    withdrawn,
)

TOMORROW = date(2026, 6, 18)
ENGINEER = actor("engineer", (Persona.CLOUD_ENGINEER, NodePath.ROOT))
NEIGHBOUR = actor("neighbour", (Persona.PRODUCT_OWNER, SEARCH))
CLAIMED = [*EXISTS, claimed(date(2026, 6, 3))]
TWO = [*EXISTS, created(product=SEARCH, workload="Index")]
BY_SEARCH = [*TWO, claimed(date(2026, 6, 3), workload="Index", product=SEARCH)]


@pytest.mark.parametrize(
    ("by", "policy"),
    [(OWNER, "resource-claim-owners"), (ENGINEER, "resource-claim-offices"), (ADMIN, "resource-claim-offices")],
)
def test_a_resource_is_claimed_and_released_from_the_day_after(by: Actor, policy: str) -> None:
    decision = decide(claim(), by, EXISTS)
    assert decision.authority.policies == (policy,)
    (fact,) = facts(decision)
    assert isinstance(fact, Claimed)
    assert (fact.effective_on, fact.component, fact.claimed_by) == (TOMORROW, Component.APPLICATION, by.person_id)
    decision = decide(release(), by, CLAIMED)
    assert decision.authority.policies == (policy,)
    (gone,) = facts(decision)
    assert isinstance(gone, Released)
    assert (gone.effective_on, gone.workload, gone.released_by) == (TOMORROW, "Basket", by.person_id)


@pytest.mark.parametrize("by", [LEAD, NEIGHBOUR, actor("nobody")])
def test_nobody_else_claims_or_releases(by: Actor) -> None:
    assert isinstance(refused(claim(), by, EXISTS), Forbidden)
    assert isinstance(refused(release(), by, CLAIMED), Forbidden)


def test_the_day_after_is_counted_in_utc() -> None:
    late = datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)
    (fact,) = facts(decide(claim(), OWNER, EXISTS, now=late))
    assert isinstance(fact, Claimed)
    assert fact.effective_on == date(2026, 7, 1)


def test_claiming_what_is_the_workload_s_already_changes_nothing() -> None:
    decision = decide(claim(), OWNER, CLAIMED)
    assert list(decision.events) == []
    assert decision.message.endswith("; 1 was like that already.")
    assert list(decide(claim(), OWNER, [*EXISTS, claimed(TOMORROW)]).events) == []


def test_another_component_takes_effect_tomorrow_and_none_named_keeps_it() -> None:
    (fact,) = facts(decide(claim(component=Component.DATABASE), OWNER, CLAIMED))
    assert isinstance(fact, Claimed)
    assert (fact.component, fact.effective_on) == (Component.DATABASE, TOMORROW)
    given = [*CLAIMED, claimed(TOMORROW, component=Component.DATABASE)]
    assert list(decide(claim(), OWNER, given).events) == []


def test_what_somebody_else_has_claimed_is_named_with_by_whom_and_since_when() -> None:
    refusal = refused(claim("i-free", WEB_SERVER), OWNER, BY_SEARCH)
    assert refusal.code == "NotClaimable"
    assert refusal.message == (
        f"No resource was claimed: {WEB_SERVER} in account 100000000001 is claimed by the workload Index of "
        "Retail/Digital/Web/Search since 2026-06-03: it has to be released first."
    )


def test_a_refusal_names_the_first_and_counts_the_rest() -> None:
    keys = [f"i-{n}" for n in range(5)]
    given = [*TWO, *(claimed(TOMORROW, key, "Index", SEARCH) for key in keys)]
    message = refused(claim(*keys), OWNER, given).message
    assert "i-2 in account" in message
    assert "i-3" not in message
    assert message.endswith(" And 2 more.")
    long = "x" * RESOURCE_KEY_CHARS_MAX
    message = refused(claim(long), OWNER, [*TWO, claimed(TOMORROW, long, "Index", SEARCH)]).message
    assert "x" * (RESOURCE_CHARS_SHOWN - 1) + "… in account" in message


def test_a_resource_released_today_is_free_for_others_tomorrow() -> None:
    given = [*BY_SEARCH, released(TOMORROW, workload="Index", product=SEARCH)]
    (fact,) = facts(decide(claim(), OWNER, given))
    assert isinstance(fact, Claimed)
    assert fact.effective_on == TOMORROW
    assert list(decide(release(), OWNER, given).events) == []


def test_a_claim_may_be_released_on_the_day_on_which_it_was_made() -> None:
    given = [*EXISTS, claimed(TOMORROW)]
    (fact,) = facts(decide(release(), OWNER, given))
    assert isinstance(fact, Released)
    assert fact.effective_on == TOMORROW
    assert facts(decide(claim(), OWNER, [*given, released(TOMORROW)]))


def test_clocks_that_differ_at_midnight_never_make_claims_overlap() -> None:
    yesterday = datetime(2026, 6, 16, 23, 59, 59, tzinfo=UTC)
    (fact,) = facts(decide(release(), OWNER, [*EXISTS, claimed(TOMORROW)], now=yesterday))
    assert isinstance(fact, Released)
    assert fact.effective_on == TOMORROW
    given = [*BY_SEARCH, released(TOMORROW, workload="Index", product=SEARCH)]
    (new,) = facts(decide(claim(), OWNER, given, now=yesterday))
    assert isinstance(new, Claimed)
    assert new.effective_on == TOMORROW


def test_the_account_must_be_allocated_to_the_product_on_that_day() -> None:
    refusal = refused(claim(account_id=OTHER), OWNER, EXISTS)
    assert (refusal.code, f"Account {OTHER} is not known" in refusal.message) == ("NotClaimable", True)
    only_search = allocated(on=date(2026, 6, 18)).fact.model_copy(update={"shares": shares("100", products=(SEARCH,))})
    remapped = [*EXISTS, EXISTS[1]._replace(fact=only_search)]
    assert "is not allocated to Retail/Digital/Web/Checkout on 2026-06-18" in refused(claim(), OWNER, remapped).message
    later = only_search.model_copy(update={"effective_on": date(2026, 6, 19)})
    assert facts(decide(claim(), OWNER, [*EXISTS, EXISTS[1]._replace(fact=later)]))
    assert facts(decide(claim(account_id=OTHER), OWNER, [*EXISTS, *ELSEWHERE]))


def test_a_claim_stays_when_its_account_goes_to_other_products() -> None:
    only_search = allocated(on=date(2026, 6, 7)).fact.model_copy(update={"shares": shares("100", products=(SEARCH,))})
    given = [*TWO, claimed(date(2026, 6, 3)), EXISTS[1]._replace(fact=only_search)]
    refusal = refused(claim(product=SEARCH, workload="Index"), NEIGHBOUR, given)
    assert "is claimed by the workload Basket" in refusal.message
    assert facts(decide(release(), OWNER, given))


def test_all_or_nothing() -> None:
    decision = decide(claim("i-1", "i-2", "i-1", WEB_SERVER), OWNER, CLAIMED)
    assert [event.stream.key for event in decision.events] == ["100000000001/i-1", "100000000001/i-2"]
    assert decision.message == "2 resources claimed by Basket from 2026-06-18 on; 1 was like that already."
    assert refused(claim("i-1", WEB_SERVER), OWNER, BY_SEARCH).code == "NotClaimable"
    both = [*BY_SEARCH, claimed(date(2026, 6, 3), "i-1")]
    assert isinstance(refused(release("i-1", WEB_SERVER), OWNER, both), Forbidden)
    assert len(facts(decide(release("i-1", WEB_SERVER), ADMIN, both))) == 2


def test_one_command_names_one_authority() -> None:
    delegator = actor("delegator", (Persona.PRODUCT_OWNER, SEARCH))
    both = [*BY_SEARCH, claimed(date(2026, 6, 3), "i-1")]
    assert refused(release("i-1", WEB_SERVER), OWNER, both, delegators=(delegator,)).code == "SeveralAuthorities"
    decision = decide(release(WEB_SERVER), OWNER, both, delegators=(delegator,))
    assert decision.authority.on_behalf_of == delegator.person_id


@pytest.mark.parametrize("count", [0, CLAIM_RESOURCES_MAX + 1])
def test_a_command_takes_1_to_500_resources(count: int) -> None:
    keys = [f"i-{n}" for n in range(CLAIM_RESOURCES_MAX + 1)]
    assert len(facts(decide(claim(*keys[:-1]), OWNER, EXISTS))) == CLAIM_RESOURCES_MAX
    with pytest.raises(ValidationError):
        claim().__class__.model_validate(claim().model_dump() | {"resources": names(*keys[:count])})


@pytest.mark.parametrize(
    "key", ["", "a\nb", "x" * (RESOURCE_KEY_CHARS_MAX + 1), "ü" * (RESOURCE_KEY_CHARS_MAX // 2 + 1)]
)
def test_what_no_report_could_name_is_no_resource(key: str) -> None:
    with pytest.raises(ValidationError):
        names(key)


def test_a_claim_ends_with_its_workload() -> None:
    others = created(product=SEARCH, workload="Index")
    ended = [*CLAIMED, others, end_moved(Month(2026, 7))]
    july = datetime(2026, 7, 30, 12, tzinfo=UTC)
    assert refused(claim(product=SEARCH, workload="Index"), NEIGHBOUR, ended, now=july).code == "NotClaimable"
    assert facts(decide(claim(product=SEARCH, workload="Index"), NEIGHBOUR, ended, now=july.replace(day=31)))
    assert list(decide(release(), OWNER, ended, now=july.replace(day=31)).events) == []
    given_up = [*CLAIMED, others, withdrawn(TOMORROW)]
    assert facts(decide(claim(product=SEARCH, workload="Index"), NEIGHBOUR, given_up))


def test_what_has_ended_or_ends_today_claims_nothing() -> None:
    ended = [*EXISTS, end_moved(Month(2026, 7))]
    for day in (datetime(2026, 7, 31, 12, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)):
        assert refused(claim(), OWNER, ended, now=day).code == "WorkloadEnded"
    assert isinstance(refused(claim(workload="Nothing"), OWNER, EXISTS), NotFound)


def test_a_closed_month_keeps_its_claims() -> None:
    given = [*CLAIMED, *closed(Month(2026, 6))]
    assert refused(claim("i-1"), OWNER, given).code == "ClosedMonth"
    assert refused(release(), OWNER, given).code == "ClosedMonth"
    last = datetime(2026, 6, 30, tzinfo=UTC)
    assert facts(decide(claim("i-1"), OWNER, given, now=last))
