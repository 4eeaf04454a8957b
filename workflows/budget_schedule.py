"""BudgetSchedule: one round of submission and approval of a product's schedule for a fiscal year.

The process knows whom it waits for and until when; what was decided stands in the ledger. A round lives while somebody
has to act in it (`domain.schedule.LIVING`). Time has its part, too: reminders, escalation, the end of the fiscal year.
A decision that is sent to a round that has ended starts a run of the same id, which asks the ledger, answers and ends
again, so an answer never depends on how long Temporal keeps its history.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import ScheduleRequest
    from domain.decision import Accepted, Channel, Refused
    from domain.errors import BadInput
    from domain.process import REFRESH_SIGNAL, ScheduleRound, ScheduleView, UpdateName, WorkflowName
    from domain.schedule_commands import (
        RequestReschedule,
        ReviseSchedule,
        ScheduleCommand,
        SubmitSchedule,
        WithdrawSchedule,
    )
    from domain.schedule_decisions import ApproveSchedule, DenyReschedule, GrantReschedule, RejectSchedule
    from domain.schedule_texts import schedule_details, waiting_summary
    from workflows import recording, search_attributes
    from workflows.answering import Published, Refusals, answer
    from workflows.inbox import address_problem, door_of, read_signal
    from workflows.schedule_run import (
        NOTHING,
        Due,
        ScheduleRun,
        is_open,
        next_due,
        pause_after,
        progress,
        unknown,
        view_after,
    )

UPDATE_CHANNELS = frozenset({Channel.CLI, Channel.UPDATE})
"""Doors that an update may come through: a signal or Allot itself never sends one."""
CARRIED_MAX = 50
"""Signals taken along on continue-as-new; with the longest commands they stay far below the 2 MiB of a payload."""

type AnyScheduleCommand = (
    SubmitSchedule
    | WithdrawSchedule
    | ReviseSchedule
    | RequestReschedule
    | ApproveSchedule
    | RejectSchedule
    | GrantReschedule
    | DenyReschedule
)


@workflow.defn(name=WorkflowName.BUDGET_SCHEDULE, failure_exception_types=recording.UNREADABLE)
class BudgetSchedule:
    """Waits for a schedule's submission, for the decision on it, and for the time that either has."""

    @workflow.init  # messages arrive before run() does anything
    def __init__(self, started_with: ScheduleRun | None = None) -> None:
        start = started_with or NOTHING
        self._round = ScheduleRound(fiscal_year=start.fiscal_year, product=start.product, round=start.round)
        self._view = unknown(self._round)
        self._since = start.since
        self._refusals = Refusals(start.refusals, start.last_refusals)
        self._inbox = deque(start.inbox)
        self._refresh = False
        self._idle = 0
        self._not_before: datetime | None = None
        self._published = Published()
        self._turn = asyncio.Lock()  # one command at a time, in the order in which they came

    @workflow.run
    async def run(self, started_with: ScheduleRun | None = None) -> ScheduleView:
        recording.given(started_with)
        await self._look_around()
        if self._turn.locked():
            self._show()  # a command is on its way and will publish what comes of it
        else:
            self._publish()
        while not self._may_leave():
            await self._wait()
            if not self._may_leave():
                await self._attend()
        if self._inbox or self._is_open():
            workflow.continue_as_new(self._carried_over())
        return self.view()

    @workflow.update(name=UpdateName.SUBMIT, description="The product owner asks for approval of twelve amounts.")
    async def submit(self, command: SubmitSchedule) -> Accepted:
        return await self._decide(command)

    @workflow.update(name=UpdateName.APPROVE, description="The portfolio owner approves the version they saw.")
    async def approve(self, command: ApproveSchedule) -> Accepted:
        return await self._decide(command)

    @workflow.update(name=UpdateName.REJECT, description="The portfolio owner rejects the version, with a reason.")
    async def reject(self, command: RejectSchedule) -> Accepted:
        return await self._decide(command)

    @workflow.update(name=UpdateName.WITHDRAW, description="The product owner takes back what waits for a decision.")
    async def withdraw(self, command: WithdrawSchedule) -> Accepted:
        return await self._decide(command)

    @workflow.update(name=UpdateName.REVISE, description="The product owner takes up a rejected schedule again.")
    async def revise(self, command: ReviseSchedule) -> Accepted:
        return await self._decide(command)

    @workflow.update(name=UpdateName.REQUEST, description="The product owner asks to change an approved schedule.")
    async def request(self, command: RequestReschedule) -> Accepted:
        return await self._decide(command)

    @workflow.update(name=UpdateName.GRANT, description="The portfolio owner grants the reschedule they saw.")
    async def grant(self, command: GrantReschedule) -> Accepted:
        return await self._decide(command)

    @workflow.update(name=UpdateName.DENY, description="The portfolio owner denies the reschedule, with a reason.")
    async def deny(self, command: DenyReschedule) -> Accepted:
        return await self._decide(command)

    @submit.validator
    def _may_submit(self, command: SubmitSchedule) -> None:
        self._check_address(command)

    @approve.validator
    def _may_approve(self, command: ApproveSchedule) -> None:
        self._check_address(command)

    @reject.validator
    def _may_reject(self, command: RejectSchedule) -> None:
        self._check_address(command)

    @withdraw.validator
    def _may_withdraw(self, command: WithdrawSchedule) -> None:
        self._check_address(command)

    @revise.validator
    def _may_revise(self, command: ReviseSchedule) -> None:
        self._check_address(command)

    @request.validator
    def _may_request(self, command: RequestReschedule) -> None:
        self._check_address(command)

    @grant.validator
    def _may_grant(self, command: GrantReschedule) -> None:
        self._check_address(command)

    @deny.validator
    def _may_deny(self, command: DenyReschedule) -> None:
        self._check_address(command)

    @workflow.query(description="State, version, amounts, whose turn it is, and until when.")
    def view(self) -> ScheduleView:
        return self._view.model_copy(update=self._refusals.shown())

    # A named handler with an argument loses what it cannot decode, and leaves the process stuck when two inputs are
    # sent; tests/workflows/test_named_signals.py shows it. The price is that the UI lists no names to choose from.
    @workflow.signal(
        dynamic=True,
        description="Choose Custom and type a name: submit, approve, reject, withdraw, revise, request, grant or deny. "
        "Current details show the input of those that can be sent now.",
    )
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        if name == REFRESH_SIGNAL:  # whatever it holds: it only says that there is something to look at
            self._refresh = True
        else:
            self._inbox.append(read_signal(name, args, self._round, workflow.uuid4()))

    def _check_address(self, command: ScheduleCommand) -> None:
        """Shape and address only; what is allowed is decided where it is recorded."""
        problem = address_problem(command, self._round)
        if command.channel not in UPDATE_CHANNELS:
            problem = f"An update cannot come through the channel {command.channel}."
        if problem:
            raise ApplicationError(problem, type=BadInput.__name__, non_retryable=True)

    async def _decide(self, command: AnyScheduleCommand) -> Accepted:
        outcome = await self._record(command)
        if isinstance(outcome, Refused):
            raise recording.refusal_of(outcome)
        return outcome

    async def _record(self, command: AnyScheduleCommand) -> Accepted | Refused:
        async with self._turn:
            ours = command.model_copy(update={"round": self._round.round})
            outcome, view = await recording.record_on_schedule(ours)
            if view is not None:
                self._learn(view)
            elif isinstance(outcome, Accepted):
                await self._take(command, outcome)
            self._publish()
            return outcome

    async def _take(self, command: ScheduleCommand, accepted: Accepted) -> None:
        """Brings the view up to the decision; never back, where an older decision was answered again."""
        is_new = accepted.version > self._view.version
        if accepted.events and (is_new or self._since is None):
            self._since = workflow.now()
        if not is_new:
            return
        if not accepted.events:
            self._learn(await self._read())
            return
        self._see(view_after(self._view, command, accepted.version))

    async def _wait(self) -> None:
        """Until a message has come, a decision was taken, or it is time for something."""
        due = self._due()
        if due is not None and due.at <= workflow.now():
            return

        def something_happened() -> bool:
            return bool(self._inbox) or self._refresh or self._may_leave() or self._due() != due

        if due is None or something_happened():
            await workflow.wait_condition(something_happened)
            return
        with suppress(TimeoutError):  # then it is time
            await workflow.wait_condition(
                something_happened, timeout=due.at - workflow.now(), timeout_summary=self._in_words(due)
            )

    async def _attend(self) -> None:
        """Messages first, in the order in which they came; what time does can wait for them."""
        if self._inbox:
            await answer(self._inbox.popleft(), self._record, door_of(self._round), self._refusals)
            self._show()
        elif self._refresh:
            self._refresh = False
            self._learn(await self._read())
            self._publish()
        elif (due := self._due()) is not None and due.at <= workflow.now():
            async with self._turn:
                if due == self._due():  # nobody decided while we waited for our turn
                    await self._step(due)
                    self._publish()

    async def _step(self, due: Due) -> None:
        """Reminds, escalates or ends; where nothing came of it, the next try takes its time."""
        recorded = False
        try:
            outcome, view = await recording.step_waiting(due.request(self._round), self._in_words(due))
        except ApplicationError as error:
            workflow.logger.error("The step %s of time failed: %s", due.step, error.message)
        else:
            recorded = isinstance(outcome, Accepted) and outcome.events > 0
            if view is not None:
                self._learn(view)
        if not recorded:
            self._not_before = workflow.now() + pause_after(self._idle)
            self._idle += 1

    async def _look_around(self) -> None:
        """The first look into the ledger, while what the process was started for may already be recorded."""
        read = await self._read()
        is_behind = read.version < self._view.version and not self._view.annual
        self._learn(read)
        if is_behind and read.year_ends_at is not None:  # versions before this one did without, and knew no times
            self._learn(await self._read())

    async def _read(self) -> ScheduleView:
        return await recording.read_schedule(ScheduleRequest.model_validate(self._round.model_dump()))

    def _learn(self, read: ScheduleView) -> None:
        """The ledger is read while commands are recorded: the higher version is the later one."""
        if read.version >= self._view.version:
            self._see(read)
        else:
            known = {name: getattr(read, name) for name in ("annual", "currency", "labels", "year_ends_at")}
            self._see(self._view.model_copy(update=known))

    def _see(self, view: ScheduleView) -> None:
        if progress(view) != progress(self._view):
            self._idle, self._not_before = 0, None
        self._view = view

    def _is_open(self) -> bool:
        return is_open(self._view, self._round.round)

    def _due(self) -> Due | None:
        return next_due(self._view, self._idle, self._not_before) if self._is_open() else None

    def _in_words(self, due: Due) -> str:
        return waiting_summary(due.step, due.at, self._view.awaiting, due.number)

    def _may_leave(self) -> bool:
        """Whether the round is over, or so long that another run should follow; never while an update is answered."""
        if not workflow.all_handlers_finished():
            return False
        if workflow.info().is_continue_as_new_suggested():
            return len(self._inbox) <= CARRIED_MAX
        return not self._inbox and not self._is_open()

    def _carried_over(self) -> ScheduleRun:
        return ScheduleRun(
            **dict(self._round),
            **self._refusals.carried(),
            since=self._since,
            inbox=tuple(self._inbox),
        )

    def _publish(self) -> None:
        self._published.publish(search_attributes.of_schedule(self._view, self._round))
        self._show()

    def _show(self) -> None:
        since = self._view.since or self._since
        details = schedule_details(self.view(), since, self._refusals.last, self._round.round)
        workflow.set_current_details(details)
