"""Given these facts, when this command comes, then … : runs a decision on the real rules and folds, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid5

from domain.budget import AnnualApproved, line_stream
from domain.calendar import FiscalCalendar, Month
from domain.decision import (
    NAMESPACE,
    SYSTEM_ID,
    Actor,
    Command,
    Context,
    Decision,
    Event,
    Grant,
    Organization,
    Persona,
    PersonId,
    States,
    Stream,
)
from domain.hierarchy import NodePath
from domain.registry import FOLDS, RULES

NOW = datetime(2026, 6, 17, 9, 30, tzinfo=UTC)
ORGANIZATION = Organization("USD", FiscalCalendar(1), None)
CHECKOUT = NodePath(("Retail", "Digital", "Web", "Checkout"))
SEARCH = NodePath(("Retail", "Digital", "Web", "Search"))
MONTHS = ORGANIZATION.calendar.months(2026)


def person(name: str) -> PersonId:
    return PersonId(uuid5(NAMESPACE, f"test/{name}"))


def actor(name: str, *grants: tuple[Persona, NodePath]) -> Actor:
    return Actor(person(name), frozenset(Grant(persona, node) for persona, node in grants))


SYSTEM_ACTOR = Actor(SYSTEM_ID)
ADMIN = actor("admin", (Persona.FINANCIAL_ADMIN, NodePath.ROOT))
OWNER = actor("owner", (Persona.PRODUCT_OWNER, CHECKOUT))
LEAD = actor("lead", (Persona.PORTFOLIO_OWNER, CHECKOUT.portfolio))


def line(product: NodePath = CHECKOUT, annual: str = "1200.00", year: int = 2026) -> Event:
    fact = AnnualApproved(
        fiscal_year=year,
        product=product,
        annual=Decimal(annual),
        currency="USD",
        effective_on=MONTHS[0].first_day,
        content_hash="0" * 64,
    )
    return Event(line_stream(year, product), fact)


def amounts(each: str = "100.00") -> dict[Month, Decimal]:
    return {month: Decimal(each) for month in MONTHS}


def command_id(name: str = "one") -> UUID:
    return uuid5(NAMESPACE, f"test-command/{name}")


def decide(
    command: Command,
    by: Actor,
    given: Iterable[Event] = (),
    *,
    now: datetime = NOW,
    organization: Organization = ORGANIZATION,
    people: dict[str, PersonId] | None = None,
) -> Decision:
    """Decides on the folded facts; raises what the rule raises."""
    context = Context(now, by, organization, people or {})
    rule = RULES[type(command)]
    read = rule.reads(command, context)
    return rule.decide(fold(given, read), command, context)


def fold(given: Iterable[Event], streams: Iterable[Stream]) -> States:
    states = {stream: (FOLDS[stream.category].initial, 0) for stream in streams}
    for stream, fact in given:
        if stream in states:
            state, version = states[stream]
            states[stream] = (FOLDS[stream.category].evolve(state, fact), version + 1)
    return States(states)
