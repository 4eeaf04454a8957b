"""A worker killed with SIGKILL in the middle of each activity, then started again: nothing lost, nothing doubled.

Every case has a namespace, a database and two workers of its own: the first one dies at a chosen point, the second one
finishes. All cases run at the same time, because each waits for Temporal to notice that an attempt is lost.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import psycopg
import pytest

from domain.account_process import SyncRequest, SyncResult
from domain.decision import SYSTEM, Accepted, Channel, Persona
from domain.people_commands import GrantPersona, RegisterPerson, WithdrawGrant
from domain.process import (
    BudgetFile,
    BudgetLoadResult,
    PeopleFile,
    PeopleImportResult,
    RegisterPersonRequest,
    WorkflowName,
    schedule_process_id,
)
from embedded.aws_server import AwsServer
from embedded.postgres import Postgres
from file_store import FileStore
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.faults.account_cases import aligning, expected, lay_queue, rules, vended
from tests.faults.case import ADMIN, COMMAND_ID, DONE_WITHIN, Case
from tests.faults.cost_cases import cost, restated
from tests.support.workers import own_namespace, start_worker, stop_worker, worker_environment
from tests.workflows.replay import replay_all_ended
from tests.workflows.stage import LEAD, OTHER_LEAD, PRODUCT, YEAR, company

DIES_WITHIN_S = 60.0
SLOW = pytest.mark.slow
_numbers = itertools.count(1)


async def submission(case: Case) -> Counter[str]:
    outcome = await case.submit()
    assert (outcome.version, outcome.events) == (1, 1)
    return Counter({"schedule.Submitted": 1})


async def refusal(case: Case) -> Counter[str]:
    await case.submit()
    handle = case.client.get_workflow_handle(schedule_process_id(YEAR, PRODUCT))
    await handle.signal("approve", ["not", "a", "command"])
    async with asyncio.timeout(DONE_WITHIN.total_seconds()):
        while not (await handle.query("view"))["refusals"]:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.2)
    return Counter({"schedule.Submitted": 1, "command.Refused": 1})


async def registration(case: Case) -> Counter[str]:
    request = RegisterPersonRequest(command_id=COMMAND_ID, actor=ADMIN, email="new@example.com", name="Nadia New")
    outcome = await case.run(WorkflowName.PERSON_REGISTRATION, request, Accepted)
    assert outcome.events == 1
    with psycopg.connect(case.database_url) as connection:
        found = connection.execute("SELECT count(*) FROM people WHERE email = 'new@example.com'").fetchone()
    assert found == (1,)
    return Counter({"person.Registered": 1})


async def budget(case: Case) -> Counter[str]:
    header = "Unit,Department,Portfolio,Product,Annual"
    rows = "\n".join(f"Wholesale,Sales,Partners,Product {n},100.00" for n in range(50))
    data = f"{header}\n{rows}\n".encode()
    content_hash = FileStore(str(case.directory / "files")).put(data)
    request = BudgetFile(
        command_id=COMMAND_ID,
        actor=ADMIN,
        content_hash=content_hash,
        file_name="Example_2027_true_2027-01-01_false_Budget_v1.csv",
    )
    result = await case.run(WorkflowName.BUDGET_LOAD, request, BudgetLoadResult)
    assert (result.status, result.products) == ("loaded", 50), result.message
    return Counter({"budget.Loaded": 1, "budget_line.AnnualApproved": 50})


async def organization(case: Case) -> Counter[str]:
    result = await case.run(WorkflowName.ORGANIZATION_SYNC, SyncRequest(), SyncResult)
    assert result.accounts == ACCOUNTS
    await aligning(case, ACCOUNTS)
    return Counter({"organization.Seen": 1, "account.Vended": ACCOUNTS, "account.AlignmentOpened": ACCOUNTS})


async def escalation(case: Case) -> Counter[str]:
    """Nobody but the submitter owns the portfolio by now, so the level above is asked at once."""
    withdrawn = 0
    with Ledger(case.database_url, case.organization, pool_size=1, rights=CedarRights()) as ledger:
        for lead in (LEAD, OTHER_LEAD):
            command = WithdrawGrant(
                command_id=uuid4(),
                actor=SYSTEM,
                channel=Channel.SETUP,
                person=lead,
                persona=Persona.PORTFOLIO_OWNER,
                node=PRODUCT.portfolio,
            )
            withdrawn += isinstance(ledger.record(command), Accepted)
    await case.submit()
    handle = case.client.get_workflow_handle(schedule_process_id(YEAR, PRODUCT))
    async with asyncio.timeout(DONE_WITHIN.total_seconds()):
        while not (await handle.query("view"))["escalated"]:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.2)
    return Counter(
        {
            "schedule.Submitted": 1,
            "waiting.Escalated": 1,
            "person.GrantWithdrawn": withdrawn,
            "holders.Removed": withdrawn,
        }
    )


async def people(case: Case) -> Counter[str]:
    data = b"email,name,persona,node\n" + b"".join(
        f"new{n}@example.com,New {n},product_owner,{PRODUCT.portfolio}/Product {n}\n".encode() for n in range(20)
    )
    request = PeopleFile(
        command_id=COMMAND_ID,
        actor=ADMIN,
        content_hash=FileStore(str(case.directory / "files")).put(data),
        file_name="people.csv",
    )
    result = await case.run(WorkflowName.PEOPLE_IMPORT, request, PeopleImportResult)
    assert (result.status, result.grants) == ("imported", 20), result.message
    return Counter({"person.Registered": 20, "person.Granted": 20, "holders.Appointed": 20})


async def change(case: Case) -> Counter[str]:
    """A load that sends a waiting schedule back and tells its process."""
    await case.submit()
    header = "Business Unit,Department,Portfolio,Product,Annual"
    data = f"{header}\n{','.join(PRODUCT.parts)},600.00\n".encode()
    request = BudgetFile(
        command_id=uuid4(),
        actor=ADMIN,
        content_hash=FileStore(str(case.directory / "files")).put(data),
        file_name="Example_2026_false_2026-07-01_false_Budget_v2.csv",
    )
    result = await case.run(WorkflowName.BUDGET_LOAD, request, BudgetLoadResult)
    assert (result.status, result.schedules_returned) == ("loaded", 1), result.message
    ended = await case.client.get_workflow_handle(schedule_process_id(YEAR, PRODUCT)).result()
    assert ended["state"] == "DRAFT"
    return Counter(
        {"schedule.Submitted": 1, "budget.Loaded": 1, "budget_line.AnnualApproved": 1, "schedule.Returned": 1}
    )


ACCOUNTS = 4
Scenario = Callable[[Case], Awaitable[Counter[str]]]
CASES: dict[str, Scenario] = {
    "ledger.record:start": submission,
    "ledger.record:before-append": submission,
    "ledger.record:after-append": submission,
    "ledger.record:end": submission,
    "ledger.read_schedule:end": submission,
    "ledger.record_refusal:before-append": refusal,
    "ledger.record_refusal:after-append": refusal,
    "schedule.step_waiting:before-append": escalation,
    "schedule.step_waiting:after-append": escalation,
    "schedule.inform_rounds:end": change,
    "people.import:before-append": people,
    "people.import:after-append": people,
    "people.register:before-append": registration,
    "people.register:after-append": registration,
    "budget.load:before-append": budget,
    "budget.load:after-append": budget,
    "organizations.sync:before-append": organization,
    "organizations.sync:after-append": organization,
    "cost.find_deliveries:end": cost,
    "cost.import_delivery:before-append": cost,
    "cost.import_delivery:after-append": cost,
    "cost.record_first_bills:after-append": cost,
    "cost.record_restatements:before-append": restated,
    "cost.record_restatements:after-append": restated,
    "accounts.receive:before-append": vended,
    "accounts.receive:after-append": vended,
    "accounts.align:after-append": vended,
    "accounts.import:after-append": expected,
    "accounts.wake:end": rules,
}


_PLAIN = (":start", ":before-append", "ledger.record:end", "ledger.read_schedule:end")
PLAIN = [name for name in CASES if name.endswith(_PLAIN) and not name.startswith("accounts.")]
"""Nothing is recorded yet, so that a retry begins from nothing; or what a kill right after the append shows, too."""
TELLING = [name for name in CASES if name not in PLAIN]


@pytest.fixture
async def make_case(
    temporal: str, postgres: Postgres, template: str, tmp_path: Path
) -> AsyncIterator[Callable[[], Awaitable[Case]]]:
    made: list[str] = []

    async def make() -> Case:
        name = f"fire_{next(_numbers)}"
        await asyncio.to_thread(postgres.create_database, name, template)
        made.append(name)
        with company(postgres.url(name)) as ledger:
            ledger.people.ensure(ADMIN, "Admin")
            known: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.SETUP, "person": ADMIN}
            ledger.record(RegisterPerson(command_id=uuid4(), **known))
            ledger.record(GrantPersona(command_id=uuid4(), persona=Persona.FINANCIAL_ADMIN, **known))
        return Case(await own_namespace(temporal, name.replace("_", "-")), postgres.url(name), tmp_path / name)

    yield make
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        for name in made:
            connection.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name)))


async def under_fire(case: Case, crash_at: str, scenario: Scenario) -> str:
    """Runs the scenario on a worker that is killed once; says what is wrong, or nothing."""
    before = case.facts()
    flag = case.has_crashed
    environment = worker_environment(case.client, case.database_url, case.directory) | case.environment
    victim = start_worker(
        environment, case.directory, "tests.support.crashing_worker", CRASH_AT=crash_at, CRASH_FLAG=str(flag)
    )
    task = asyncio.ensure_future(scenario(case))
    try:
        status = await asyncio.to_thread(victim.wait, DIES_WITHIN_S)
    finally:
        victim.kill()
    second = start_worker(environment, case.directory)
    try:
        expected = await task
    except AssertionError as error:
        return f"{crash_at}: {error}"
    finally:
        await asyncio.to_thread(stop_worker, second)
    await replay_all_ended(case.client)  # raises where a second worker would not do again what both have done
    if status != -signal.SIGKILL or not flag.exists():
        return f"{crash_at}: the worker did not crash there (status {status})"
    recorded = case.facts() - before
    return "" if recorded == expected else f"{crash_at}: recorded {dict(recorded)}, not {dict(expected)}"


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "crash_points", [pytest.param(TELLING, id="telling"), pytest.param(PLAIN, id="plain", marks=SLOW)]
)
async def test_a_worker_killed_in_the_middle_of_each_activity_loses_and_doubles_nothing(
    make_case: Callable[[], Awaitable[Case]], aws_endpoint: str, aws_stand_in: AwsServer, crash_points: list[str]
) -> None:
    organizations = boto3.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    for n in range(ACCOUNTS - 1):  # the management account is one of them
        organizations.create_account(AccountName=f"account-{n}", Email=f"account-{n}@example.com")
    cases = [(await make_case(), crash_at, CASES[crash_at]) for crash_at in crash_points]
    places = asyncio.Semaphore(6)  # more start-ups at once only take turns on a small machine

    async def run(case: Case, crash_at: str, scenario: Scenario) -> str:
        if scenario is vended:
            lay_queue(case, crash_at)
        async with places:
            return await under_fire(case, crash_at, scenario)

    problems = await asyncio.gather(*(run(*one) for one in cases))
    assert [problem for problem in problems if problem] == []
