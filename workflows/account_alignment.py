"""AccountAlignment: one occasion to say which products an account's spend belongs to, until somebody or a rule has.

The process knows whom it waits for and until when; what was decided stands in the ledger. It looks into it whenever it
is told that there may be news: a rule, an expected account, a bill, a decision that came another way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import (
        RECORD_TIMEOUT,
        RETRIES,
        ActivityName,
        AlignmentStepRequest,
    )
    from domain.account_allocating import AccountCommand, AllocateAccount, ProposeAllocation
    from domain.account_process import AccountUpdateName, AlignmentRound, AlignmentView
    from domain.account_proposals import AcceptProposal, DeclineProposal
    from domain.alignment_texts import alignment_details, waiting_summary
    from domain.decision import Accepted, Channel, Refused
    from domain.errors import BadInput
    from domain.process import REFRESH_SIGNAL, WorkflowName
    from workflows import recording, search_attributes
    from workflows.alignment_run import (
        NOTHING,
        AlignmentRun,
        Due,
        address_problem,
        door_of,
        is_open,
        next_due,
        progress,
    )
    from workflows.answering import Published, Refusals, answer
    from workflows.schedule_run import pause_after
    from workflows.signals import read_signal

UPDATE_CHANNELS = frozenset({Channel.CLI, Channel.UPDATE})
"""Doors that an update may come through: a signal or Allot itself never sends one."""
CARRIED_MAX = 50
"""Signals taken along on continue-as-new."""

type AnyAccountCommand = AllocateAccount | ProposeAllocation | AcceptProposal | DeclineProposal


@workflow.defn(name=WorkflowName.ACCOUNT_ALIGNMENT, failure_exception_types=recording.UNREADABLE)
class AccountAlignment:
    """Waits until the account is allocated, or there is nothing left to allocate."""

    @workflow.init  # messages arrive before run() does anything
    def __init__(self, started_with: AlignmentRun | None = None) -> None:
        start = started_with or NOTHING
        self._round = AlignmentRound(account_id=start.account_id, occasion=start.occasion)
        self._view = AlignmentView(account_id=start.account_id, occasion=start.occasion)
        self._refusals = Refusals(start.refusals, start.last_refusals)
        self._inbox = deque(start.inbox)
        self._look = True
        self._looks_failed = 0
        self._idle = 0
        self._not_before: datetime | None = None
        self._published = Published()
        self._turn = asyncio.Lock()  # one command at a time, in the order in which they came

    @workflow.run
    async def run(self, started_with: AlignmentRun | None = None) -> AlignmentView:
        recording.given(started_with)
        while not self._may_leave():
            await self._attend()
            if not self._may_leave():
                await self._wait()
        if self._inbox or self._look or self._is_open():
            workflow.continue_as_new(self._carried_over())
        return self.view()

    @workflow.update(name=AccountUpdateName.ALLOCATE, description="Somebody who may says which products it belongs to.")
    async def allocate(self, command: AllocateAccount) -> Accepted:
        return await self._decide(command)

    @workflow.update(name=AccountUpdateName.PROPOSE, description="Suggests an allocation, for others to decide on.")
    async def propose(self, command: ProposeAllocation) -> Accepted:
        return await self._decide(command)

    @workflow.update(name=AccountUpdateName.ACCEPT, description="The account is allocated as proposed.")
    async def accept(self, command: AcceptProposal) -> Accepted:
        return await self._decide(command)

    @workflow.update(name=AccountUpdateName.DECLINE, description="It is not allocated as proposed, with a reason.")
    async def decline(self, command: DeclineProposal) -> Accepted:
        return await self._decide(command)

    @allocate.validator
    def _may_allocate(self, command: AllocateAccount) -> None:
        self._check_address(command)

    @propose.validator
    def _may_propose(self, command: ProposeAllocation) -> None:
        self._check_address(command)

    @accept.validator
    def _may_accept(self, command: AcceptProposal) -> None:
        self._check_address(command)

    @decline.validator
    def _may_decline(self, command: DeclineProposal) -> None:
        self._check_address(command)

    @workflow.query(description="Where the account stands, what is proposed, whose turn it is, and until when.")
    def view(self) -> AlignmentView:
        return self._view.model_copy(update=self._refusals.shown())

    # One handler for all names, as in BudgetSchedule and for the same reasons.
    @workflow.signal(
        dynamic=True,
        description="Choose Custom and type a name: allocate, propose, accept or decline. Current details show the "
        "input of those that can be sent now.",
    )
    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        if name == REFRESH_SIGNAL:  # whatever it holds: it only says that there is something to look at
            self._look = True
        else:
            self._inbox.append(read_signal(name, args, door_of(self._round), workflow.uuid4()))

    def _check_address(self, command: AccountCommand) -> None:
        """Shape and address only; what is allowed is decided where it is recorded."""
        problem = address_problem(command, self._round)
        if command.channel not in UPDATE_CHANNELS:
            problem = f"An update cannot come through the channel {command.channel}."
        if problem:
            raise ApplicationError(problem, type=BadInput.__name__, non_retryable=True)

    async def _decide(self, command: AnyAccountCommand) -> Accepted:
        outcome = await self._record(command)
        if isinstance(outcome, Refused):
            raise recording.refusal_of(outcome)
        return outcome

    async def _record(self, command: AnyAccountCommand) -> Accepted | Refused:
        async with self._turn:
            outcome = await recording.record(command)
            self._look = True  # whoever asked has their answer; what has come of it is looked up next
            return outcome

    async def _wait(self) -> None:
        """Until a message has come, there is something to look at, or it is time for something."""
        due = self._due()

        def something_happened() -> bool:
            return bool(self._inbox) or self._look or self._may_leave() or self._due() != due

        if something_happened() or (due is not None and due.at <= workflow.now()):
            return
        if due is None:
            await workflow.wait_condition(something_happened)
            return
        with suppress(TimeoutError):  # then it is time
            await workflow.wait_condition(
                something_happened, timeout=due.at - workflow.now(), timeout_summary=self._in_words(due)
            )

    async def _attend(self) -> None:
        """Messages first, in the order in which they came; then news; what time does can wait for both.

        A new run looks before all of that: it could show nothing else."""
        if self._inbox and (self._view.lifecycle or self._looks_failed):
            await answer(self._inbox.popleft(), self._record, door_of(self._round), self._refusals)
        elif self._look:
            await self._look_around()
        elif (due := self._due()) is not None and due.at <= workflow.now():
            async with self._turn:
                if due == self._due() and not self._look:  # nobody decided while we waited for our turn
                    await self._step(due)
        self._publish()

    async def _look_around(self) -> None:
        """Where that fails for good, somebody may have used up its id: the next try has another one."""
        self._look = False
        try:
            self._see(await self._align())
            self._looks_failed = 0
        except ActivityError as error:
            workflow.logger.error("A look into the ledger failed: %s", recording.failure_of(error).message)
            pause = pause_after(self._looks_failed)
            self._looks_failed += 1
            self._look = True
            with suppress(TimeoutError):  # then it is time
                await workflow.wait_condition(lambda: bool(self._inbox), timeout=pause, timeout_summary="Look again")

    async def _align(self) -> AlignmentView:
        view: AlignmentView = await recording.answer_of(
            ActivityName.ALIGN_ACCOUNT,
            self._round,
            AlignmentView,
            start_to_close_timeout=RECORD_TIMEOUT,
            retry_policy=RETRIES,
            summary="Expected? Does a rule take it?",
        )
        return view

    async def _step(self, due: Due) -> None:
        """Reminds or escalates; where nothing came of it, the next try takes its time."""
        request: AlignmentStepRequest = due.request(self._round)
        before = progress(self._view)
        try:
            view: AlignmentView = await recording.answer_of(
                ActivityName.STEP_ALIGNMENT,
                request,
                AlignmentView,
                start_to_close_timeout=RECORD_TIMEOUT,
                retry_policy=RETRIES,
                summary=self._in_words(due),
            )
        except ActivityError as error:
            workflow.logger.error("The step %s of time failed: %s", due.step, recording.failure_of(error).message)
        else:
            self._see(view.model_copy(update={"looked": self._view.looked}))
        if progress(self._view) == before:
            self._not_before = workflow.now() + pause_after(self._idle)
            self._idle += 1

    def _see(self, view: AlignmentView) -> None:
        if progress(view) != progress(self._view):
            self._idle, self._not_before = 0, None
        self._view = view

    def _is_open(self) -> bool:
        return is_open(self._view, self._round.occasion)

    def _due(self) -> Due | None:
        return next_due(self._view, self._idle, self._not_before) if self._is_open() else None

    def _in_words(self, due: Due) -> str:
        return waiting_summary(due.step, due.at, due.number)

    def _may_leave(self) -> bool:
        """Whether the occasion is over, or the history so long that another run should follow; never while an update is
        answered."""
        if not workflow.all_handlers_finished():
            return False
        if workflow.info().is_continue_as_new_suggested():
            return len(self._inbox) <= CARRIED_MAX
        return not self._inbox and not self._look and not self._is_open()

    def _carried_over(self) -> AlignmentRun:
        return AlignmentRun(
            **dict(self._round),
            **self._refusals.carried(),
            inbox=tuple(self._inbox),
        )

    def _publish(self) -> None:
        self._published.publish(search_attributes.of_alignment(self._view, self._round))
        workflow.set_current_details(alignment_details(self.view(), self._refusals.last, self._round))
