"""Given these facts, when this command comes, then … : runs a decision on the real rules and folds, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid5

from domain.budget import AnnualApproved, ProductWithdrawn, line_stream
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
from rights.cedar import CedarRights

NOW = datetime(2026, 6, 17, 9, 30, tzinfo=UTC)
ORGANIZATION = Organization("USD", FiscalCalendar(1), None)
CHECKOUT = NodePath(("Retail", "Digital", "Web", "Checkout"))
SEARCH = NodePath(("Retail", "Digital", "Web", "Search"))
MONTHS = ORGANIZATION.calendar.months(2026)
RIGHTS = CedarRights()
"""The real policies, parsed once."""
READS_MAX = 5
"""Times that a rule may find more to read; one that finds more each time would never decide."""


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


def withdrawn(product: NodePath = CHECKOUT, on: date = MONTHS[5].first_day, year: int = 2026) -> Event:
    """The product leaves the budget of the year."""
    fact = ProductWithdrawn(
        fiscal_year=year,
        product=product,
        annual=Decimal(0),
        currency="USD",
        effective_on=on,
        content_hash="1" * 64,
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
    delegators: tuple[Actor, ...] = (),
) -> Decision:
    """Decides on the folded facts; raises what the rule raises."""
    given = tuple(given)
    context = Context(now, by, organization, people or {}, RIGHTS, delegators)
    rule = RULES[type(command)]
    # Nobody's grants are known before something has been read.
    without_grants = replace(context, actor=Actor(by.person_id), delegators=())
    read = dict.fromkeys(rule.reads(command, without_grants))
    for _ in range(READS_MAX):
        states = fold(given, read)
        more = dict.fromkeys(rule.reads_more(states, command, context))
        if more.keys() <= read.keys():
            return rule.decide(states, command, context)
        read |= more
    raise AssertionError(f"{command.kind} found more to read {READS_MAX} times: {list(read)}")


def fold(given: Iterable[Event], streams: Iterable[Stream]) -> States:
    states = {stream: (FOLDS[stream.category].initial, 0) for stream in streams}
    for stream, fact in given:
        if stream in states:
            state, version = states[stream]
            states[stream] = (FOLDS[stream.category].evolve(state, fact), version + 1)
    return States(states)
