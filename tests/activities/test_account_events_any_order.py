"""Events and full reads of one account in any order, repeated and delayed: they always come to the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.aws_access import AwsAccess
from activities.organizations import Organizations, Surroundings
from domain.account import Account
from domain.account_process import SyncRequest, SyncResult
from domain.decision import Organization
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.activities.intake import Intake, told

CREATED = "organizations_CreateAccountResult_SUCCEEDED"
JOINED = "organizations_AccountJoinedOrganization_created"
FACTORY = "controltower_CreateManagedAccount_SUCCEEDED"
LEFT = "organizations_AccountDepartedOrganization_left"
type Doing = Callable[[Intake, str], object]
DOINGS: dict[str, Doing] = {
    "organizations_MoveAccount": lambda intake, one: intake.move(one, f"unit-{one}"),
    "organizations_TagResource_account": lambda intake, one: intake.organization.tag_resource(
        ResourceId=one, Tags=[{"Key": "cost-center", "Value": "7"}]
    ),
    "organizations_UntagResource_account": lambda intake, one: intake.organization.untag_resource(
        ResourceId=one, TagKeys=["team"]
    ),
    "organizations_CloseAccount": lambda intake, one: intake.organization.close_account(AccountId=one),
}
"""What happens to an account, by the event that tells of it."""
TOLD = (CREATED, JOINED, FACTORY, *DOINGS)
READ = "full read"
HOURS_LATE_MAX = 72
"""Between what happened and its message."""
FEW, MANY = (
    settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    for count in (3, 40)
)
"""In one ledger, which grows with each example."""


class Life:
    """Of a new account, in the same organization as those of the examples before."""

    def __init__(self, intake: Intake, earlier: list[str]) -> None:
        self._intake, self._known = intake, earlier
        self.account_id = intake.vend(f"shop-{len(earlier)}")
        self._began = time.time()
        earlier.append(self.account_id)

    def happens(self, event: str) -> None:
        DOINGS[event](self._intake, self.account_id)

    def leaves(self) -> None:
        """In a later second than it has joined in: events are told in whole seconds, and would be of before."""
        time.sleep(max(0.0, self._began + 1 - time.time()))
        self._intake.remove(self.account_id)

    def told(self, *events: str, hours_late: int = 0) -> None:
        """In this order; messages between two reads are in the queue together."""
        at = datetime.now(UTC) - timedelta(hours=hours_late)
        for is_read, some in groupby(events, lambda event: event == READ):
            if is_read:
                self.read()
            else:
                self._intake(*[told(event, self.account_id, at) for event in some])

    def read(self) -> SyncResult:
        around = Surroundings(lambda: self._known, tuple, self._intake.starter)
        reader = Organizations(self._intake.ledger, AwsAccess().organizations, around, tags_of_all=True)
        return self._intake.environment.run(reader.sync, SyncRequest())

    def facts(self) -> list[dict[str, Any]]:
        """But for who was first to tell, and when."""
        of_the_teller = {"source", "observed_at", "account_id", "name", "email", "joined_at", "ou_path", "tags"}
        return [
            {"fact": fact.fact_name} | fact.model_dump(exclude=of_the_teller)
            for fact in self._intake.facts(self.account_id)
        ]

    def account(self) -> Account:
        return self._intake.state(self.account_id)


@pytest.fixture
def begin(aws_endpoint: str, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Life]]:
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4) as ledger:
        intake, earlier = Intake(ledger, database_url, monkeypatch), list[str]()
        yield lambda: Life(intake, earlier)


def seen(life: Life) -> tuple[str, str, dict[str, str]]:
    account = life.account()
    assert account.seen is not None
    return account.seen.state, account.seen.ou_path, dict(account.seen.tags or {})


def told_after_it_happened(begin: Callable[[], Life], order: list[str], again: list[str], hours_late: int) -> None:
    life = begin()
    for event in list(DOINGS)[:-1]:
        life.happens(event)
    life.told(*order, *again, hours_late=hours_late)
    assert life.facts() == [
        {"fact": "account.Vended", "state": "ACTIVE", "joined_method": "CREATED"},
        {"fact": "account.AlignmentOpened", "occasion": 1, "reason": "first sight"},
    ]
    assert seen(life) == ("ACTIVE", f"/unit-{life.account_id}", {"cost-center": "7"})


def told_while_it_happens(begin: Callable[[], Life], order: list[str], random: Random, leaves: bool) -> None:
    """Messages wait for each other, come twice, or days later; some come only when all is over."""
    life = begin()
    waiting, to_come = [CREATED, JOINED, READ, READ], list(order)
    while to_come or waiting:
        if to_come and random.random() < 0.5:
            event = to_come.pop(0)
            life.happens(event)
            waiting += [event] * random.randint(1, 2)
        elif waiting:
            random.shuffle(waiting)
            some = [waiting.pop() for _ in range(random.randint(1, len(waiting)))]
            life.told(*some, hours_late=random.randint(0, HOURS_LATE_MAX))
    assert seen(life) == ("SUSPENDED", f"/unit-{life.account_id}", {"cost-center": "7"})
    if leaves:
        life.leaves()
        life.told(random.choice([LEFT, READ]))
    before = life.facts()
    life.told(*random.sample([*TOLD, READ], len(TOLD) + 1))
    assert life.facts() == before
    assert (life.account().departed_at is not None) == leaves
    assert [fact["fact"] for fact in before].count("account.Vended") == 1


AFTER = given(
    order=st.permutations([*TOLD, READ]),
    again=st.lists(st.sampled_from([*TOLD, READ]), max_size=4),
    hours_late=st.integers(0, HOURS_LATE_MAX),
)
WHILE = given(order=st.permutations(list(DOINGS)), random=st.integers(0, 2**32).map(Random), leaves=st.booleans())
test_what_is_told_after_it_happened_leads_to_the_same_events = FEW(AFTER(told_after_it_happened))
test_what_is_told_while_it_happens_ends_in_the_same_state = FEW(WHILE(told_while_it_happens))
test_many_that_are_told_after_it_happened = pytest.mark.slow(MANY(AFTER(told_after_it_happened)))
test_many_that_are_told_while_it_happens = pytest.mark.slow(MANY(WHILE(told_while_it_happens)))
