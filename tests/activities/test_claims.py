"""Claims on a real ledger: a command over many resources is recorded whole or not at all, whoever else is at it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest

from domain.calendar import Month
from domain.claim import Claimed, ResourceName, stream_of
from domain.claim_commands import CLAIM_RESOURCES_MAX, ClaimResources, ReleaseResources
from domain.decision import Accepted, Refused
from domain.workload_commands import CreateWorkload
from tests.command_line.account_company import SHOP, TODAY, AccountCompany
from tests.command_line.company import CHECKOUT, address

NAMES = tuple(ResourceName(account_id=SHOP, resource=f"i-{n}") for n in range(CLAIM_RESOURCES_MAX))
WORKLOADS = ("Basket", "Search box", "Images")


@pytest.fixture
def company(database_url: str) -> Iterator[AccountCompany]:
    company = AccountCompany(database_url)
    company.vend(SHOP)
    company.allocate(SHOP, Checkout="60", Search="40")
    launch = Month.of(TODAY)
    for name in WORKLOADS:
        months = {"launch_month": launch, "end_month": launch.plus(1), "account_id": SHOP}
        company.do(CreateWorkload, "Ann", product=CHECKOUT, workload=name, **months)
    yield company
    company.ledger.close()


def claim(company: AccountCompany, workload: str, names: tuple[ResourceName, ...]) -> Accepted | Refused:
    about = {"command_id": uuid4(), "actor": address("Ann"), "product": CHECKOUT, "workload": workload}
    return company.ledger.record(ClaimResources(**about, resources=names))


def claimants(company: AccountCompany) -> list[str]:
    """By resource, whoever has claimed it last."""
    states = company.ledger.states([stream_of(name) for name in NAMES])
    claims = [states[stream_of(name)].claim for name in NAMES]
    return [one.workload if one else "" for one in claims]


def test_of_several_that_want_the_same_one_gets_all_and_the_others_none(company: AccountCompany) -> None:
    """Each overlaps with the others in one resource only, in another place of its list."""
    wanted = {name: NAMES[n * 100 : n * 100 + 100] + NAMES[:1] for n, name in enumerate(WORKLOADS)}
    wanted[WORKLOADS[2]] = NAMES[:1] + NAMES[200:300]
    barrier = Barrier(len(WORKLOADS))

    def at_once(workload: str) -> Accepted | Refused:
        barrier.wait()
        return claim(company, workload, wanted[workload])

    with ThreadPoolExecutor(len(WORKLOADS)) as pool:
        answers = dict(zip(WORKLOADS, pool.map(at_once, WORKLOADS), strict=True))
    winners = [workload for workload, answer in answers.items() if isinstance(answer, Accepted)]
    assert len(winners) == 1
    by = claimants(company)
    assert by.count(winners[0]) == len(set(wanted[winners[0]]))
    assert set(by) == {winners[0], ""}
    for workload, answer in answers.items():
        if workload not in winners:
            assert isinstance(answer, Refused)
            assert f"is claimed by the workload {winners[0]}" in answer.message


def test_as_many_as_one_command_takes_are_claimed_and_released_at_once(company: AccountCompany) -> None:
    answer = claim(company, "Basket", NAMES)
    assert isinstance(answer, Accepted)
    assert answer.events == CLAIM_RESOURCES_MAX
    again = claim(company, "Basket", NAMES)
    assert isinstance(again, Accepted)
    assert again.events == 0
    released = company.do(ReleaseResources, "Cleo", resources=NAMES)
    assert released.events == CLAIM_RESOURCES_MAX
    (first, _) = company.ledger.read(stream_of(NAMES[0]))
    assert isinstance(first.fact, Claimed)
    assert first.policies == ("resource-claim-owners",)
