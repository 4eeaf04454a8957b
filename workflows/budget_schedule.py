"""BudgetSchedule: one round of submission and approval of a product's schedule for a fiscal year.

The process knows whom it waits for; what was decided stands in the ledger. A round lives while somebody has to act
(PENDING, REJECTED). A decision that is sent to a round that has ended starts a run of the same id, which asks the
ledger, answers and ends again, so an answer never depends on how long Temporal keeps its history.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue, SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import AwareDatetime

    from activities.contracts import RefusalRequest, ScheduleRequest
    from domain.calendar import FISCAL_YEAR_MIN
    from domain.decision import Accepted, Channel, Refused
    from domain.errors import BadInput
    from domain.hierarchy import NodePath
    from domain.money import plain, total
    from domain.process import TURN_OF, ScheduleRound, ScheduleView, UpdateName, WorkflowName
    from domain.process_texts import REFUSAL_CHARS_MAX, REFUSALS_SHOWN_MAX, schedule_details
    from domain.schedule import ApproveSchedule, RejectSchedule, ScheduleCommand, State, SubmitSchedule
    from workflows import recording, search_attributes
    from workflows.inbox import Message, address_problem, read_signal, refusal

LIVING = frozenset({State.PENDING, State.REJECTED})
"""States in which somebody has to act within this round."""
STATE_AFTER: dict[type[ScheduleCommand], State] = {
    SubmitSchedule: State.PENDING,
    ApproveSchedule: State.APPROVED,
    RejectSchedule: State.REJECTED,
}
UPDATE_CHANNELS = frozenset({Channel.CLI, Channel.UPDATE})
"""Doors that an update may come through: a signal or Allot itself never sends one."""
CARRIED_MAX = 50
"""Signals taken along on continue-as-new; with the longest commands they stay far below the 2 MiB of a payload."""

type _ScheduleCommand = SubmitSchedule | ApproveSchedule | RejectSchedule


class ScheduleRun(ScheduleRound):
    """What a run starts with: a round and, after continue-as-new, what the run before it leaves behind."""

    refusals: int = 0
    last_refusals: tuple[str, ...] = ()
    since: AwareDatetime | None = None
    inbox: tuple[Message, ...] = ()


_NOTHING = ScheduleRun(fiscal_year=FISCAL_YEAR_MIN, product=NodePath.ROOT)
"""Stands in for the input that a process started by hand may lack, until run() ends it."""


@workflow.defn(name=WorkflowName.BUDGET_SCHEDULE, failure_exception_types=recording.UNREADABLE)
class BudgetSchedule:
    """Waits for a schedule's submission and for the decision on it."""

    @workflow.init  # messages arrive before run() does anything
    def __init__(self, started_with: ScheduleRun | None = None) -> None:
        start = started_with or _NOTHING
        self._round = ScheduleRound(fiscal_year=start.fiscal_year, product=start.product, round=start.round)
        self._view = _unknown(self._round)
        self._since = start.since
        self._refusals = start.refusals
        self._last_refusals = deque(start.last_refusals, REFUSALS_SHOWN_MAX)
        self._inbox = deque(start.inbox)
        self._published: dict[str, Any] = {}
        self._turn = asyncio.Lock()  # one command at a time, in the order in which they came

    @workflow.run
    async def run(self, started_with: ScheduleRun | None = None) -> ScheduleView:
        recording.given(started_with)
        self._learn(await self._read())
        if self._turn.locked():
            self._show()  # a command is on its way and will publish what comes of it
        else:
            self._publish()
        while not self._may_leave():
            await workflow.wait_condition(lambda: bool(self._inbox) or self._may_leave())
            if self._inbox and not self._may_leave():
                await self._answer(self._inbox.popleft())
        if self._inbox or self._view.state in LIVING:
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

    @submit.validator
    def _may_submit(self, command: SubmitSchedule) -> None:
        self._check_address(command)

    @approve.validator
    def _may_approve(self, command: ApproveSchedule) -> None:
        self._check_address(command)

    @reject.validator
    def _may_reject(self, command: RejectSchedule) -> None:
        self._check_address(command)

    @workflow.query(description="State, version, amounts, and whose turn it is.")
    def view(self) -> ScheduleView:
        last = self._last_refusals[-1] if self._last_refusals else ""
        return self._view.model_copy(update={"refusals": self._refusals, "last_refusal": last})

    # A named handler with an argument would leave the process stuck when somebody sends the signal without input.
    @workflow.signal(
        dynamic=True, description="Choose Custom; type submit, approve or reject. Current details show the input."
    )
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        self._inbox.append(read_signal(name, args, self._round, workflow.uuid4()))

    def _check_address(self, command: _ScheduleCommand) -> None:
        """Shape and address only; what is allowed is decided where it is recorded."""
        problem = address_problem(command, self._round)
        if command.channel not in UPDATE_CHANNELS:
            problem = f"An update cannot come through the channel {command.channel}."
        if problem:
            raise ApplicationError(problem, type=BadInput.__name__, non_retryable=True)

    async def _decide(self, command: _ScheduleCommand) -> Accepted:
        outcome = await self._record(command)
        if isinstance(outcome, Refused):
            raise recording.refusal_of(outcome)
        return outcome

    async def _record(self, command: _ScheduleCommand) -> Accepted | Refused:
        async with self._turn:
            outcome = await recording.record(command)
            if isinstance(outcome, Accepted):
                await self._take(command, outcome)
            self._publish()
            return outcome

    async def _take(self, command: _ScheduleCommand, accepted: Accepted) -> None:
        """Brings the view up to the decision; never back, where an older decision was answered again."""
        is_new = accepted.version > self._view.version
        if accepted.events and (is_new or self._since is None):
            self._since = workflow.now()
        if not is_new:
            return
        if not accepted.events:
            self._learn(await self._read())
            return
        known: dict[str, Any] = {"state": STATE_AFTER[type(command)], "version": accepted.version}
        if isinstance(command, SubmitSchedule):
            known["amounts"] = {month: plain(amount) for month, amount in sorted(command.amounts.items())}
            known["planned"] = plain(total(list(command.amounts.values())))
        self._see(self._view.model_copy(update=known))

    async def _answer(self, message: Message) -> None:
        """Takes one signal. Nobody waits for the answer, so a refusal is kept and shown."""
        if message.refusal:
            await self._refuse(message.refusal)
        elif isinstance(command := message.command, SubmitSchedule | ApproveSchedule | RejectSchedule):
            try:
                outcome = await self._record(command)
            except ApplicationError as error:  # the command could not even be refused: its id is used, for instance
                name = command.kind.rpartition(".")[2].lower()
                problem = error.message or "unknown"
                await self._refuse(refusal(name, problem, self._round, workflow.uuid4(), actor=command.actor))
            else:
                if isinstance(outcome, Refused):
                    self._note(outcome.message)

    async def _refuse(self, request: RefusalRequest) -> None:
        try:
            await recording.record_refusal(request)
        except ApplicationError as error:
            workflow.logger.error("A refused signal could not be recorded: %s", error.message)
        self._note(request.message)

    def _note(self, problem: str) -> None:
        self._refusals += 1
        self._last_refusals.append(problem[:REFUSAL_CHARS_MAX])
        self._show()

    async def _read(self) -> ScheduleView:
        return await recording.read_schedule(ScheduleRequest.model_validate(self._round.model_dump()))

    def _learn(self, read: ScheduleView) -> None:
        """The ledger is read while commands are recorded: the higher version is the later one."""
        if read.version >= self._view.version:
            self._see(read)
        else:
            self._see(self._view.model_copy(update={"annual": read.annual, "currency": read.currency}))

    def _see(self, view: ScheduleView) -> None:
        turn = TURN_OF.get(view.state)
        self._view = view.model_copy(update={"awaiting": turn or ""})

    def _may_leave(self) -> bool:
        """Whether the round is over, or so long that another run should follow; never while an update is answered."""
        if not workflow.all_handlers_finished():
            return False
        if workflow.info().is_continue_as_new_suggested():
            return len(self._inbox) <= CARRIED_MAX
        return not self._inbox and self._view.state not in LIVING

    def _carried_over(self) -> ScheduleRun:
        return ScheduleRun(
            **dict(self._round),
            refusals=self._refusals,
            last_refusals=tuple(self._last_refusals),
            since=self._since,
            inbox=tuple(self._inbox),
        )

    def _publish(self) -> None:
        wanted: dict[SearchAttributeKey[Any], Any] = {
            search_attributes.FISCAL_YEAR: self._round.fiscal_year,
            search_attributes.NODE_PATH: search_attributes.node_values(self._round.product),
            search_attributes.BUDGET_STATE: str(self._view.state),
            search_attributes.AWAITING_ROLE: self._view.awaiting or None,
        }
        changes: list[SearchAttributeUpdate[Any]] = []
        for key, value in wanted.items():
            if self._published.get(key.name) != value:
                changes.append(key.value_unset() if value is None else key.value_set(value))
                self._published[key.name] = value
        if changes:
            workflow.upsert_search_attributes(changes)
        self._show()

    def _show(self) -> None:
        workflow.set_current_details(schedule_details(self.view(), self._since, tuple(self._last_refusals)))


def _unknown(addressee: ScheduleRound) -> ScheduleView:
    """Before the ledger has been asked."""
    return ScheduleView(
        fiscal_year=addressee.fiscal_year, product=addressee.product, round=addressee.round, state=State.DRAFT
    )
