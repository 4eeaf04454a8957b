"""Waiting for somebody (product rules, section 4): reminders, and escalation to the level above.

Kept in a stream beside the subject (`waiting/schedule/2026/…`), so that a reminder does not move the version that
somebody has just decided on. A subject counts its turns; what was said about an earlier turn is over with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import ClassVar

from domain.decision import Fact, Persona, Stream
from domain.hierarchy import NodePath

REMINDERS_MAX = 400
"""Reminders in one turn: daily ones for more than a year."""


class Overdue(StrEnum):
    """Why the level above was asked."""

    WAITED_TOO_LONG = "waited too long"
    NOBODY_LEFT = "nobody is left to decide"
    SPENDING = "it spends without an allocation"


class Reminded(Fact):
    """Whoever has to act was reminded."""

    fact_name: ClassVar[str] = "waiting.Reminded"
    subject: str
    """Stream that waits, such as `schedule/2026/Retail/Digital/Web/Checkout`."""
    turn: int
    """Version of the subject at which it began to wait."""
    count: int
    """First, second, … reminder of this turn."""
    persona: Persona
    node: NodePath
    fiscal_year: int = 0
    """0 for what belongs to no year, such as an account."""
    product: NodePath = NodePath.ROOT
    spending_since: date | None = None
    """Of an account: first day of what it has spent, where that belongs to nobody."""


class Escalated(Fact):
    """The level above has the task now, too."""

    fact_name: ClassVar[str] = "waiting.Escalated"
    subject: str
    turn: int
    persona: Persona
    """Who has not acted."""
    node: NodePath
    reason: Overdue
    fiscal_year: int = 0
    product: NodePath = NodePath.ROOT


@dataclass(frozen=True, slots=True)
class Waiting:
    turn: int = 0
    reminders: int = 0
    """In that turn."""
    escalated_turn: int = 0

    def reminded(self, turn: int) -> int:
        """Reminders so far in that turn."""
        return self.reminders if self.turn == turn else 0

    def escalated(self, turn: int) -> bool:
        return self.escalated_turn == turn > 0


def evolve(waiting: Waiting, fact: Reminded | Escalated) -> Waiting:
    match fact:
        case Reminded():
            return replace(waiting, turn=fact.turn, reminders=fact.count)
        case Escalated():
            return replace(waiting, escalated_turn=fact.turn)


def waiting_stream(subject: Stream) -> Stream:
    return Stream("waiting", str(subject))


FACTS: tuple[type[Fact], ...] = (Reminded, Escalated)
