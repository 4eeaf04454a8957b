"""DirectDecision and PersonRegistration: commands that wait for nobody, but survive any crash."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        HEARTBEAT_TIMEOUT,
        RECORD_TIMEOUT,
        RETRIES,
        ActivityName,
        InformHoldersRequest,
        InformResult,
        WakeRequest,
    )
    from domain.account_allocating import AccountCommand
    from domain.account_rules import ReplaceAccountRules
    from domain.decision import Accepted, Command, Outcome, Persona, Refused
    from domain.errors import BadInput
    from domain.estimate_commands import EstimateCommand
    from domain.expected_account import ExpectAccounts
    from domain.people_commands import DeactivatePerson, WithdrawGrant
    from domain.process import DirectCommand, RegisterPersonRequest, WorkflowName
    from domain.process_texts import plain_text
    from domain.schedule_commands import ScheduleCommand
    from workflows.recording import UNREADABLE, answer_of, failure_of, given, record

_OUTCOME: Any = Outcome
_SUBJECTS = {"schedule": "product", "workload": "workload"}

INFORMED_WITHIN = timedelta(seconds=8)
"""All attempts at telling the open rounds together: less than the command line waits for its answer."""
DECIDED_WITHIN = timedelta(days=1)
"""All attempts together. Whoever sent the command has long gone; better to fail visibly than to surprise them."""


@workflow.defn(name=WorkflowName.DIRECT_DECISION, failure_exception_types=UNREADABLE)
class DirectDecision:
    """Records one command: people, grants and delegations, an account's allocation, rules for accounts and expected
    ones, workloads and claims, closing a month or opening it again. What belongs to a schedule or an estimate goes
    through its process."""

    @workflow.run
    async def run(self, started_with: DirectCommand | None = None) -> Outcome:
        request = given(started_with)
        if isinstance(request.command, ScheduleCommand | EstimateCommand):
            door = "schedule" if isinstance(request.command, ScheduleCommand) else "workload"
            raise ApplicationError(
                f"{request.command.kind} is decided in the process of its {_SUBJECTS[door]}: use `allot {door}`.",
                type=BadInput.__name__,
                non_retryable=True,
            )
        outcome = await record(request.command, within=DECIDED_WITHIN)
        _show(outcome)
        # The mark is for processes that had recorded such a command before there was this step.
        if _leaves_portfolios(request.command, outcome) and workflow.patched("inform-holders"):
            await self._inform(request.command, outcome)
        if (news := _news_for_alignments(request.command, outcome)) and workflow.patched("wake-alignments"):
            await self._wake(news, outcome)
        return outcome

    async def _wake(self, news: WakeRequest, outcome: Accepted | Refused) -> None:
        """The command is recorded whatever becomes of this: what is not told finds out at its next reminder, and what
        is not started by the next full read."""
        try:
            told: InformResult = await answer_of(
                ActivityName.WAKE_ALIGNMENTS,
                news,
                InformResult,
                start_to_close_timeout=INFORMED_WITHIN,
                schedule_to_close_timeout=INFORMED_WITHIN,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="Tell the processes of alignments",
            )
        except ActivityError as error:
            _show(outcome, f"Not all processes of alignments were told: {failure_of(error).message}")
            return
        _show(outcome, f"Open alignments told: {told.informed:,}." if news.all_open else "Its alignment was told.")

    async def _inform(self, command: Command, outcome: Accepted | Refused) -> None:
        """The command is recorded whatever becomes of this: a round that is not told looks at its next reminder."""
        assert isinstance(outcome, Accepted)
        news = InformHoldersRequest(command_id=command.command_id, position=outcome.position, events=outcome.events)
        try:
            told: InformResult = await answer_of(
                ActivityName.INFORM_HOLDERS,
                news,
                InformResult,
                start_to_close_timeout=INFORMED_WITHIN,
                schedule_to_close_timeout=INFORMED_WITHIN,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=RETRIES,
                summary="Tell the rounds that nobody is left to decide on",
            )
        except ActivityError as error:
            _show(outcome, f"Not all rounds that nobody is left to decide on were told: {failure_of(error).message}")
            return
        _show(outcome, f"Rounds that nobody is left to decide on: {told.informed:,}; the level above is asked.")


@workflow.defn(name=WorkflowName.PERSON_REGISTRATION, failure_exception_types=UNREADABLE)
class PersonRegistration:
    """Puts somebody into the directory of people and makes them known to the ledger."""

    @workflow.run
    async def run(self, started_with: RegisterPersonRequest | None = None) -> Outcome:
        request = given(started_with)
        try:
            outcome: Accepted | Refused = await answer_of(
                ActivityName.REGISTER_PERSON,
                request,
                _OUTCOME,
                start_to_close_timeout=RECORD_TIMEOUT,
                schedule_to_close_timeout=DECIDED_WITHIN,
                retry_policy=RETRIES,
                summary="Add the person",
            )
        except ActivityError as error:
            raise failure_of(error) from error
        _show(outcome)
        return outcome


def _news_for_alignments(command: Command, outcome: Accepted | Refused) -> WakeRequest | None:
    """Whom it concerns: the process of that account, or those of all that wait for a rule or an expectation."""
    if isinstance(outcome, Refused) or not outcome.events:
        return None
    if isinstance(command, AccountCommand):
        return WakeRequest(account_ids=(command.account_id,))
    if isinstance(command, ReplaceAccountRules | ExpectAccounts):
        return WakeRequest(all_open=True, position=outcome.position)
    return None


def _leaves_portfolios(command: Command, outcome: Accepted | Refused) -> bool:
    """Whether it may have taken the owner from a portfolio."""
    if isinstance(outcome, Refused) or not outcome.events:
        return False
    if isinstance(command, WithdrawGrant):
        return command.persona is Persona.PORTFOLIO_OWNER
    return isinstance(command, DeactivatePerson)


def _show(outcome: Accepted | Refused, more: str = "") -> None:
    text = f"**{outcome.kind.capitalize()}**: {plain_text(outcome.message)}"
    workflow.set_current_details(f"{text}\n\n{plain_text(more)}" if more else text)
