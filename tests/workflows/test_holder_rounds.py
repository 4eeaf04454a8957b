"""Where the last person who may decide leaves, the level above is asked at once and not at the next reminder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event as Stopped
from threading import Thread
from uuid import uuid4

import pytest
from temporalio.client import Client

from activities import holder_rounds
from domain.decision import Accepted, Channel, Command, Persona
from domain.hierarchy import NodePath
from domain.people_commands import DeactivatePerson, GrantPersona, WithdrawGrant
from domain.process import DirectCommand, direct_decision_process_id
from domain.waiting import Escalated, Overdue
from tests.workflows.stage import (
    LEAD,
    ORGANIZATION,
    OTHER_LEAD,
    OWNER,
    PRODUCT,
    STRANGER,
    Stage,
    budget_of,
    make_admin,
    on_stage,
    own,
)
from views.projector import Projector
from workflows.direct_decision import DirectDecision


@contextmanager
def shown(stage: Stage, database_url: str) -> Iterator[None]:
    """The views follow the log."""
    stopped = Stopped()
    projector = Thread(target=Projector(stage.ledger, database_url, ORGANIZATION).run, args=(stopped,))
    projector.start()
    try:
        yield
    finally:
        stopped.set()
        projector.join()


def with_product(stage: Stage) -> Stage:
    """A product whose process has its real id, by which alone it is told; the server is shared by all tests."""
    here = replace(stage, product=NodePath((*PRODUCT.parts[:3], f"50% on/off {uuid4().hex[:8]}")), apart="")
    assert isinstance(stage.ledger.record(budget_of(products=(here.product,), month=2)), Accepted)
    own(stage, here.product)
    return here


async def decide(stage: Stage, command: Command) -> str:
    """What the Temporal UI shows afterwards."""
    process_id = direct_decision_process_id(command.command_id)
    handle = await stage.client.start_workflow(
        DirectDecision.run,
        DirectCommand.model_validate({"command": command}),
        id=process_id,
        task_queue=stage.queue,
    )
    outcome = await handle.result()
    assert isinstance(outcome, Accepted), outcome
    metadata = await handle.query("__temporal_workflow_metadata")
    return str(metadata["currentDetails"] if isinstance(metadata, dict) else metadata.current_details)


def withdrawal(person: str, persona: Persona = Persona.PORTFOLIO_OWNER) -> WithdrawGrant:
    node = PRODUCT.portfolio if persona is Persona.PORTFOLIO_OWNER else NodePath.ROOT
    return WithdrawGrant(
        command_id=uuid4(), actor=STRANGER, channel=Channel.CLI, person=person, persona=persona, node=node
    )


def deactivation(person: str) -> DeactivatePerson:
    return DeactivatePerson(command_id=uuid4(), actor=STRANGER, channel=Channel.CLI, person=person)


@pytest.mark.parametrize("leaves", [withdrawal, deactivation])
async def test_the_rounds_of_a_portfolio_without_an_owner_escalate_at_once(
    temporal_client: Client, database_url: str, leaves: Callable[[str], Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder_rounds, "EVENTS_AT_ONCE", 2)  # so that they are found in several batches
    async with on_stage(temporal_client, database_url) as stage:
        with shown(stage, database_url):
            make_admin(stage, STRANGER)
            here, other = with_product(stage), with_product(stage)
            await here.submit()
            await decide(stage, leaves(LEAD))
            await here.settled()
            assert here.waits() == []  # there is another owner yet
            await decide(stage, leaves(OTHER_LEAD))
            await here.until(lambda view: view.escalated)
            (escalated,) = here.waits()
            assert isinstance(escalated, Escalated)
            assert escalated.reason == Overdue.NOBODY_LEFT
            assert other.waits() == []  # nothing waits there
            assert (await here.approve(actor=STRANGER)).events == 1


async def test_an_owner_who_submitted_it_does_not_count(temporal_client: Client, database_url: str) -> None:
    async with on_stage(temporal_client, database_url) as stage:
        with shown(stage, database_url):
            make_admin(stage, STRANGER)
            here = with_product(stage)
            as_owner = GrantPersona(
                command_id=uuid4(), actor=STRANGER, person=LEAD, persona=Persona.PRODUCT_OWNER, node=here.product
            )
            await decide(stage, as_owner)
            await here.submit(actor=LEAD)
            await here.settled()
            assert here.waits() == []
            details = await decide(stage, withdrawal(OTHER_LEAD))
            await here.until(lambda view: view.escalated)

            assert "nobody is left to decide on\\: 1;" in details
            await here.withdraw()


async def test_other_grants_tell_nobody_and_views_that_stand_still_hold_up_no_decision(
    temporal_client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holder_rounds, "VIEWS_WITHIN_S", 0.1)
    async with on_stage(temporal_client, database_url) as stage:
        make_admin(stage, STRANGER)
        make_admin(stage, OWNER)
        assert "nobody is left" not in await decide(stage, withdrawal(OWNER, Persona.FINANCIAL_ADMIN))
        assert "were told" in await decide(stage, withdrawal(LEAD))
