"""The schedule of a product for a fiscal year (product rules, section 4): its annual budget spread over months.

                submit               approve
      DRAFT ───────────► PENDING ───────────► APPROVED (locked) ──request──► RESCHEDULE_REQUESTED
        ▲  ▲   withdraw   │  │                    ▲      ▲                      │           │
        │  └──────────────┘  │ reject(reason)     │      └──── deny(reason) ────┘           │ grant
        │                    ▼                    │ approve                                 ▼
        └───── revise ── REJECTED                 └────────── PENDING ◄──── submit ── RESCHEDULING

One stream per product and fiscal year; its version is what a decision is made on. Once something has been approved it
stays in force until its successor is: what the picture calls DRAFT is RESCHEDULING then. A requested or granted
reschedule may be given up, which leads back to APPROVED. Each request begins a new round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from domain.calendar import Month
from domain.decision import Fact, Persona, PersonId, Stream
from domain.hierarchy import NodePath
from domain.money import Amount, figure, total
from domain.people import Holders

FIRST_ROUND = 1
HISTORY_KEPT_MAX = 20
"""Last changes that a schedule can tell whoever decided on an older version."""
DECISIONS_KEPT_MAX = 200
"""Last decisions that can be answered a second time with the first one."""


class State(StrEnum):
    DRAFT = "DRAFT"
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    RESCHEDULE_REQUESTED = "RESCHEDULE_REQUESTED"
    RESCHEDULING = "RESCHEDULING"
    CLOSED = "CLOSED"
    """The fiscal year ended and nothing had been approved."""


LIVING = frozenset({State.PENDING, State.REJECTED, State.RESCHEDULE_REQUESTED, State.RESCHEDULING})
"""States within a round, in which somebody has to act."""
EDITABLE = frozenset({State.DRAFT, State.REJECTED, State.RESCHEDULING})
"""States in which the product owner may submit."""


class ScheduleFact(Fact):
    """What all facts of a schedule share."""

    fiscal_year: int
    product: NodePath


class Submitted(ScheduleFact):
    """The product owner asked for approval of twelve monthly amounts."""

    fact_name: ClassVar[str] = "schedule.Submitted"
    amounts: dict[Month, Amount]
    """All twelve months of the fiscal year."""
    annual: Amount
    """The annual budget it was checked against."""
    currency: str
    submitted_by: PersonId
    submitted_for: PersonId | None = None
    """Whoever had delegated it to them."""
    note: str = ""


class Withdrawn(ScheduleFact):
    """The product owner took back what waited for a decision, or gave up a reschedule."""

    fact_name: ClassVar[str] = "schedule.Withdrawn"
    note: str = ""


class Revised(ScheduleFact):
    """The product owner took up a rejected schedule again."""

    fact_name: ClassVar[str] = "schedule.Revised"


class Approved(ScheduleFact):
    """The portfolio owner approved: the amounts are in force, and locked."""

    fact_name: ClassVar[str] = "schedule.Approved"
    decided_version: int
    decided_by: PersonId
    note: str = ""


class Rejected(ScheduleFact):
    """The portfolio owner sent the schedule back, with a reason."""

    fact_name: ClassVar[str] = "schedule.Rejected"
    decided_version: int
    decided_by: PersonId
    reason: str


class RescheduleRequested(ScheduleFact):
    """The product owner asked to change an approved schedule, which stays in force. Begins a round."""

    fact_name: ClassVar[str] = "schedule.RescheduleRequested"
    round: int
    reason: str
    requested_by: PersonId
    requested_for: PersonId | None = None
    amounts: dict[Month, Amount] = {}
    """The new schedule, where it is attached: one decision does both then."""
    annual: Amount
    currency: str


class RescheduleGranted(ScheduleFact):
    """The portfolio owner lets the schedule be changed; what was attached is approved with it."""

    fact_name: ClassVar[str] = "schedule.RescheduleGranted"
    decided_version: int
    decided_by: PersonId
    note: str = ""


class RescheduleDenied(ScheduleFact):
    """The portfolio owner leaves the approved schedule as it is, with a reason."""

    fact_name: ClassVar[str] = "schedule.RescheduleDenied"
    decided_version: int
    decided_by: PersonId
    reason: str


class Returned(ScheduleFact):
    """What waited for a decision no longer fits a changed annual budget, and goes back to its owner."""

    fact_name: ClassVar[str] = "schedule.Returned"
    reason: str
    annual: Amount
    submitted: Amount
    """Sum of the months that were waiting."""
    currency: str


class WentOverBudget(ScheduleFact):
    """The approved schedule no longer fits a changed annual budget. It stays in force until a reschedule."""

    fact_name: ClassVar[str] = "schedule.WentOverBudget"
    annual: Amount
    planned: Amount
    currency: str


class CameWithinBudget(ScheduleFact):
    """The approved schedule fits the annual budget again, because that was changed once more."""

    fact_name: ClassVar[str] = "schedule.CameWithinBudget"
    annual: Amount
    planned: Amount
    currency: str


class YearEnded(ScheduleFact):
    """The fiscal year ended while the round was open: the final record of the round."""

    fact_name: ClassVar[str] = "schedule.YearEnded"
    round: int
    open_state: str
    """What the round was waiting in."""


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a schedule, as told to whoever decided on an older version."""

    version: int
    text: str
    amounts: Mapping[Month, Decimal] | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    state: State = State.DRAFT
    version: int = 0
    """Facts so far; what a decision must name."""
    turn: int = 0
    """Version at which the present state began: since then somebody waits."""
    round: int = FIRST_ROUND
    amounts: Mapping[Month, Decimal] | None = None
    """As last submitted, or attached to a request."""
    submitters: frozenset[PersonId] = frozenset()
    """Who submitted or requested, and in whose place."""
    attached: bool = False
    """Whether a request holds the new schedule."""
    approved: Mapping[Month, Decimal] | None = None
    """In force."""
    over_budget: bool = False
    reason: str = ""
    """Of the last rejection, denial, return or request."""
    decisions: tuple[tuple[int, str], ...] = ()
    """Versions that were decided on, and how."""
    history: tuple[Change, ...] = ()

    @property
    def planned(self) -> Decimal:
        return total(list((self.approved or {}).values()))

    @property
    def asked(self) -> Decimal:
        """Sum of what was submitted last."""
        return total(list((self.amounts or {}).values()))

    @property
    def editable_state(self) -> State:
        """Where what was taken back or sent back can be changed."""
        return State.RESCHEDULING if self.approved else State.DRAFT

    def decision_on(self, version: int) -> str | None:
        """The first decision on that version, if there was one."""
        return next((word for decided, word in self.decisions if decided == version), None)


def evolve(schedule: Schedule, fact: ScheduleFact) -> Schedule:
    version = schedule.version + 1
    text, moved = _effect(schedule, fact)
    change = Change(version, text, moved.amounts if moved.amounts is not schedule.amounts else None)
    moved = replace(
        moved,
        version=version,
        turn=version if moved.state is not schedule.state else schedule.turn,
        history=(*schedule.history, change)[-HISTORY_KEPT_MAX:],
    )
    if not isinstance(fact, Approved | Rejected | RescheduleGranted | RescheduleDenied):
        return moved
    if moved.decision_on(fact.decided_version):
        return moved  # an attached schedule is approved by the decision that grants
    return replace(moved, decisions=(*schedule.decisions, (fact.decided_version, text))[-DECISIONS_KEPT_MAX:])


def _effect(schedule: Schedule, fact: ScheduleFact) -> tuple[str, Schedule]:
    """What happened in a word, and what it changes."""
    match fact:
        case Submitted():
            by = _persons(fact.submitted_by, fact.submitted_for)
            text = f"submitted, {_sum(fact.amounts, fact.currency)} in all"
            return text, replace(schedule, state=State.PENDING, amounts=fact.amounts, submitters=by, attached=False)
        case Revised():
            return "revised", replace(schedule, state=schedule.editable_state)
        case Approved():
            in_force = replace(schedule, approved=schedule.amounts, over_budget=False, attached=False)
            return "approved", replace(in_force, state=State.APPROVED, reason="")
        case Rejected():
            return "rejected", replace(schedule, state=State.REJECTED, reason=fact.reason)
        case RescheduleRequested():
            return _requested(schedule, fact)
        case RescheduleGranted():
            return "granted", replace(schedule, state=State.PENDING if schedule.attached else State.RESCHEDULING)
        case RescheduleDenied():
            return "denied", replace(schedule, state=State.APPROVED, reason=fact.reason, attached=False)
        case _:
            return _effect_from_outside(schedule, fact)


def _effect_from_outside(schedule: Schedule, fact: ScheduleFact) -> tuple[str, Schedule]:
    """What its owner takes back, and what Finance and time do."""
    # A request that comes to nothing leaves the approved schedule; a submission goes back to where it can be changed.
    back = schedule.editable_state if schedule.state is State.PENDING else State.APPROVED
    match fact:
        case Withdrawn():
            return "withdrawn", replace(schedule, state=back, attached=False)
        case Returned():
            return "returned to its owner", replace(schedule, state=back, reason=fact.reason, attached=False)
        case WentOverBudget():
            text = f"over budget: the annual budget became {figure(fact.annual, fact.currency)}"
            return text, replace(schedule, over_budget=True)
        case CameWithinBudget():
            text = f"within budget again: the annual budget became {figure(fact.annual, fact.currency)}"
            return text, replace(schedule, over_budget=False)
        case YearEnded():
            end = State.CLOSED if schedule.approved is None else State.APPROVED
            return "ended with its fiscal year", replace(schedule, state=end, attached=False)
    raise TypeError(f"{type(fact).__name__} is no fact of a schedule")


def _requested(schedule: Schedule, fact: RescheduleRequested) -> tuple[str, Schedule]:
    requested = replace(
        schedule,
        state=State.RESCHEDULE_REQUESTED,
        round=fact.round,
        submitters=_persons(fact.requested_by, fact.requested_for),
        reason=fact.reason,
        attached=bool(fact.amounts),
    )
    if not fact.amounts:
        return "a reschedule was requested", requested
    text = f"a reschedule was requested, {_sum(fact.amounts, fact.currency)} in all"
    return text, replace(requested, amounts=fact.amounts)


def _sum(amounts: Mapping[Month, Decimal], currency: str) -> str:
    return f"{figure(total(list(amounts.values())), currency)} {currency}"


def _persons(*persons: PersonId | None) -> frozenset[PersonId]:
    return frozenset(person for person in persons if person is not None)


def schedule_stream(fiscal_year: int, product: NodePath) -> Stream:
    return Stream("schedule", f"{fiscal_year}/{product}")


def awaited(schedule: Schedule, product: NodePath) -> tuple[Persona, NodePath] | None:
    """Whose turn it is, and where; None for nobody's."""
    match schedule.state:
        case State.PENDING | State.RESCHEDULE_REQUESTED:
            return Persona.PORTFOLIO_OWNER, product.portfolio
        case State.DRAFT | State.REJECTED | State.RESCHEDULING:
            return Persona.PRODUCT_OWNER, product
        case State.APPROVED if schedule.over_budget:
            return Persona.PRODUCT_OWNER, product
    return None


def nobody_left(schedule: Schedule, holders: Holders) -> bool:
    """Whether no owner of the portfolio may decide: there is none, or only whoever submitted it."""
    return not holders - schedule.submitters


FACTS: tuple[type[Fact], ...] = (
    Submitted,
    Withdrawn,
    Revised,
    Approved,
    Rejected,
    RescheduleRequested,
    RescheduleGranted,
    RescheduleDenied,
    Returned,
    WentOverBudget,
    CameWithinBudget,
    YearEnded,
)
