"""Workloads and their estimates (product rules, section 6): a named part of a product, and what it is to cost a month.

              submit                approve
      DRAFT ───────────► SUBMITTED ───────────► APPROVED (counts) ──submit──► SUBMITTED, in the next round
        ▲ ▲   withdraw    │  │
        │ └───────────────┘  │ reject(reason)
        │                    ▼
        └──── revise ──── REJECTED ──submit──► SUBMITTED, in the same round

One stream per product and workload, whatever the fiscal year; its version is what a decision is made on. An estimate
that was approved counts until its successor is approved, or until the workload has ended or was withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from domain.account_facts import AccountId
from domain.calendar import Month
from domain.decision import Fact, Persona, PersonId, Stream
from domain.hierarchy import NodePath, node_name_problem
from domain.money import Amount, figure, total
from domain.people import Holders

FIRST_ROUND = 1
WORKLOAD_MONTHS_MAX = 60
"""Months from launch to end."""
HISTORY_KEPT_MAX = 20
"""Last changes that a workload can tell whoever decided on an older version."""
DECISIONS_KEPT_MAX = 200
"""Last decisions that can be answered a second time with the first one."""


def workload_name(text: str) -> str:
    """Raises ValueError for what is no name: the same rules as for a product's."""
    if problem := node_name_problem(text):
        raise ValueError(f"a workload {problem}")
    return text


WorkloadName = Annotated[str, AfterValidator(workload_name)]


class Component(StrEnum):
    """What of a workload it is that costs."""

    APPLICATION = "application"
    DATABASE = "database"
    UI = "ui"
    SECURITY = "security"
    AGENTS = "agents"
    OTHER = "other"


MonthlyAmounts = Annotated[dict[Month, Amount], Field(max_length=WORKLOAD_MONTHS_MAX * 2)]
"""Too many months are refused with a better message than a length's."""
type Estimate = dict[Component, MonthlyAmounts]
"""Monthly amounts by component; a month that is not there is 0."""
type Amounts = Mapping[Component, Mapping[Month, Decimal]]


class State(StrEnum):
    """Of a workload's newest estimate."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


LIVING = frozenset({State.SUBMITTED, State.REJECTED})
"""States within a round, in which somebody has to act."""
EDITABLE = frozenset({State.DRAFT, State.REJECTED, State.APPROVED})
"""States in which the product owner may submit."""


class WorkloadFact(Fact):
    """What all facts of a workload share."""

    product: NodePath
    workload: WorkloadName
    """The name under which it was created: it keeps that for ever, whatever it is called later."""


class Created(WorkloadFact):
    """The product has a workload of that name."""

    fact_name: ClassVar[str] = "workload.Created"
    account_id: AccountId
    launch_month: Month
    end_month: Month
    """The last one."""
    created_by: PersonId
    note: str = ""


class Renamed(WorkloadFact):
    """The workload is shown under another title."""

    fact_name: ClassVar[str] = "workload.Renamed"
    title: str


class EndMoved(WorkloadFact):
    """The workload ends with another month. Its claims end with it, and later months of its estimate do not count."""

    fact_name: ClassVar[str] = "workload.EndMoved"
    end_month: Month
    reason: str = ""


class Withdrawn(WorkloadFact):
    """The workload is given up: its estimate does not count any more, and its claims end."""

    fact_name: ClassVar[str] = "workload.Withdrawn"
    effective_on: date
    """The first day on which its resources are not claimed any more."""
    reason: str


class EstimateSubmitted(WorkloadFact):
    """The product owner asked for approval of an estimate. The first one after an approval begins a round."""

    fact_name: ClassVar[str] = "workload.EstimateSubmitted"
    round: int
    fiscal_year: int
    """The one in which the workload ends; with it, nobody has anything to decide any more."""
    amounts: Estimate
    currency: str
    calculator_url: str = ""
    """Where it was worked out, in the AWS Pricing Calculator."""
    submitted_by: PersonId
    submitted_for: PersonId | None = None
    """Whoever had delegated it to them."""
    note: str = ""


class EstimateWithdrawn(WorkloadFact):
    """The product owner took back what waited for a decision, or gave up what was rejected."""

    fact_name: ClassVar[str] = "workload.EstimateWithdrawn"
    note: str = ""


class EstimateRevised(WorkloadFact):
    """The product owner took up a rejected estimate again."""

    fact_name: ClassVar[str] = "workload.EstimateRevised"


class EstimateApproved(WorkloadFact):
    """The portfolio owner approved: the estimate counts."""

    fact_name: ClassVar[str] = "workload.EstimateApproved"
    decided_version: int
    decided_by: PersonId
    note: str = ""


class EstimateRejected(WorkloadFact):
    """The portfolio owner sent the estimate back, with a reason."""

    fact_name: ClassVar[str] = "workload.EstimateRejected"
    decided_version: int
    decided_by: PersonId
    reason: str


class EstimateLapsed(WorkloadFact):
    """The fiscal year in which the workload ends was over while the round was open: the final record of the round."""

    fact_name: ClassVar[str] = "workload.EstimateLapsed"
    round: int
    open_state: str
    """What the round was waiting in."""


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a workload, as told to whoever decided on an older version."""

    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Workload:
    created: Created | None = None
    title: str = ""
    end_month: Month | None = None
    """The last one; None while there is no workload."""
    withdrawn_on: date | None = None
    state: State = State.DRAFT
    version: int = 0
    """Facts so far; what a decision must name."""
    turn: int = 0
    """Version at which the present state began: since then somebody waits."""
    round: int = FIRST_ROUND
    fiscal_year: int = 0
    """Of the newest estimate; 0 where nothing was submitted."""
    currency: str = ""
    amounts: Amounts | None = None
    """As last submitted."""
    calculator_url: str = ""
    submitters: frozenset[PersonId] = frozenset()
    """Who submitted, and in whose place."""
    approved: Amounts | None = None
    """What counts."""
    reason: str = ""
    """Of the last rejection."""
    decisions: tuple[tuple[int, str], ...] = ()
    """Versions that were decided on, and how."""
    history: tuple[Change, ...] = ()

    @property
    def ends_on(self) -> date:
        """The first day that does not belong to it any more. Only for one that was created."""
        assert self.end_month is not None
        after = self.end_month.plus(1).first_day
        return after if self.withdrawn_on is None else min(after, self.withdrawn_on)

    def decision_on(self, version: int) -> str | None:
        """The first decision on that version, if there was one."""
        return next((word for decided, word in self.decisions if decided == version), None)


def evolve(workload: Workload, fact: WorkloadFact) -> Workload:
    version = workload.version + 1
    text, moved = _effect(workload, fact)
    moved = replace(
        moved,
        version=version,
        turn=version if moved.state is not workload.state else workload.turn,
        history=(*workload.history, Change(version, text))[-HISTORY_KEPT_MAX:],
    )
    if not isinstance(fact, EstimateApproved | EstimateRejected):
        return moved
    return replace(moved, decisions=(*workload.decisions, (fact.decided_version, text))[-DECISIONS_KEPT_MAX:])


def _effect(workload: Workload, fact: WorkloadFact) -> tuple[str, Workload]:
    """What happened in a word, and what it changes."""
    match fact:
        case EstimateSubmitted():
            return _submitted(workload, fact)
        case EstimateWithdrawn():
            return "withdrawn", replace(workload, state=State.DRAFT)
        case EstimateRevised():
            return "revised", replace(workload, state=State.DRAFT)
        case EstimateApproved():
            return "approved", replace(workload, state=State.APPROVED, approved=workload.amounts, reason="")
        case EstimateRejected():
            return "rejected", replace(workload, state=State.REJECTED, reason=fact.reason)
        case EstimateLapsed():
            end = State.DRAFT if workload.approved is None else State.APPROVED
            return "ended with its fiscal year", replace(workload, state=end)
        case _:
            return _effect_on_itself(workload, fact)


def _submitted(workload: Workload, fact: EstimateSubmitted) -> tuple[str, Workload]:
    persons = (fact.submitted_by, fact.submitted_for)
    text = f"submitted, {figure(sum_of(fact.amounts), fact.currency)} {fact.currency} in all"
    return text, replace(
        workload,
        state=State.SUBMITTED,
        round=fact.round,
        fiscal_year=fact.fiscal_year,
        currency=fact.currency,
        amounts=fact.amounts,
        calculator_url=fact.calculator_url,
        submitters=frozenset(person for person in persons if person is not None),
    )


def _effect_on_itself(workload: Workload, fact: WorkloadFact) -> tuple[str, Workload]:
    match fact:
        case Created():
            return "created", replace(workload, created=fact, title=fact.workload, end_month=fact.end_month)
        case Renamed():
            return "renamed", replace(workload, title=fact.title)
        case EndMoved():
            return f"ends with {fact.end_month}", replace(workload, end_month=fact.end_month)
        case Withdrawn():
            return "withdrawn as a whole", replace(workload, withdrawn_on=fact.effective_on)
    raise TypeError(f"{type(fact).__name__} is no fact of a workload")


def sum_of(amounts: Amounts) -> Decimal:
    """Of all components and months."""
    return total([amount for months in amounts.values() for amount in months.values()])


def by_month(amounts: Amounts) -> dict[Month, Decimal]:
    """All components together, in the order of the months."""
    found: dict[Month, list[Decimal]] = {}
    for months in amounts.values():
        for month, amount in months.items():
            found.setdefault(month, []).append(amount)
    return {month: total(found[month]) for month in sorted(found)}


def counted(amounts: Amounts, ends_on: date) -> Amounts:
    """What of an approved estimate counts: the months that begin before the workload has ended."""
    return {
        component: {month: amount for month, amount in months.items() if month.first_day < ends_on}
        for component, months in amounts.items()
    }


def workload_key(product: NodePath, name: str) -> str:
    """As text: the product's path, and the name after it, escaped like the path's own parts."""
    return f"{product}/{NodePath((name,))}"


def split_key(key: str) -> tuple[NodePath, str]:
    """The product and the name of a key."""
    product, _, name = key.rpartition("/")
    return NodePath.parse(product), NodePath.parse(name).name


def workload_stream(product: NodePath, name: str) -> Stream:
    return Stream("workload", workload_key(product, name))


def awaited(workload: Workload, product: NodePath) -> tuple[Persona, NodePath] | None:
    """Whose turn it is, and where; None for nobody's."""
    match workload.state:
        case State.SUBMITTED:
            return Persona.PORTFOLIO_OWNER, product.portfolio
        case State.REJECTED:
            return Persona.PRODUCT_OWNER, product
    return None


def nobody_left(workload: Workload, holders: Holders) -> bool:
    """Whether no owner of the portfolio may decide: there is none, or only whoever submitted it."""
    return not holders - workload.submitters


FACTS: tuple[type[Fact], ...] = (
    Created,
    Renamed,
    EndMoved,
    Withdrawn,
    EstimateSubmitted,
    EstimateWithdrawn,
    EstimateRevised,
    EstimateApproved,
    EstimateRejected,
    EstimateLapsed,
)
