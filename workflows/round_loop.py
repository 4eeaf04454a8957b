"""What a process of one decision round does while it lives: takes messages, looks into the ledger, lets time act.

The process itself says what it is about (`Subject`); here stands the order: messages first, as they came; then a look
into the ledger, where something may have changed; then what is due. One command at a time, and none is lost when the
history grows long and another run follows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.decision import Accepted, Channel, Command, Refused
    from domain.errors import BadInput
    from domain.process import REFRESH_SIGNAL
    from workflows import recording
    from workflows.answering import Refusals, answer
    from workflows.schedule_run import Due, pause_after
    from workflows.signals import Door, Message, read_signal

UPDATE_CHANNELS = frozenset({Channel.CLI, Channel.UPDATE})
"""Doors that an update may come through: a signal or Allot itself never sends one."""
CARRIED_MAX = 50
"""Signals taken along on continue-as-new."""


class Subject(Protocol):
    """What the process of a round knows of its own subject. Its view is what the ledger said last."""

    def door(self) -> Door: ...

    def is_open(self) -> bool:
        """Whether somebody has to act in this round."""
        ...

    def due(self, idle: int, not_before: datetime | None) -> Due | None:
        """What time does next; `idle` steps have recorded nothing since something happened."""
        ...

    def in_words(self, due: Due) -> str: ...

    async def look(self) -> bool:
        """Asks the ledger; whether a decision or a step was recorded since the last time. May raise ActivityError."""
        ...

    async def step(self, due: Due) -> bool:
        """Does what is due; likewise."""
        ...

    def publish(self) -> None: ...


class RoundLoop:
    """The loop of one process; its handlers hand over to it."""

    def __init__(self, subject: Subject, refusals: Refusals, inbox: Sequence[Message]) -> None:
        self._subject = subject
        self._inbox = deque(inbox)
        self._look = True
        self._looks_failed = 0
        self._has_looked = False
        self._idle = 0
        self._not_before: datetime | None = None
        self._turn = asyncio.Lock()  # one command at a time, in the order in which they came
        self.refusals = refusals

    async def live(self) -> bool:
        """Until the round is over: whether another run must follow, because the history is long."""
        while not self._may_leave():
            await self._attend()
            if not self._may_leave():
                await self._wait()
        return bool(self._inbox) or self._look or self._subject.is_open()

    def carried(self) -> dict[str, Any]:
        """For the run after continue-as-new."""
        return {**self.refusals.carried(), "inbox": tuple(self._inbox)}

    def on_signal(self, name: str, args: Sequence[RawValue]) -> None:
        if name == REFRESH_SIGNAL:  # whatever it holds: it only says that there is something to look at
            self._look = True
        else:
            self._inbox.append(read_signal(name, args, self._subject.door(), workflow.uuid4()))

    def check_address(self, command: Command) -> None:
        """For validators: shape and address only; what is allowed is decided where it is recorded."""
        problem = self._subject.door().problem(command)
        if command.channel not in UPDATE_CHANNELS:
            problem = f"An update cannot come through the channel {command.channel}."
        if problem:
            raise ApplicationError(problem, type=BadInput.__name__, non_retryable=True)

    async def decide(self, command: Any) -> Accepted:
        """For updates."""
        outcome = await self._record(command)
        if isinstance(outcome, Refused):
            raise recording.refusal_of(outcome)
        return outcome

    async def _record(self, command: Any) -> Accepted | Refused:
        async with self._turn:
            ours = command.model_copy(update={"round": self._subject.door().known.get("round")})
            outcome = await recording.record(ours)
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
                something_happened, timeout=due.at - workflow.now(), timeout_summary=self._subject.in_words(due)
            )

    async def _attend(self) -> None:
        """A new run looks before anything else: it could show nothing, nor say whether the round is still open."""
        if self._inbox and (self._has_looked or self._looks_failed):
            await answer(self._inbox.popleft(), self._record, self._subject.door(), self.refusals)
        elif self._look:
            await self._look_around()
        elif (due := self._due()) is not None and due.at <= workflow.now():
            async with self._turn:
                if due == self._due() and not self._look:  # nobody decided while we waited for our turn
                    await self._step(due)
        self._subject.publish()

    async def _look_around(self) -> None:
        """Tried again after a pause where it fails for good, which only another version's answer can do."""
        self._look = False
        try:
            self._moved(await self._subject.look())
            self._looks_failed, self._has_looked = 0, True
        except ActivityError as error:
            workflow.logger.error("A look into the ledger failed: %s", recording.failure_of(error).message)
            pause = pause_after(self._looks_failed)
            self._looks_failed += 1
            self._look = True
            with suppress(TimeoutError):  # then it is time
                await workflow.wait_condition(lambda: bool(self._inbox), timeout=pause, timeout_summary="Look again")

    async def _step(self, due: Due) -> None:
        """Where nothing came of it, the next try takes its time."""
        moved = False
        try:
            moved = await self._subject.step(due)
        except ActivityError as error:
            workflow.logger.error("The step %s of time failed: %s", due.step, recording.failure_of(error).message)
        self._moved(moved)
        if not moved:
            self._not_before = workflow.now() + pause_after(self._idle)
            self._idle += 1

    def _moved(self, moved: bool) -> None:
        if moved:
            self._idle, self._not_before = 0, None

    def _due(self) -> Due | None:
        return self._subject.due(self._idle, self._not_before) if self._subject.is_open() else None

    def _may_leave(self) -> bool:
        """Whether the round is over, or the history so long that another run should follow; never while an update is
        answered."""
        if not workflow.all_handlers_finished():
            return False
        if workflow.info().is_continue_as_new_suggested():
            return len(self._inbox) <= CARRIED_MAX
        return not self._inbox and not self._look and not self._subject.is_open()
