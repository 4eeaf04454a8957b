"""What the processes that take signals have in common: nobody waits for an answer, so refusals are kept and shown."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.contracts import RefusalRequest
    from domain.decision import Accepted, Command, Refused
    from domain.process_texts import REFUSAL_CHARS_MAX, REFUSALS_SHOWN_MAX
    from workflows import recording
    from workflows.signals import Door, Message, refusal

type Record = Callable[[Any], Awaitable[Accepted | Refused]]


class Refusals:
    """The messages that a process has refused: how many, and the last ones."""

    def __init__(self, count: int = 0, last: Iterable[str] = ()) -> None:
        self.count = count
        self._last = deque(last, REFUSALS_SHOWN_MAX)

    @property
    def last(self) -> tuple[str, ...]:
        return tuple(self._last)

    def shown(self) -> dict[str, object]:
        """For the view of a process."""
        return {"refusals": self.count, "last_refusal": self._last[-1] if self._last else ""}

    def carried(self) -> dict[str, Any]:
        """For the run after continue-as-new."""
        return {"refusals": self.count, "last_refusals": self.last}

    def note(self, problem: str) -> None:
        self.count += 1
        self._last.append(problem[:REFUSAL_CHARS_MAX])

    async def record(self, request: RefusalRequest) -> None:
        try:
            await recording.record_refusal(request)
        except ApplicationError as error:
            workflow.logger.error("A refused signal could not be recorded: %s", error.message)
        self.note(request.message)


async def answer(message: Message, record: Record, door: Door, refusals: Refusals) -> None:
    """Takes one signal: records its command, or that it was refused."""
    if message.refusal:
        await refusals.record(message.refusal)
    elif (command := message.command) is not None:
        try:
            outcome = await record(command)
        except ApplicationError as error:  # the command could not even be refused: its id is used, for instance
            problem, name = error.message or "unknown", _name_of(command, door)
            await refusals.record(refusal(name, problem, door, workflow.uuid4(), actor=command.actor))
        else:
            if isinstance(outcome, Refused):
                refusals.note(outcome.message)


def _name_of(command: Command, door: Door) -> str:
    return next(name for name, kind in door.commands.items() if kind is type(command))


class Published:
    """Search attributes as they were set last: only what has changed is set again."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def publish(self, wanted: Mapping[SearchAttributeKey[Any], Any]) -> None:
        """None for what the process does not have; it may have had it in the run before, which handed it on."""
        there = workflow.info().typed_search_attributes
        changes: list[SearchAttributeUpdate[Any]] = []
        for key, value in wanted.items():
            if self._values.get(key.name) != value or (value is None and there.get(key) is not None):
                changes.append(key.value_unset() if value is None else key.value_set(value))
                self._values[key.name] = value
        if changes:
            workflow.upsert_search_attributes(changes)
