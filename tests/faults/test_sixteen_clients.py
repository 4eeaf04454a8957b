"""Sixteen clients decide on the same fifty schedules at once: one decision a version, and everybody is told the truth.

The truth is the ledger's. Every answer that a client got is compared with it afterwards: who was told that they decided
did, who was told of somebody's earlier decision was told the right one, and who was refused decided nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from domain.budget import BudgetRow
from domain.budget_load import LoadBudget
from domain.decision import SYSTEM, Accepted, Channel, Organization, Persona, RecordedEvent
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona, RegisterPerson
from domain.process import TASK_QUEUE, ScheduleRound, UpdateName, WorkflowName, schedule_process_id
from domain.schedule import (
    Approved,
    Rejected,
    RescheduleDenied,
    RescheduleGranted,
    Schedule,
    State,
    schedule_stream,
)
from domain.schedule_commands import RequestReschedule, ScheduleCommand, SubmitSchedule
from domain.schedule_decisions import (
    ApproveSchedule,
    DenyReschedule,
    GrantReschedule,
    RejectSchedule,
    ScheduleDecision,
)
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.support.workers import own_namespace, start_worker, stop_worker, worker_environment
from tests.workflows.replay import replay_all_ended

CLIENTS, SCHEDULES, OWNERS = 16, 50, 3
YEAR = 2026
PORTFOLIO = NodePath(("Retail", "Digital", "Web"))
PRODUCTS = [NodePath((*PORTFOLIO.parts, f"Product {number:02}")) for number in range(SCHEDULES)]
MONTHS = Organization().calendar.months(YEAR)
ANSWER_WITHIN = timedelta(seconds=60)
STALE = {"StaleVersion", "NotDecidable", "OtherRound"}
"""Codes of refusals that only mean that somebody else was faster."""
SENT_AGAIN_MAX = 5
_numbers = itertools.count(1)

type DecisionFact = Approved | Rejected | RescheduleGranted | RescheduleDenied


class Answer(NamedTuple):
    """What a client was told."""

    command: ScheduleCommand
    accepted: Accepted | None
    code: str = ""


@dataclass
class Company:
    """An installation with a worker process, and what its clients have been told."""

    clients: list[Client]
    ledger: Ledger
    answers: list[Answer] = field(default_factory=list)
    until: float = 0.0
    enough: int = 0
    """Decisions after which it may end before its time."""

    def is_over(self) -> bool:
        decided = sum(bool(a.accepted and a.accepted.events) for a in self.answers if _is_decision(a.command))
        return time.monotonic() > self.until or decided >= self.enough

    def schedule(self, product: NodePath) -> Schedule:
        stream = schedule_stream(YEAR, product)
        found: Schedule = self.ledger.states([stream])[stream]
        return found

    async def send(self, client: Client, update: UpdateName, command: ScheduleCommand, round_: int) -> Answer:
        """As the command line does it; sent again where the process ended while the update was under way."""
        for _ in range(SENT_AGAIN_MAX):
            start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
                WorkflowName.BUDGET_SCHEDULE,
                ScheduleRound(fiscal_year=YEAR, product=command.product, round=round_),
                id=schedule_process_id(YEAR, command.product, round_),
                task_queue=TASK_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            )
            try:
                accepted = await client.execute_update_with_start_workflow(
                    update,
                    command,
                    start_workflow_operation=start,
                    id=str(command.command_id),
                    result_type=Accepted,
                    rpc_timeout=ANSWER_WITHIN,
                )
                return Answer(command, accepted)
            except WorkflowUpdateFailedError as failure:
                cause = failure.cause
                assert isinstance(cause, ApplicationError), cause
                if cause.type == "AcceptedUpdateCompletedWorkflow":
                    continue
                refused = cause.details[0] if cause.details else {}
                return Answer(command, None, refused.get("code", "") if isinstance(refused, dict) else str(cause))
            except RPCError as failure:
                if "completed" not in failure.message:
                    raise
        raise AssertionError(f"{command.command_id} was not answered")


@pytest.fixture
async def company(temporal: str, database_url: str, tmp_path: Path) -> AsyncIterator[Company]:
    first = await own_namespace(temporal, f"sixteen-{next(_numbers)}-{uuid4().hex[:6]}")
    others = [
        await Client.connect(temporal, namespace=first.namespace, data_converter=pydantic_data_converter)
        for _ in range(CLIENTS)
    ]
    worker = start_worker(worker_environment(first, database_url, tmp_path), tmp_path)
    try:
        with Ledger(database_url, Organization(), pool_size=4, rights=CedarRights()) as ledger:
            _set_up(ledger)
            yield Company(others, ledger)
        assert await replay_all_ended(first, at_least=1) > 0
    finally:
        stop_worker(worker)


def _set_up(ledger: Ledger) -> None:
    for number in range(CLIENTS):
        _grant(ledger, _lead(number), Persona.PORTFOLIO_OWNER, PORTFOLIO)
    for number in range(OWNERS):
        for product in PRODUCTS:
            _grant(ledger, _owner(number), Persona.PRODUCT_OWNER, product)
    ledger.record(
        LoadBudget(
            command_id=uuid4(),
            actor=SYSTEM,
            channel=Channel.SETUP,
            fiscal_year=YEAR,
            content_hash="0" * 64,
            customer="Example",
            option="Budget",
            file_version="v1",
            is_new=True,
            is_override=False,
            effective_on=date(YEAR, 1, 1),
            labels=("Business Unit", "Department", "Portfolio", "Product"),
            rows=tuple(BudgetRow(product=product, annual=Decimal("1200.00")) for product in PRODUCTS),
        )
    )


def _grant(ledger: Ledger, email: str, persona: Persona, node: NodePath) -> None:
    ledger.people.ensure(email, "")
    shared: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.SETUP, "person": email}
    ledger.record(RegisterPerson(command_id=uuid4(), **shared))
    assert isinstance(ledger.record(GrantPersona(command_id=uuid4(), persona=persona, node=node, **shared)), Accepted)


def _lead(number: int) -> str:
    return f"lead{number}@example.com"


def _owner(number: int) -> str:
    return f"owner{number}@example.com"


def _is_decision(command: ScheduleCommand) -> bool:
    return isinstance(command, ScheduleDecision)


async def _owns(company: Company, number: int) -> None:
    """Keeps the schedules of its share waiting for a decision."""
    client = company.clients[number]
    while not company.is_over():
        for index in range(number, SCHEDULES, OWNERS):
            if company.is_over():
                return
            product = PRODUCTS[index]
            schedule = company.schedule(product)
            shared: dict[str, Any] = {
                "command_id": uuid4(),
                "actor": _owner(number),
                "channel": Channel.CLI,
                "fiscal_year": YEAR,
                "product": product,
                "amounts": {month: Decimal(schedule.version % 100) for month in MONTHS},
            }
            if schedule.state in (State.DRAFT, State.REJECTED, State.RESCHEDULING):
                company.answers.append(
                    await company.send(client, UpdateName.SUBMIT, SubmitSchedule(**shared), schedule.round)
                )
            elif schedule.state is State.APPROVED:
                request = RequestReschedule(**shared, reason="It changed")
                company.answers.append(await company.send(client, UpdateName.REQUEST, request, schedule.round + 1))
        await asyncio.sleep(0.05)


async def _decides(company: Company, number: int) -> None:
    """Decides on whatever waits, in the same order as all the others, so that they meet; often sends it twice."""
    client = company.clients[number]
    for index in itertools.cycle(range(SCHEDULES)):
        if company.is_over():
            return
        product = PRODUCTS[index]
        schedule = company.schedule(product)
        if schedule.state not in (State.PENDING, State.RESCHEDULE_REQUESTED):
            await asyncio.sleep(0.01)
            continue
        update, command = _decision(schedule, product, number)
        answer = await company.send(client, update, command, schedule.round)
        company.answers.append(answer)
        if number % 4 == 0:  # a second delivery is answered like the first one
            again = await company.send(client, update, command, schedule.round)
            assert again == answer


def _decision(schedule: Schedule, product: NodePath, number: int) -> tuple[UpdateName, ScheduleCommand]:
    shared: dict[str, Any] = {
        "command_id": uuid4(),
        "actor": _lead(number),
        "channel": Channel.CLI,
        "fiscal_year": YEAR,
        "product": product,
        "version": schedule.version,
    }
    favourable = (number + schedule.version) % 2 == 0
    if schedule.state is State.PENDING:
        if favourable:
            return UpdateName.APPROVE, ApproveSchedule(**shared)
        return UpdateName.REJECT, RejectSchedule(**shared, reason="Not like this")
    if favourable:
        return UpdateName.GRANT, GrantReschedule(**shared)
    return UpdateName.DENY, DenyReschedule(**shared, reason="Not now")


def _decisions(events: list[RecordedEvent]) -> dict[tuple[NodePath, int], set[UUID]]:
    """Command ids of the decisions on each version of each product."""
    found: dict[tuple[NodePath, int], set[UUID]] = defaultdict(set)
    for event in events:
        if isinstance(fact := event.fact, Approved | Rejected | RescheduleGranted | RescheduleDenied):
            found[fact.product, fact.decided_version].add(event.command_id)
    return found


_WORDS = {Approved: "approved", Rejected: "rejected", RescheduleGranted: "granted", RescheduleDenied: "denied"}


def _check(company: Company) -> int:
    """How many decisions there were, all of them told truly."""
    events: list[RecordedEvent] = []
    while batch := company.ledger.follow(events[-1].position if events else 0, 5_000):
        events += batch
    decisions = _decisions(events)
    assert all(len(commands) == 1 for commands in decisions.values())
    winners = {next(iter(commands)): key for key, commands in decisions.items()}
    first_word: dict[tuple[NodePath, int], str] = {}
    for event in events:
        if isinstance(fact := event.fact, Approved | Rejected | RescheduleGranted | RescheduleDenied):
            first_word.setdefault((fact.product, fact.decided_version), _WORDS[type(fact)])
    told: set[UUID] = set()
    for command, accepted, code in company.answers:
        if not isinstance(command, ScheduleDecision):
            continue
        version, key = command.version, (command.product, command.version)
        if accepted is None:
            assert code in STALE, (code, command)
            assert command.command_id not in winners
        elif accepted.events:
            assert winners[command.command_id] == key
            told.add(command.command_id)
        else:
            assert accepted.message.startswith(f"Version {version} was {first_word[key]} already")
            assert command.command_id not in winners
    assert told == set(winners)  # nobody's decision was kept from them
    return len(decisions)


async def _run(company: Company, seconds: float, enough: int) -> int:
    company.until, company.enough = time.monotonic() + seconds, enough
    await asyncio.gather(
        *(_owns(company, number) for number in range(OWNERS)),
        *(_decides(company, number) for number in range(CLIENTS)),
    )
    return _check(company)


async def test_sixteen_clients_on_the_same_schedules_make_one_decision_a_version(company: Company) -> None:
    assert await _run(company, seconds=120, enough=30) >= 30


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_sixteen_clients_on_the_same_schedules_for_a_minute(company: Company) -> None:
    assert await _run(company, seconds=60, enough=1_000_000) >= SCHEDULES
    late = [answer for answer in company.answers if answer.accepted and not answer.accepted.events]
    assert late  # somebody did come too late, or nothing was proved


async def test_the_check_finds_a_lie(company: Company) -> None:
    """The control: a decision that a client was not told of, and one that it was told of and did not take."""
    await _run(company, seconds=120, enough=5)
    true = list(company.answers)
    winner = next(a for a in true if a.accepted and a.accepted.events and _is_decision(a.command))
    company.answers.remove(winner)
    with pytest.raises(AssertionError):
        _check(company)
    company.answers[:] = [*true, winner._replace(command=winner.command.model_copy(update={"command_id": uuid4()}))]
    with pytest.raises((AssertionError, KeyError)):
        _check(company)
