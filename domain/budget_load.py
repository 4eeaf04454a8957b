"""Loading a budget file (product rules, section 3): the year's first load, a change, an override.

A load is decided whole: its lines, its entry in the book, and what it does to the schedules of the products that it
changes, are recorded in one transaction or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from domain.budget import (
    ROWS_MAX,
    AnnualApproved,
    Book,
    BudgetLine,
    BudgetLoaded,
    BudgetRow,
    ProductWithdrawn,
    book_stream,
    line_stream,
)
from domain.budget_file_header import CODE, ESTIMATED, MONTHS, OWNER
from domain.calendar import Month
from domain.closing import ClosedMonths, closing_stream
from domain.decision import (
    Action,
    Authority,
    Command,
    Context,
    Decision,
    Event,
    Organization,
    PersonId,
    Rule,
    States,
    Stream,
)
from domain.errors import Contention, Refusal
from domain.hierarchy import NodePath
from domain.money import EXACT, Money, figure, total
from domain.people import require
from domain.schedule import (
    CameWithinBudget,
    Returned,
    Schedule,
    ScheduleFact,
    State,
    WentOverBudget,
    schedule_stream,
)


class Mode(StrEnum):
    NEW = "new"
    CHANGE = "change"
    OVERRIDE = "override"


class LoadBudget(Command):
    """Loads a checked file. Made by the activity that parsed the file; too large for a Temporal history."""

    hints: ClassVar[frozenset[str]] = frozenset({"known"})

    kind: Literal["budget.Load"] = "budget.Load"
    fiscal_year: int
    content_hash: str
    customer: str
    option: str
    file_version: str
    is_new: bool
    is_override: bool
    effective_on: date
    labels: tuple[str, str, str, str]
    rows: Annotated[tuple[BudgetRow, ...], Field(max_length=ROWS_MAX)]
    absent: tuple[str, ...] = ()
    """Columns that the file does not have (`domain.budget_file_header`): a change leaves alone what they would say."""
    known: tuple[NodePath, ...] = ()
    """For an override: all products that the year is known to have. The decision counts whether none is missing."""

    def people(self) -> tuple[str, ...]:
        return tuple({row.owner: None for row in self.rows if row.owner})

    @property
    def subject(self) -> Stream:
        return book_stream(self.fiscal_year)


class LineChange(NamedTuple):
    """What a load does to one product."""

    product: NodePath
    old: Money | None
    """None for a product that the year did not have."""
    new: Money
    fact: AnnualApproved | ProductWithdrawn
    schedule: tuple[ScheduleFact, ...]
    """What becomes of its schedule: returned, over budget, within budget again."""


class Impact(NamedTuple):
    """What a load does, before or when it is recorded."""

    mode: Mode
    effective_on: date
    changes: tuple[LineChange, ...]
    unchanged: int
    old_total: Decimal = Decimal(0)
    """Of all products of the year."""

    @property
    def new_total(self) -> Decimal:
        gone = total([change.old.amount for change in self.changes if change.old])
        return EXACT.subtract(EXACT.add(self.old_total, total([change.new.amount for change in self.changes])), gone)

    @property
    def added(self) -> int:
        return sum(change.old is None for change in self.changes)

    @property
    def withdrawn(self) -> int:
        return sum(isinstance(change.fact, ProductWithdrawn) for change in self.changes)

    @property
    def changed(self) -> int:
        return len(self.changes) - self.added - self.withdrawn


def require_loader(context: Context) -> Authority:
    """Raises Forbidden for whoever may not load budgets."""
    return require(context, Action.LOAD_BUDGET, NodePath.ROOT)


def require_uploader(context: Context) -> Authority:
    """Raises Forbidden for whoever may not even see what a load would do."""
    return require(context, Action.UPLOAD_BUDGET, NodePath.ROOT)


def decide_load(states: States, command: LoadBudget, context: Context) -> Decision:
    authority = require_loader(context)
    if is_loaded(states, command):
        return Decision(message=f"These bytes were loaded for {command.fiscal_year} already; nothing changed.")
    impact = impact_of(states, command, context)
    events = [Event(command.subject, _loaded(command, impact, context))]
    for change in impact.changes:
        events.append(Event(line_stream(command.fiscal_year, change.product), change.fact))
        events += [Event(schedule_stream(command.fiscal_year, change.product), fact) for fact in change.schedule]
    return Decision(events, summary(command, impact), authority)


def is_loaded(states: States, command: LoadBudget) -> bool:
    """Whether the same bytes were loaded for that year before."""
    book: Book = states[command.subject]
    return command.content_hash in book.loaded


def summary(command: LoadBudget, impact: Impact) -> str:
    counts = f"{impact.added:,} added, {impact.changed:,} changed, {impact.withdrawn:,} withdrawn"
    if impact.mode is Mode.NEW:
        return f"Loaded {len(command.rows):,} products for {command.fiscal_year}."
    return f"Loaded for {command.fiscal_year} from {impact.effective_on}: {counts}, {impact.unchanged:,} unchanged."


def impact_of(states: States, command: LoadBudget, context: Context) -> Impact:
    """Raises Refusal for a load that does not fit the year, Contention where `known` is not complete yet."""
    return expected_impact(states, command, context.organization, context.person)


def expected_impact(
    states: States, command: LoadBudget, organization: Organization, person: Callable[[str], PersonId]
) -> Impact:
    """The same for whoever only asks."""
    book: Book = states[command.subject]
    mode = mode_of(book, command)
    effective_on = _effective_on(command, organization)
    lines = _Lines(states, command, organization.currency, person)
    changes = list(lines.changes(mode, effective_on))
    unchanged = len(command.rows) - len(changes)
    if mode is Mode.OVERRIDE:
        changes += _withdrawals(states, command, effective_on)
    return Impact(mode, effective_on, tuple(changes), unchanged, book.total)


def mode_of(book: Book, command: LoadBudget) -> Mode:
    """How the file is taken by a year that is as the book says. Raises Refusal."""
    if not book.loaded:
        if not command.is_new:
            raise Refusal(
                f"The budget of {command.fiscal_year} is not loaded yet, so there is nothing to change: "
                "load the year first (isNew=true).",
                code="YearNotLoaded",
            )
        return Mode.NEW
    if command.is_override:
        return Mode.OVERRIDE
    if command.is_new:
        raise Refusal(
            f"The budget of {command.fiscal_year} is loaded already: load a change (isNew=false) "
            "or an override (isOverride=true) instead.",
            code="YearAlreadyLoaded",
        )
    if command.labels != book.labels:
        # Columns in another order would put every product somewhere else.
        raise Refusal(
            f"The first four columns are {_listed(command.labels)}, and in {command.fiscal_year} they are "
            f"{_listed(book.labels)}: write these, or load an override, which may name the levels anew.",
            code="OtherLabels",
        )
    return Mode.CHANGE


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(repr(label) for label in labels)


def _effective_on(command: LoadBudget, organization: Organization) -> date:
    months = organization.calendar.months(command.fiscal_year)
    if command.is_new:
        return months[0].first_day
    if command.effective_on not in [month.first_day for month in months]:
        raise Refusal(
            f"A change to {command.fiscal_year} takes effect on the 1st of one of its months, and "
            f"{command.effective_on} is none.",
            code="NotFirstOfMonth",
        )
    return command.effective_on


class _Lines(NamedTuple):
    """What the rows of a file do."""

    states: States
    command: LoadBudget
    currency: str
    person: Callable[[str], PersonId]

    def changes(self, mode: Mode, effective_on: date) -> Iterator[LineChange]:
        command = self.command
        for row in command.rows:
            line = BudgetLine() if mode is Mode.NEW else self.states[line_stream(command.fiscal_year, row.product)]
            new = Money(row.annual, self.currency)
            owner = self.person(row.owner) if row.owner else None
            wanted = _Said(row.estimated, row.code, owner, row.proposal)
            if mode is not Mode.NEW:
                said = _Said(line.estimated, line.code, line.owner, dict(line.proposal or {}))
                if mode is Mode.CHANGE and command.absent:
                    wanted = _kept(wanted, said, command.absent, same_annual=new == line.annual)
                if not line.withdrawn and new == line.annual and wanted == said:
                    continue
            # Not validated again: rows are checked where they are read, and that is half of the time of a large file.
            fact = AnnualApproved.model_construct(
                fiscal_year=command.fiscal_year,
                product=row.product,
                annual=row.annual,
                currency=self.currency,
                effective_on=effective_on,
                content_hash=command.content_hash,
                estimated=wanted.estimated,
                code=wanted.code,
                owner=wanted.owner,
                proposal=wanted.proposal,
            )
            year = command.fiscal_year
            facts = () if mode is Mode.NEW else _schedule_facts(self.states, year, row.product, new)
            yield LineChange(row.product, line.annual, new, fact, facts)


class _Said(NamedTuple):
    """What a file may say of a product besides its annual budget."""

    estimated: Decimal | None
    code: str
    owner: PersonId | None
    proposal: dict[Month, Decimal]


def _kept(wanted: _Said, said: _Said, absent: Sequence[str], *, same_annual: bool) -> _Said:
    """With what columns that are not in the file said before. Months that add up to another annual budget go."""
    return _Said(
        said.estimated if ESTIMATED in absent else wanted.estimated,
        said.code if CODE in absent else wanted.code,
        said.owner if OWNER in absent else wanted.owner,
        said.proposal if MONTHS in absent and same_annual else wanted.proposal,
    )


def _withdrawals(states: States, command: LoadBudget, effective_on: date) -> list[LineChange]:
    """Products of the year that are missing from the file."""
    year, in_file = command.fiscal_year, {row.product for row in command.rows}
    missing = [product for product in dict.fromkeys(command.known) if product not in in_file]
    there = sum(states[line_stream(year, product)].annual is not None for product in (*in_file, *missing))
    book: Book = states[command.subject]
    if there != book.products:
        raise Contention(
            f"{there:,} of the {book.products:,} products of {year} are known so far, and an override must know all: "
            "it is tried again."
        )
    changes = []
    for product in missing:
        line: BudgetLine = states[line_stream(year, product)]
        if line.annual is None or line.withdrawn:
            continue
        left = _left_over(states, year, product, line.annual.currency, effective_on)
        fact = ProductWithdrawn(
            fiscal_year=year,
            product=product,
            annual=left.amount,
            currency=left.currency,
            effective_on=effective_on,
            content_hash=command.content_hash,
        )
        changes.append(LineChange(product, line.annual, left, fact, _schedule_facts(states, year, product, left)))
    return changes


def _left_over(states: States, year: int, product: NodePath, currency: str, effective_on: date) -> Money:
    """What a withdrawn product keeps: its approved months before that day, and closed months, which never change."""
    schedule: Schedule = states[schedule_stream(year, product)]
    closed: ClosedMonths = states[closing_stream(year)]
    approved = schedule.approved or {}
    return Money(total([approved[m] for m in approved if m.first_day < effective_on or m in closed]), currency)


def _schedule_facts(states: States, year: int, product: NodePath, annual: Money) -> tuple[ScheduleFact, ...]:
    schedule: Schedule = states[schedule_stream(year, product)]
    return tuple(after_annual_change(schedule, year, product, annual)) if schedule.version else ()


def after_annual_change(schedule: Schedule, year: int, product: NodePath, annual: Money) -> list[ScheduleFact]:
    """What a changed annual budget does to the schedule (product rules, sections 3 and 4)."""
    facts: list[ScheduleFact] = []
    shared = {"fiscal_year": year, "product": product, "annual": annual.amount, "currency": annual.currency}
    waits = schedule.state is State.PENDING or (schedule.state is State.RESCHEDULE_REQUESTED and schedule.attached)
    if waits and schedule.asked > annual.amount:
        reason = (
            f"The annual budget became {annual}; the months that were submitted add up to "
            f"{figure(schedule.asked, annual.currency)}."
        )
        facts.append(Returned.model_validate(shared | {"reason": reason, "submitted": schedule.asked}))
    if schedule.approved is not None:
        over = schedule.planned > annual.amount
        if over and not schedule.over_budget:
            facts.append(WentOverBudget.model_validate(shared | {"planned": schedule.planned}))
        elif schedule.over_budget and not over:
            facts.append(CameWithinBudget.model_validate(shared | {"planned": schedule.planned}))
    return facts


def _loaded(command: LoadBudget, impact: Impact, context: Context) -> BudgetLoaded:
    return BudgetLoaded(
        fiscal_year=command.fiscal_year,
        content_hash=command.content_hash,
        customer=command.customer,
        option=command.option,
        file_version=command.file_version,
        labels=command.labels,
        effective_on=impact.effective_on,
        currency=context.organization.currency,
        products=len(command.rows),
        total=total([row.annual for row in command.rows]),
        mode=impact.mode,
        added=impact.added,
        changed=impact.changed,
        withdrawn=impact.withdrawn,
        year_total=None if impact.mode is Mode.NEW else impact.new_total,
    )


def _reads(command: LoadBudget, _context: Context) -> Sequence[Stream]:
    return (command.subject,)


def _reads_lines(states: States, command: LoadBudget, _context: Context) -> Sequence[Stream]:
    """The lines and schedules of a year that is loaded. A year's first load need not read what it creates."""
    book: Book = states[command.subject]
    changes = book.loaded and (command.is_override or not command.is_new)
    if not changes or command.content_hash in book.loaded:
        return ()
    return streams_of(command)


def streams_of(command: LoadBudget) -> Sequence[Stream]:
    """What a load into a year that is loaded reads besides the book."""
    products = dict.fromkeys((*(row.product for row in command.rows), *command.known))
    return (
        closing_stream(command.fiscal_year),
        *(line_stream(command.fiscal_year, product) for product in products),
        *(schedule_stream(command.fiscal_year, product) for product in products),
    )


RULES: dict[type[Command], Rule] = {LoadBudget: Rule(_reads, decide_load, _reads_lines)}
