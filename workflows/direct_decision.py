"""DirectDecision and PersonRegistration: commands that wait for nobody, but survive any crash."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import RECORD_TIMEOUT, RETRIES, ActivityName
    from domain.decision import Accepted, Outcome, Refused
    from domain.errors import BadInput
    from domain.process import DirectCommand, RegisterPersonRequest, WorkflowName
    from domain.process_texts import plain_text
    from domain.schedule_commands import ScheduleCommand
    from workflows.recording import UNREADABLE, failure_of, given, record

_OUTCOME: Any = Outcome

DECIDED_WITHIN = timedelta(days=1)
"""All attempts together. Whoever sent the command has long gone; better to fail visibly than to surprise them."""


@workflow.defn(name=WorkflowName.DIRECT_DECISION, failure_exception_types=UNREADABLE)
class DirectDecision:
    """Records one command: people, grants and delegations, an account's allocation, closing a month or opening it
    again. What belongs to a schedule goes through its process."""

    @workflow.run
    async def run(self, started_with: DirectCommand | None = None) -> Outcome:
        request = given(started_with)
        if isinstance(request.command, ScheduleCommand):
            raise ApplicationError(
                f"{request.command.kind} is decided in the process of its product: use `allot schedule`.",
                type=BadInput.__name__,
                non_retryable=True,
            )
        outcome = await record(request.command, within=DECIDED_WITHIN)
        _show(outcome)
        return outcome


@workflow.defn(name=WorkflowName.PERSON_REGISTRATION, failure_exception_types=UNREADABLE)
class PersonRegistration:
    """Puts somebody into the directory of people and makes them known to the ledger."""

    @workflow.run
    async def run(self, started_with: RegisterPersonRequest | None = None) -> Outcome:
        request = given(started_with)
        try:
            outcome: Accepted | Refused = await workflow.execute_activity(
                ActivityName.REGISTER_PERSON,
                request,
                result_type=_OUTCOME,
                start_to_close_timeout=RECORD_TIMEOUT,
                schedule_to_close_timeout=DECIDED_WITHIN,
                retry_policy=RETRIES,
                summary="Add the person",
            )
        except ActivityError as error:
            raise failure_of(error) from error
        _show(outcome)
        return outcome


def _show(outcome: Accepted | Refused) -> None:
    workflow.set_current_details(f"**{outcome.kind.capitalize()}**: {plain_text(outcome.message)}")
