"""Commands that wait for nobody, and the registration of people, on the real ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from domain.account_rules import AccountRule, ReplaceAccountRules
from domain.allocation import AccountType
from domain.closing import CloseMonth, ReopenMonth
from domain.decision import Accepted, Channel, Command, Persona, Refused
from domain.people_commands import GrantPersona
from domain.process import (
    DirectCommand,
    RegisterPersonRequest,
    UpdateName,
    WorkflowName,
    direct_decision_process_id,
    person_registration_process_id,
)
from domain.registry import RULES
from domain.schedule_commands import ScheduleCommand
from tests.workflows.stage import MONTHS, OWNER, PRODUCT, STRANGER, Stage, current_details, make_admin
from workflows.direct_decision import DirectDecision, PersonRegistration
from workflows.inbox import COMMANDS


async def decide(stage: Stage, command: Command) -> Any:
    return await stage.client.execute_workflow(
        DirectDecision.run,
        DirectCommand.model_validate({"command": command}),
        id=direct_decision_process_id(command.command_id),
        task_queue=stage.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )


def grant(actor: str = OWNER) -> GrantPersona:
    return GrantPersona(
        command_id=uuid4(),
        actor=actor,
        channel=Channel.CLI,
        person=STRANGER,
        persona=Persona.PRODUCT_OWNER,
        node=PRODUCT,
    )


async def test_a_command_is_decided_and_a_repetition_gets_the_same_outcome(stage: Stage) -> None:
    make_admin(stage, OWNER)
    command = grant()
    first, again = await decide(stage, command), await decide(stage, command)

    assert isinstance(first, Accepted)
    assert first == again


async def test_a_refusal_is_an_outcome_and_no_failure(stage: Stage) -> None:
    outcome = await decide(stage, grant())

    assert isinstance(outcome, Refused)
    assert outcome.error == "Forbidden"


async def test_an_id_that_belongs_to_another_command_fails_the_process_by_name(stage: Stage) -> None:
    command = grant()
    await decide(stage, command)
    with pytest.raises(WorkflowFailureError) as failed:
        await decide(stage, command.model_copy(update={"node": PRODUCT.parent}))

    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "CommandConflict"


async def test_a_month_is_closed_and_opened_again(stage: Stage) -> None:
    make_admin(stage, OWNER)
    known: dict[str, Any] = {"actor": OWNER, "channel": Channel.CLI, "month": MONTHS[0]}
    closed = await decide(stage, CloseMonth(command_id=uuid4(), **known))
    opened = await decide(stage, ReopenMonth(command_id=uuid4(), reason="A late invoice", **known))

    assert isinstance(closed, Accepted)
    assert isinstance(opened, Accepted)
    assert (closed.events, opened.events) == (1, 1)


async def test_a_command_about_accounts_stands_though_nobody_could_be_told(stage: Stage) -> None:
    """This worker has not learned how to tell them."""
    make_admin(stage, OWNER)
    rule = AccountRule(name="requested", product_tag="product", account_type=AccountType.SHARED)
    command = ReplaceAccountRules(command_id=uuid4(), actor=OWNER, rules=(rule,))
    outcome = await decide(stage, command)
    details = await current_details(stage.client.get_workflow_handle(direct_decision_process_id(command.command_id)))

    assert isinstance(outcome, Accepted)
    assert details.startswith("**Accepted**: 1 rule is in force.\n\nNot all processes of alignments were told\\: ")


def of_a_schedule() -> list[type[Command]]:
    return [kind for kind in RULES if issubclass(kind, ScheduleCommand) and kind in COMMANDS.values()]


def test_every_command_of_a_schedule_has_a_name() -> None:
    assert len(of_a_schedule()) == len(UpdateName)


@pytest.mark.parametrize("kind", of_a_schedule())
async def test_what_belongs_to_a_schedule_is_not_decided_past_its_process(stage: Stage, kind: type[Command]) -> None:
    fields: dict[str, Any] = {"version": 1, "reason": "why", "amounts": {}, **stage.address(OWNER)}
    with pytest.raises(WorkflowFailureError) as failed:
        await decide(stage, kind.model_validate(fields))

    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "BadInput"
    assert stage.facts() == []


async def test_a_person_is_registered(stage: Stage) -> None:
    make_admin(stage, OWNER)
    request = RegisterPersonRequest(command_id=uuid4(), actor=OWNER, email="ann@example.com", name="Ann")
    outcome = await stage.client.execute_workflow(
        PersonRegistration.run,
        request,
        id=person_registration_process_id(request.command_id),
        task_queue=stage.queue,
    )

    assert isinstance(outcome, Accepted)
    assert stage.ledger.people.find("ann@example.com")


async def test_what_is_no_address_fails_the_registration_by_name(stage: Stage) -> None:
    make_admin(stage, OWNER)
    request = RegisterPersonRequest(command_id=uuid4(), actor=OWNER, email="ann", name="Ann")
    with pytest.raises(WorkflowFailureError) as failed:
        await stage.client.execute_workflow(
            PersonRegistration.run,
            request,
            id=person_registration_process_id(request.command_id),
            task_queue=stage.queue,
        )

    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "BadInput"


MISFITS: list[tuple[WorkflowName, object]] = [
    (WorkflowName.DIRECT_DECISION, {"command": {"kind": "nonsense"}}),
    (WorkflowName.DIRECT_DECISION, {"command": {**grant().model_dump(mode="json"), "actor": ""}}),
    (WorkflowName.PERSON_REGISTRATION, {"actor": OWNER, "email": "ann@example.com", "name": "A\0nn"}),
    (WorkflowName.BUDGET_LOAD, 7),
    (WorkflowName.COST_WATCH, {"source": ""}),
    (WorkflowName.COST_IMPORT, []),
    (WorkflowName.BUDGET_SCHEDULE, {"fiscal_year": 1, "product": "A"}),
    (WorkflowName.ACCOUNT_ALIGNMENT, {"account_id": "1", "occasion": 0}),
    (WorkflowName.ACCOUNT_EVENTS, 7),
    (WorkflowName.ACCOUNT_IMPORT, {"kind": "nonsense"}),
]


@pytest.mark.parametrize(("name", "message"), MISFITS)
async def test_a_process_started_with_a_message_that_does_not_fit_ends_and_says_so(
    stage: Stage, name: WorkflowName, message: object
) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await stage.client.execute_workflow(
            name, message, id=f"misfit-{uuid4()}", task_queue=stage.queue, execution_timeout=timedelta(seconds=20)
        )

    assert isinstance(failed.value.cause, ApplicationError)
    assert "validation error" in failed.value.cause.message


NEED_NO_INPUT = frozenset({WorkflowName.ORGANIZATION_SYNC, WorkflowName.ACCOUNT_EVENTS, WorkflowName.COST_EVENTS})


@pytest.mark.parametrize("name", [name for name in WorkflowName if name not in NEED_NO_INPUT])
async def test_a_process_started_without_input_ends_and_says_so(stage: Stage, name: WorkflowName) -> None:
    with pytest.raises(WorkflowFailureError) as failed:
        await stage.client.execute_workflow(
            name, id=f"misfit-{uuid4()}", task_queue=stage.queue, execution_timeout=timedelta(seconds=20)
        )

    assert isinstance(failed.value.cause, ApplicationError)
    assert "started without input" in failed.value.cause.message
