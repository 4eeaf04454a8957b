"""Facts of the budget process: reschedules, waiting, withdrawn products, closed months, people who come and go."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from domain.budget import ProductWithdrawn, line_stream
from domain.calendar import Month
from domain.closing import MonthClosed, MonthReopened, closing_stream
from domain.decision import Event, Persona, PersonId
from domain.people import (
    Deactivated,
    Delegated,
    DelegationEnded,
    GrantWithdrawn,
    HolderAppointed,
    HolderRemoved,
    Reactivated,
    holders_stream,
    person_stream,
)
from domain.schedule import (
    CameWithinBudget,
    RescheduleDenied,
    RescheduleGranted,
    RescheduleRequested,
    Returned,
    Revised,
    ScheduleFact,
    WentOverBudget,
    Withdrawn,
    YearEnded,
    schedule_stream,
)
from domain.waiting import Escalated, Overdue, Reminded, waiting_stream
from tests.views.given import ANN, BOB, CALENDAR, HASH, by_month, path


def product_withdrawn(product: str, annual: str = "0", fiscal_year: int = 2026) -> Event:
    fact = ProductWithdrawn(
        fiscal_year=fiscal_year,
        product=path(product),
        annual=Decimal(annual),
        currency="USD",
        effective_on=date(fiscal_year, 7, 1),
        content_hash=HASH,
    )
    return Event(line_stream(fiscal_year, fact.product), fact)


def requested(
    product: str,
    round_: int,
    *amounts: str,
    fiscal_year: int = 2026,
    by: PersonId = ANN,
    on_behalf_of: PersonId | None = None,
    reason: str = "a new plan",
) -> Event:
    """With the new schedule attached, where there are amounts."""
    return of_schedule(
        RescheduleRequested,
        product,
        fiscal_year,
        round=round_,
        reason=reason,
        requested_by=by,
        requested_for=on_behalf_of,
        amounts=by_month(amounts, fiscal_year) if amounts else {},
        annual=Decimal(10_000),
        currency="USD",
    )


def of_schedule(fact_type: type[ScheduleFact], product: str, fiscal_year: int = 2026, **fields: Any) -> Event:
    fact = fact_type(fiscal_year=fiscal_year, product=path(product), **fields)
    return Event(schedule_stream(fiscal_year, fact.product), fact)


def granted_request(product: str, fiscal_year: int = 2026, version: int = 1, note: str = "") -> Event:
    return of_schedule(RescheduleGranted, product, fiscal_year, decided_version=version, decided_by=BOB, note=note)


def denied(product: str, reason: str, fiscal_year: int = 2026, version: int = 1) -> Event:
    return of_schedule(RescheduleDenied, product, fiscal_year, decided_version=version, decided_by=BOB, reason=reason)


def withdrawn(product: str, fiscal_year: int = 2026) -> Event:
    return of_schedule(Withdrawn, product, fiscal_year)


def revised(product: str, fiscal_year: int = 2026) -> Event:
    return of_schedule(Revised, product, fiscal_year)


def returned(product: str, reason: str, annual: str = "1", fiscal_year: int = 2026) -> Event:
    amounts = {"annual": Decimal(annual), "submitted": Decimal(12), "currency": "USD"}
    return of_schedule(Returned, product, fiscal_year, reason=reason, **amounts)


def went_over(product: str, annual: str = "1", fiscal_year: int = 2026) -> Event:
    amounts = {"annual": Decimal(annual), "planned": Decimal(12), "currency": "USD"}
    return of_schedule(WentOverBudget, product, fiscal_year, **amounts)


def came_within(product: str, annual: str = "100", fiscal_year: int = 2026) -> Event:
    amounts = {"annual": Decimal(annual), "planned": Decimal(12), "currency": "USD"}
    return of_schedule(CameWithinBudget, product, fiscal_year, **amounts)


def year_ended(product: str, fiscal_year: int = 2026) -> Event:
    return of_schedule(YearEnded, product, fiscal_year, round=1, open_state="PENDING")


def _waits(product: str, turn: int, fiscal_year: int) -> dict[str, Any]:
    node = path(product)
    return {
        "subject": f"schedule/{fiscal_year}/{product}",
        "turn": turn,
        "persona": Persona.PORTFOLIO_OWNER,
        "node": node.portfolio,
        "fiscal_year": fiscal_year,
        "product": node,
    }


def reminded(product: str, turn: int, count: int = 1, fiscal_year: int = 2026) -> Event:
    fact = Reminded(**_waits(product, turn, fiscal_year), count=count)
    return Event(waiting_stream(schedule_stream(fiscal_year, fact.product)), fact)


def escalated(product: str, turn: int, fiscal_year: int = 2026) -> Event:
    fact = Escalated(**_waits(product, turn, fiscal_year), reason=Overdue.WAITED_TOO_LONG)
    return Event(waiting_stream(schedule_stream(fiscal_year, fact.product)), fact)


def closed(month: str, fiscal_year: int | None = None, note: str = "") -> Event:
    when = Month.parse(month)
    year = fiscal_year or CALENDAR.fiscal_year_of(when)
    return Event(closing_stream(year), MonthClosed(fiscal_year=year, month=when, note=note))


def reopened(month: str) -> Event:
    when = Month.parse(month)
    year = CALENDAR.fiscal_year_of(when)
    return Event(closing_stream(year), MonthReopened(fiscal_year=year, month=when, reason="an invoice came late"))


def grant_withdrawn(person_id: PersonId, persona: Persona, node: str = "/") -> Event:
    return Event(person_stream(person_id), GrantWithdrawn(person_id=person_id, persona=persona, node=path(node)))


def appointed(person_id: PersonId, persona: Persona, node: str = "/") -> Event:
    fact = HolderAppointed(persona=persona, node=path(node), person_id=person_id)
    return Event(holders_stream(persona, fact.node), fact)


def removed(person_id: PersonId, persona: Persona, node: str = "/") -> Event:
    fact = HolderRemoved(persona=persona, node=path(node), person_id=person_id)
    return Event(holders_stream(persona, fact.node), fact)


def deactivated(person_id: PersonId) -> Event:
    return Event(person_stream(person_id), Deactivated(person_id=person_id, reason="left"))


def reactivated(person_id: PersonId) -> Event:
    return Event(person_stream(person_id), Reactivated(person_id=person_id))


def delegated(person_id: PersonId, by: PersonId, first_day: date, last_day: date, note: str = "") -> Event:
    fact = Delegated(person_id=person_id, delegated_by=by, first_day=first_day, last_day=last_day, note=note)
    return Event(person_stream(person_id), fact)


def delegation_ended(person_id: PersonId, by: PersonId) -> Event:
    return Event(person_stream(person_id), DelegationEnded(person_id=person_id, delegated_by=by))
