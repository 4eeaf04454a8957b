"""What the process of a schedule learns from the ledger: state, amounts, and the times at which something is due."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from activities.waiting_times import waiting_times
from domain.budget import Book, BudgetLine, book_stream, line_stream
from domain.calendar import Month
from domain.decision import Organization, Persona
from domain.hierarchy import NodePath
from domain.money import plain
from domain.people import holders_stream
from domain.process import ScheduleView
from domain.schedule import LIVING, Schedule, awaited, nobody_left, schedule_stream
from domain.schedule_commands import year_ends_at
from domain.waiting import Waiting, waiting_stream
from ledger.ledger import Ledger


def read_view(ledger: Ledger, organization: Organization, year: int, product: NodePath) -> ScheduleView:
    """A product without a budget has a view too, so that its process can refuse what is sent to it.

    The round is the ledger's: a process that finds another one than its own there is over.
    """
    schedule_of, line_of, book_of = schedule_stream(year, product), line_stream(year, product), book_stream(year)
    waiting_of, holders_of = waiting_stream(schedule_of), holders_stream(Persona.PORTFOLIO_OWNER, product.portfolio)
    states = ledger.states([schedule_of, line_of, book_of, waiting_of, holders_of])
    schedule: Schedule = states[schedule_of]
    line: BudgetLine = states[line_of]
    book: Book = states[book_of]
    waits = awaited(schedule, product)
    view = ScheduleView(
        fiscal_year=year,
        product=product,
        round=schedule.round,
        state=schedule.state,
        version=schedule.version,
        annual=plain(line.annual.amount) if line.annual else "",
        planned=plain(schedule.planned),
        currency=line.annual.currency if line.annual else "",
        amounts=_texts(schedule.amounts or {}),
        awaiting=waits[0] if waits else "",
        turn=schedule.turn,
        over_budget=schedule.over_budget,
        attached=schedule.attached,
        reason=schedule.reason,
        approved=_texts(schedule.approved or {}),
        labels=book.labels,
        year_ends_at=year_ends_at(year, organization),
    )
    if schedule.state not in LIVING:
        return view
    nobody = view.awaiting == Persona.PORTFOLIO_OWNER and nobody_left(schedule, states[holders_of])
    since = next(event.recorded_at for event in ledger.read(schedule_of) if event.stream_version == schedule.turn)
    waiting: Waiting = states[waiting_of]
    reminded = ledger.read(waiting_of) if waiting.reminded(schedule.turn) else ()
    times = waiting_times(organization.business, waiting, reminded, schedule.turn, since, nobody=nobody)
    return view.model_copy(update={"since": since, **times._asdict()})


def _texts(amounts: Mapping[Month, Decimal]) -> dict[Month, str]:
    return {month: plain(amount) for month, amount in sorted(amounts.items())}
