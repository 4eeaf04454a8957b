"""WorkloadEstimate: one round of submission and approval of what a workload is to cost.

The process knows whom it waits for and until when; what was decided stands in the ledger. A round lives while somebody
has to act in it (`domain.workload.LIVING`). A decision that is sent to a round that has ended starts a run of the same
id, which asks the ledger, answers and ends again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from activities.contracts import RECORD_TIMEOUT, RETRIES, ActivityName, EstimateStep
    from domain.decision import Accepted
    from domain.estimate_commands import EstimateCommand, ReviseEstimate, SubmitEstimate, WithdrawEstimate
    from domain.estimate_decisions import ApproveEstimate, RejectEstimate
    from domain.estimate_process import EstimateRound, EstimateUpdateName, EstimateView
    from domain.estimate_texts import estimate_details
    from domain.hierarchy import NodePath
    from domain.process import WorkflowName
    from domain.schedule_texts import waiting_summary
    from domain.workload import LIVING, workload_stream
    from workflows import recording, search_attributes
    from workflows.answering import Published, Refusals
    from workflows.round_loop import RoundLoop
    from workflows.schedule_run import Due, next_due
    from workflows.signals import Door, Message

COMMANDS: dict[str, type[EstimateCommand]] = {
    EstimateUpdateName.SUBMIT: SubmitEstimate,
    EstimateUpdateName.APPROVE: ApproveEstimate,
    EstimateUpdateName.REJECT: RejectEstimate,
    EstimateUpdateName.WITHDRAW: WithdrawEstimate,
    EstimateUpdateName.REVISE: ReviseEstimate,
}


class EstimateRun(EstimateRound):
    """What a run starts with: a round and, after continue-as-new, what the run before it leaves behind."""

    refusals: int = 0
    last_refusals: tuple[str, ...] = ()
    inbox: tuple[Message, ...] = ()


NOTHING = EstimateRun(product=NodePath.ROOT, workload="-")
"""Stands in for the input that a process started by hand may lack, until run() ends it."""


@workflow.defn(name=WorkflowName.WORKLOAD_ESTIMATE, failure_exception_types=recording.UNREADABLE)
class WorkloadEstimate:
    """Waits for an estimate's submission, for the decision on it, and for the time that either has."""

    @workflow.init  # messages arrive before run() does anything
    def __init__(self, started_with: EstimateRun | None = None) -> None:
        start = started_with or NOTHING
        self._round = EstimateRound(product=start.product, workload=start.workload, round=start.round)
        self._view = EstimateView(product=start.product, workload=start.workload, round=start.round)
        self._published = Published()
        self._loop = RoundLoop(self, Refusals(start.refusals, start.last_refusals), start.inbox)

    @workflow.run
    async def run(self, started_with: EstimateRun | None = None) -> EstimateView:
        recording.given(started_with)
        if await self._loop.live():
            workflow.continue_as_new(EstimateRun(**dict(self._round), **self._loop.carried()))
        return self.view()

    @workflow.update(name=EstimateUpdateName.SUBMIT, description="The product owner asks for approval of the amounts.")
    async def submit(self, command: SubmitEstimate) -> Accepted:
        return await self._loop.decide(command)

    @workflow.update(name=EstimateUpdateName.APPROVE, description="The portfolio owner approves the version they saw.")
    async def approve(self, command: ApproveEstimate) -> Accepted:
        return await self._loop.decide(command)

    @workflow.update(name=EstimateUpdateName.REJECT, description="The portfolio owner rejects it, with a reason.")
    async def reject(self, command: RejectEstimate) -> Accepted:
        return await self._loop.decide(command)

    @workflow.update(name=EstimateUpdateName.WITHDRAW, description="The product owner takes back what waits.")
    async def withdraw(self, command: WithdrawEstimate) -> Accepted:
        return await self._loop.decide(command)

    @workflow.update(
        name=EstimateUpdateName.REVISE, description="The product owner takes up a rejected estimate again."
    )
    async def revise(self, command: ReviseEstimate) -> Accepted:
        return await self._loop.decide(command)

    @submit.validator
    def _may_submit(self, command: SubmitEstimate) -> None:
        self._loop.check_address(command)

    @approve.validator
    def _may_approve(self, command: ApproveEstimate) -> None:
        self._loop.check_address(command)

    @reject.validator
    def _may_reject(self, command: RejectEstimate) -> None:
        self._loop.check_address(command)

    @withdraw.validator
    def _may_withdraw(self, command: WithdrawEstimate) -> None:
        self._loop.check_address(command)

    @revise.validator
    def _may_revise(self, command: ReviseEstimate) -> None:
        self._loop.check_address(command)

    @workflow.query(description="State, version, amounts, whose turn it is, and until when.")
    def view(self) -> EstimateView:
        return self._view.model_copy(update=self._loop.refusals.shown())

    # One handler for all names, as in BudgetSchedule and for the same reasons.
    @workflow.signal(
        dynamic=True,
        description="Choose Custom and type a name: submit, approve, reject, withdraw or revise. Current details show "
        "the input of those that can be sent now.",
    )
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        self._loop.on_signal(name, args)

    # What the loop asks of its subject

    def door(self) -> Door:
        round_ = self._round
        return Door(
            commands=COMMANDS,
            subject=workload_stream(round_.product, round_.workload),
            known={"product": round_.product, "workload": round_.workload, "round": round_.round},
            problem=self._address_problem,
        )

    def is_open(self) -> bool:
        return self._view.round == self._round.round and self._view.state in LIVING

    def due(self, idle: int, not_before: datetime | None) -> Due | None:
        return next_due(self._view, idle, not_before)

    def in_words(self, due: Due) -> str:
        return waiting_summary(due.step, due.at, self._view.awaiting, due.number)

    async def look(self) -> bool:
        return self._see(
            await self._asked(ActivityName.READ_ESTIMATE, self._round, "Read the estimate from the ledger")
        )

    async def step(self, due: Due) -> bool:
        request = EstimateStep(
            product=self._round.product,
            workload=self._round.workload,
            step=due.step,
            turn=due.turn,
            count=due.number,
            attempt=due.attempt,
        )
        return self._see(await self._asked(ActivityName.STEP_ESTIMATE, request, self.in_words(due)))

    def publish(self) -> None:
        self._published.publish(search_attributes.of_estimate(self._view, self._round))
        details = estimate_details(self.view(), self._loop.refusals.last, self._round.round)
        workflow.set_current_details(details)

    def _address_problem(self, command: Any) -> str | None:
        """Says so where a command is for another process."""
        round_ = self._round
        if (command.product, command.workload) == (round_.product, round_.workload):
            return None
        return (
            f"This is the process of the workload {round_.workload} of {round_.product}, and the command is for "
            f"{command.workload} of {command.product}: send it to the process of that workload."
        )

    async def _asked(self, activity: ActivityName, request: EstimateRound | EstimateStep, summary: str) -> EstimateView:
        view: EstimateView = await recording.answer_of(
            activity,
            request,
            EstimateView,
            start_to_close_timeout=RECORD_TIMEOUT,
            retry_policy=RETRIES,
            summary=summary,
        )
        return view

    def _see(self, view: EstimateView) -> bool:
        """Whether a decision or a step was recorded since the last look."""
        before, self._view = self._view, view
        return (view.version, view.reminders, view.escalated) != (before.version, before.reminders, before.escalated)
