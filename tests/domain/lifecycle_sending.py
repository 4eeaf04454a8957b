"""How the lifecycle machine sends a command: it is predicted by the reference and judged by the witness."""

from __future__ import annotations

from itertools import count
from typing import Any, ClassVar
from uuid import UUID

from hypothesis.stateful import RuleBasedStateMachine

from domain.budget_load import LoadBudget
from domain.decision import SYSTEM, Channel, Command
from domain.hierarchy import NodePath
from domain.people_commands import (
    GrantPersona,
    RegisterPerson,
)
from domain.schedule import Schedule, schedule_stream
from domain.schedule_commands import (
    RequestReschedule,
    ScheduleCommand,
)
from tests.domain import lifecycle_steps
from tests.domain.lifecycle_company import (
    HELD,
    NAMES,
    ORGANIZATION,
    PRODUCTS,
    RIGHTS_OF_ALL,
)
from tests.domain.lifecycle_model import YEAR, Model, Row
from tests.domain.lifecycle_recorder import MemoryRecorder, Told
from tests.domain.lifecycle_witness import Witness


class Sending(RuleBasedStateMachine):
    """A company, and how a command is sent, predicted and judged."""

    predicts: ClassVar[bool] = True
    """Whether the reference is asked; a control leaves it out, so that the witness alone must find the fault."""

    def __init__(self) -> None:
        super().__init__()
        self.recorder = self.new_recorder()
        self.names = {person_id: name for name, person_id in self.recorder.people.items()}
        self.witness = Witness(self.recorder)
        self.model = Model({str(p): Row(str(p)) for p in PRODUCTS}, {name: set() for name in NAMES})
        self.numbers = count()
        self.sent: list[tuple[Command, Told]] = []
        self.files: list[LoadBudget] = []
        for name, grants in HELD.items():
            self.setup(RegisterPerson, person=name)
            for grant in grants:
                self.setup(GrantPersona, person=name, persona=grant.persona, node=grant.node)
                self.model.held[name].add((str(grant.persona), str(grant.node)))

    def new_recorder(self) -> MemoryRecorder:
        return MemoryRecorder(ORGANIZATION, RIGHTS_OF_ALL, NAMES)

    # How a command is sent

    def make[C: Command](self, kind: type[C], actor: str, **fields: Any) -> C:
        channel = Channel.WORKFLOW if actor == SYSTEM else Channel.UPDATE
        return kind(command_id=self.new_id(), actor=actor, channel=channel, **fields)

    def new_id(self) -> UUID:
        return UUID(int=next(self.numbers))

    def setup(self, kind: type[Command], **fields: Any) -> None:
        command = self.make(kind, SYSTEM, **fields)
        told = self.recorder.record(command, self.model.now)
        self.witness.saw(command, told, self.model.now)
        assert not told.code

    def send(self, command: Command) -> None:
        expected = self.model.objections(command) if self.predicts else set()
        told = self.witnessed(command)
        if not self.predicts:
            return
        if expected is None:
            assert not told.code, f"refused though it changes nothing: {told}"
            assert not told.events, f"recorded what was so already: {told}"
        elif expected:
            assert told.code in expected, f"the rules object with {expected}: {told}"
        else:
            assert not told.code, f"the rules have no objection: {told}"
            behalf = told.authority.on_behalf_of
            lifecycle_steps.accepted(self.model, command, self.names[behalf] if behalf else None)

    def witnessed(self, command: Command) -> Told:
        before = self.witness.records()
        told = self.recorder.record(command, self.model.now)
        self.witness.saw(command, told, self.model.now)
        assert self.witness.records() == before + len(told.events), "a refusal recorded more than itself"
        assert not (told.code and told.events), "a refusal recorded more than itself"
        self.sent.append((command, told))
        return told

    def schedule(self, product: NodePath) -> Schedule:
        found: Schedule = self.recorder.state(schedule_stream(YEAR, product))
        return found

    def about[C: ScheduleCommand](
        self, kind: type[C], actor: str, product: NodePath, through: int | None = None, **fields: Any
    ) -> C:
        schedule = self.schedule(product)
        begins = kind is RequestReschedule and schedule.state == "APPROVED"
        round_ = None if through is None else max(1, schedule.round + begins + through)
        return self.make(kind, actor, fiscal_year=YEAR, product=product, round=round_, **fields)
