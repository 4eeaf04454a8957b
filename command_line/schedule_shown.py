"""A schedule for people: its months side by side, where it stands, whose turn it is, since when and until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from rich.console import ConsoleRenderable
from rich.text import Text

from command_line.output import Column, Styled, figures, moment, money, persona_words, place, table
from domain.business_days import BusinessCalendar
from domain.calendar import Month
from domain.decision import Persona
from domain.money import total
from domain.people import LEVEL_OF_PERSONA
from domain.process import TURN_OF, UpdateName
from domain.schedule import LIVING, State
from views.models import ScheduleDetail

OVER_BUDGET = "bold red"
CLOSED = "dim"
SHOWS_MONTHS = frozenset({UpdateName.SUBMIT, UpdateName.REQUEST})
"""Who submits sees what was submitted; who decides has seen it."""


class Picture(NamedTuple):
    """All that is shown of a schedule."""

    schedule: ScheduleDetail
    labels: tuple[str, ...]
    """What the organization calls E1 to E4 in that year."""
    closed: frozenset[Month]
    business: BusinessCalendar
    estimated: Mapping[Month, Decimal] = MappingProxyType({})
    """What the approved estimates of its workloads come to."""

    @property
    def due_at(self) -> datetime | None:
        """When it goes to the level above, if nobody acts."""
        if self.schedule.state not in LIVING or self.schedule.escalated or awaited(self.schedule) is None:
            return None
        return self.business.after(self.schedule.since, self.business.escalation_days)


def schedule_data(picture: Picture) -> dict[str, Any]:
    more = {
        "awaiting": awaited(picture.schedule),
        "due_at": picture.due_at,
        "labels": picture.labels,
        "closed_months": sorted(picture.closed),
        "workload_estimates": picture.estimated,
    }
    return {**dict(picture.schedule), **more}


def answer(message: str, update: UpdateName, picture: Picture) -> list[ConsoleRenderable | str]:
    months, *rest = schedule_tables(picture)
    return [message, *([months] if update in SHOWS_MONTHS else []), *rest]


def schedule_tables(picture: Picture) -> list[ConsoleRenderable | str]:
    """The months first, then lines."""
    schedule = picture.schedule
    parts: list[ConsoleRenderable | str] = [_months(picture), _money(schedule)]
    if schedule.over_budget:
        over = money(schedule.planned - schedule.annual, schedule.currency)
        parts.append(
            Text(
                f"OVER BUDGET: planned is {over} {schedule.currency} over the annual budget. "
                "The approved schedule stays in force until a reschedule is approved.",
                style=OVER_BUDGET,
            )
        )
    if schedule.withdrawn:
        parts.append("Withdrawn from the budget: the annual amount is what remains of it.")
    return [*parts, _state(schedule), *_turn(picture)]


def _months(picture: Picture) -> ConsoleRenderable | str:
    """As submitted, approved and spent; closed months are marked, because they do not change any more."""
    schedule, closed = picture.schedule, picture.closed
    currency = schedule.currency
    title = f"{place(schedule.product, picture.labels)}, fiscal year {schedule.fiscal_year}, {currency}"
    series = [(_asked(schedule), _open(schedule)), ("Approved", schedule.approved), ("Actual", schedule.actual)]
    series.append(("Workload estimates", picture.estimated))
    shown = [(name, amounts) for name, amounts in series if amounts]
    months = sorted({month for _, amounts in shown for month in amounts})
    if not months:
        return title
    columns = (Column("Month"), *figures(*(name for name, _ in shown)), *([Column("")] if closed else []))

    def row(month: Month) -> Styled:
        cells = [str(month), *(money(amounts.get(month), currency) for _, amounts in shown)]
        mark = ["closed" if month in closed else ""] if closed else []
        return Styled([*cells, *mark], CLOSED if month in closed else "")

    sums = (
        "Total",
        *(money(total(list(amounts.values())), currency) for _, amounts in shown),
        *([""] if closed else []),
    )
    return table(title, columns, [row(month) for month in months], sums)


def _open(schedule: ScheduleDetail) -> Mapping[Month, Decimal]:
    """What is more than the approved months: not what was approved as it was, or denied with its request."""
    bare = schedule.state is State.RESCHEDULE_REQUESTED and not schedule.attached
    return {} if bare or schedule.state is State.APPROVED else schedule.submitted


def _asked(schedule: ScheduleDetail) -> str:
    if schedule.attached:
        return "Attached"
    return "Submitted" if schedule.state is State.PENDING else "Submitted last"


def _money(schedule: ScheduleDetail) -> str:
    currency = schedule.currency
    return (
        f"Annual {money(schedule.annual, currency)}, planned {money(schedule.planned, currency)}, "
        f"unallocated {money(schedule.unallocated, currency)}."
    )


def _state(schedule: ScheduleDetail) -> str:
    if not schedule.version:
        return f"{schedule.state}, nothing submitted yet."
    told = f"{schedule.state}, version {schedule.version}, round {schedule.round}"
    if schedule.state is State.PENDING:
        return f"{told}, {_by_submitter(schedule)}.{_quoted(schedule.note)}"
    if schedule.state is State.RESCHEDULE_REQUESTED:
        return f"{told}, {_by_submitter(schedule)}.{_quoted(schedule.reason)}"
    if schedule.returned:
        return f"{told}. It came back:{_quoted(schedule.reason)}"
    if schedule.decided_at is None:
        return f"{told}."
    asked_since = schedule.submitted_at is not None and schedule.submitted_at > schedule.decided_at
    given_up = asked_since and schedule.state is State.APPROVED  # the last reason is that of the request
    decided = _by(schedule.decided_by_name, schedule.decided_for_name, schedule.decided_at)
    return f"{told}. Decided last {decided}.{'' if given_up else _quoted(schedule.reason)}"


def _by_submitter(schedule: ScheduleDetail) -> str:
    return _by(schedule.submitted_by_name, schedule.submitted_for_name, schedule.submitted_at)


def _by(name: str, in_place_of: str, at: datetime | None) -> str:
    return f"by {name}{f' in place of {in_place_of}' if in_place_of else ''}, {moment(at)}"


def _quoted(said: str) -> str:
    return f" “{said}”" if said else ""


def awaited(schedule: ScheduleDetail) -> Persona | None:
    """Whose turn it is; nobody's where nothing was approved of a product that is not in the budget any more."""
    if schedule.withdrawn and not schedule.approved:
        return None
    over = Persona.PRODUCT_OWNER if schedule.over_budget and schedule.state is State.APPROVED else None
    return TURN_OF.get(schedule.state, over)


def _turn(picture: Picture) -> Iterator[str]:
    schedule = picture.schedule
    persona = awaited(schedule)
    if persona is None:
        return
    level, node = LEVEL_OF_PERSONA[persona], schedule.product
    label, name = picture.labels[level - 1], node.parts[level - 1]
    waits = bool(schedule.version) and schedule.state is not State.APPROVED  # which began before the budget was lowered
    since = f", since {moment(schedule.since)}" if waits else ""
    reminded = f", reminded {_times(schedule.reminders)}" if schedule.reminders else ""
    yield f"It is the turn of the {persona_words(persona)} of {label} {name}{since}{reminded}."
    if schedule.escalated:
        above = (
            "and may be decided by the level above"
            if persona is Persona.PORTFOLIO_OWNER
            else "and the level above knows"
        )
        yield f"Escalated: it has waited too long, {above}."
    elif due := picture.due_at:
        yield f"Due by {moment(due)}; then it goes to the level above, too."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
