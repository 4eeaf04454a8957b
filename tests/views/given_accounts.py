"""Facts of accounts on their way to a budget: occasions, proposals, departures, first bills, expectations, rules."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from domain.account import account_stream
from domain.account_facts import (
    AlignmentEnded,
    AlignmentOpened,
    AllocationProposed,
    Basis,
    Departed,
    FirstBilled,
    Occasion,
    ProposalDeclined,
    Returned,
)
from domain.account_rules import RULES_STREAM, AccountRule, RulesReplaced
from domain.account_trouble import MessageRejected, VendingFailed
from domain.allocation import AccountType, Allocation, Share
from domain.decision import Event, Persona, PersonId, Stream
from domain.expectation import Appeared, Registered, Withdrawn, expectation_stream, key_of_email, key_of_name
from domain.hierarchy import NodePath
from domain.waiting import Escalated, Overdue, Reminded, waiting_stream
from tests.views.given import ANN, BOB, path, seen_fields

LEFT_AT = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)


def shares_of(shares: dict[str, str]) -> tuple[Share, ...]:
    ordered = sorted((path(product), Decimal(percent)) for product, percent in shares.items())
    return tuple(Share(product=product, percent=percent) for product, percent in ordered)


def allocation(effective_on: date, **shares: str) -> Allocation:
    named = {f"Retail/Digital/Web/{name}": part for name, part in shares.items()}
    return Allocation(effective_on=effective_on, account_type=AccountType.PRODUCTION, shares=shares_of(named))


def returned(account_id: str, name: str = "shop", state: str = "ACTIVE") -> Event:
    return Event(account_stream(account_id), Returned.model_validate(seen_fields(account_id, name, state)))


def departed(account_id: str, how: str = "Left") -> Event:
    return Event(account_stream(account_id), Departed(account_id=account_id, how=how, at=LEFT_AT, source="sync"))


def first_billed(account_id: str, day: str = "2026-05-03") -> Event:
    first = date.fromisoformat(day)
    fact = FirstBilled(
        account_id=account_id, billing_period=f"{first:%Y-%m}", first_usage_on=first, report_version="v1"
    )
    return Event(account_stream(account_id), fact)


def opened(account_id: str, occasion: int = 1, reason: Occasion = Occasion.FIRST_SIGHT) -> Event:
    fact = AlignmentOpened(account_id=account_id, occasion=occasion, reason=reason)
    return Event(account_stream(account_id), fact)


def ended(account_id: str, occasion: int = 1, reason: str = "closed") -> Event:
    return Event(account_stream(account_id), AlignmentEnded(account_id=account_id, occasion=occasion, reason=reason))


def proposed(
    account_id: str,
    shares: dict[str, str],
    *,
    number: int = 1,
    occasion: int = 1,
    rule: str = "",
    by: PersonId | None = None,
    effective_on: date | None = None,
    note: str = "",
) -> Event:
    fact = AllocationProposed(
        account_id=account_id,
        occasion=occasion,
        proposal=number,
        account_type=AccountType.PRODUCTION,
        shares=shares_of(shares),
        effective_on=effective_on,
        basis=Basis.RULE if rule else Basis.HAND,
        rule=rule,
        proposed_by=by,
        note=note,
    )
    return Event(account_stream(account_id), fact)


def declined(account_id: str, number: int = 1, occasion: int = 1) -> Event:
    fact = ProposalDeclined(
        account_id=account_id, occasion=occasion, proposal=number, declined_by=BOB, reason="another product"
    )
    return Event(account_stream(account_id), fact)


def _waits(account_id: str, occasion: int) -> dict[str, Any]:
    subject = str(account_stream(account_id))
    return {"subject": subject, "turn": occasion, "persona": Persona.FINANCIAL_ADMIN, "node": NodePath.ROOT}


def account_reminded(account_id: str, occasion: int = 1, count: int = 1, spending_since: date | None = None) -> Event:
    fact = Reminded(**_waits(account_id, occasion), count=count, spending_since=spending_since)
    return Event(waiting_stream(account_stream(account_id)), fact)


def account_escalated(account_id: str, occasion: int = 1, reason: Overdue = Overdue.WAITED_TOO_LONG) -> Event:
    return Event(waiting_stream(account_stream(account_id)), Escalated(**_waits(account_id, occasion), reason=reason))


def expected(shares: dict[str, str], *, email: str = "", name: str = "", by: PersonId = ANN, note: str = "") -> Event:
    key = key_of_email(email) if email else key_of_name(name)
    fact = Registered(
        key=key,
        email=email,
        name=name,
        account_type=AccountType.SANDBOX,
        shares=shares_of(shares),
        registered_by=by,
        note=note,
    )
    return Event(expectation_stream(key), fact)


def appeared(key: str, account_id: str) -> Event:
    return Event(expectation_stream(key), Appeared(key=key, account_id=account_id))


def expectation_withdrawn(key: str, reason: str = "not needed") -> Event:
    return Event(expectation_stream(key), Withdrawn(key=key, reason=reason))


def rule(name: str, shares: dict[str, str], **conditions: Any) -> AccountRule:
    terms = conditions or {"any_account": True}
    return AccountRule(name=name, shares=shares_of(shares), account_type=AccountType.PRODUCTION, **terms)


def rules_replaced(*rules: AccountRule, note: str = "") -> Event:
    return Event(RULES_STREAM, RulesReplaced(rules=rules, set_by=ANN, note=note))


def vending_failed(request: str, account_name: str = "", account_id: str = "", reason: str = "EMAIL_EXISTS") -> Event:
    fact = VendingFailed(request=request, account_name=account_name, account_id=account_id, reason=reason, at=LEFT_AT)
    return Event(Stream("vending", request), fact)


def message_rejected(message_id: str, excerpt: str = '{"detail"') -> Event:
    fact = MessageRejected(message_id=message_id, reason="no JSON", excerpt=excerpt, sent_at=LEFT_AT)
    return Event(Stream("account_event", message_id), fact)
