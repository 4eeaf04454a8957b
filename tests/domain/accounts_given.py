"""Facts and commands of accounts, mostly of one, for the specs of their rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.account import ORGANIZATION_STREAM, Account, account_stream
from domain.account_allocating import AllocateAccount, AllocateAccounts, AllocationRow, ProposeAllocation
from domain.account_facts import (
    AccountSeen,
    AlignmentEnded,
    AlignmentOpened,
    Allocated,
    AllocationProposed,
    Basis,
    Changed,
    Departed,
    FirstBilled,
    Observed,
    Occasion,
    OrganizationSeen,
    ProposalDeclined,
    Returned,
    Vended,
)
from domain.account_observing import Departure, ObserveAccounts, RecordDepartures
from domain.account_proposals import AcceptProposal, DeclineProposal
from domain.account_rules import RULES_STREAM, AccountRule, ReplaceAccountRules, RulesReplaced
from domain.alignment import AlignAccount, EscalateAlignment, RemindAlignment
from domain.allocation import AccountType, Allocation, Share
from domain.calendar import Month
from domain.closing import MonthClosed, closing_stream
from domain.decision import Actor, Command, Event, Fact, Persona
from domain.errors import Refusal
from domain.expectation import Appeared, Registered, Withdrawn, expectation_stream
from domain.expected_account import ExpectAccounts, ExpectedAccount, WithdrawExpectation
from domain.first_bill import FirstLine, RecordFirstBills
from domain.hierarchy import NodePath
from domain.waiting import Escalated, Overdue, Reminded, waiting_stream
from tests.domain.specs import CHECKOUT, SEARCH, SYSTEM_ACTOR, actor, command_id, decide, fold, line, person

ID = "100000000001"
OTHER = "100000000002"
STREAM = account_stream(ID)
WAITING = waiting_stream(STREAM)
ENGINEER = actor("engineer", (Persona.CLOUD_ENGINEER, NodePath.ROOT))
VENDOR_MANAGER = actor("vendor", (Persona.VENDOR_MANAGER, NodePath.ROOT))
COLLEAGUE = actor("colleague", (Persona.FINANCIAL_ADMIN, NodePath.ROOT))
SEEN = AccountSeen(
    account_id=ID,
    name="shop-prod",
    email="aws+shop@example.com",
    state="ACTIVE",
    joined_at=datetime(2026, 3, 10, 12, tzinfo=UTC),
    ou_path="/Workloads/Production",
    tags={"team": "shop"},
)
ORGANIZATION = Event(ORGANIZATION_STREAM, OrganizationSeen(organization_id="o-1", management_account_id="999999999999"))
BUDGET = [line(), line(SEARCH)]


def at(minutes: int) -> datetime:
    """Minutes after the first sight of the account."""
    return datetime(2026, 6, 10, 12, tzinfo=UTC) + timedelta(minutes=minutes)


def seen(**fields: Any) -> AccountSeen:
    return AccountSeen.model_validate(SEEN.model_dump() | fields)


def shares(*percents: str, products: Sequence[NodePath] = (CHECKOUT, SEARCH)) -> tuple[Share, ...]:
    return tuple(Share(product=p, percent=Decimal(n)) for p, n in zip(products, percents, strict=False))


def entry(on: date, *percents: str) -> Allocation:
    return Allocation(effective_on=on, account_type=AccountType.SHARED, shares=shares(*percents))


# Facts


def _observed(kind: type[Observed], minutes: int | None, fields: dict[str, Any]) -> Event:
    origin = {"source": "sync", "observed_at": None if minutes is None else at(minutes)}
    fact = kind.model_validate(SEEN.model_dump() | origin | fields)
    return Event(account_stream(fact.account_id), fact)


def vended(minutes: int | None = 0, **fields: Any) -> Event:
    return _observed(Vended, minutes, fields)


def changed(minutes: int | None, *names: str, **fields: Any) -> Event:
    return _observed(Changed, minutes, fields | {"changed": names})


def returned(minutes: int, **fields: Any) -> Event:
    return _observed(Returned, minutes, fields)


def _fact(kind: type[Fact], **fields: Any) -> Event:
    fact = kind.model_validate({"account_id": ID} | fields)
    return Event(account_stream(fields.get("account_id", ID)), fact)


def departed(minutes: int, how: str = "Left", source: str = "sync") -> Event:
    return _fact(Departed, how=how, at=at(minutes), source=source)


def first_billed(on: date = date(2026, 6, 12), **fields: Any) -> Event:
    return _fact(FirstBilled, **{"billing_period": "2026-06", "first_usage_on": on, "report_version": "v1"} | fields)


def opened(occasion: int = 1, reason: Occasion = Occasion.FIRST_SIGHT, **fields: Any) -> Event:
    return _fact(AlignmentOpened, occasion=occasion, reason=reason, **fields)


def ended(occasion: int = 1, reason: str = "closed") -> Event:
    return _fact(AlignmentEnded, occasion=occasion, reason=reason)


def proposed(number: int = 1, *percents: str, by: str = "", occasion: int = 1, **fields: Any) -> Event:
    """By somebody or, where nobody is named, by a rule."""
    basis = {"basis": Basis.HAND, "proposed_by": person(by)} if by else {"basis": Basis.RULE, "rule": "web"}
    common = {"account_type": AccountType.PRODUCTION, "shares": shares(*percents or ("100",))}
    return _fact(AllocationProposed, **{"occasion": occasion, "proposal": number} | common | basis | fields)


def declined(number: int = 1, occasion: int = 1, by: str = "admin", reason: str = "no") -> Event:
    return _fact(ProposalDeclined, occasion=occasion, proposal=number, declined_by=person(by), reason=reason)


def allocated(*percents: str, on: date = date(2026, 6, 1), by: str = "admin", **fields: Any) -> Event:
    common = {"account_type": AccountType.PRODUCTION, "shares": shares(*percents or ("100",))}
    return _fact(Allocated, **common | {"effective_on": on, "allocated_by": person(by)} | fields)


def reminded(occasion: int = 1, count: int = 1, spending_since: date | None = None) -> Event:
    who = {"persona": Persona.FINANCIAL_ADMIN, "node": NodePath.ROOT, "spending_since": spending_since}
    return Event(WAITING, Reminded.model_validate({"subject": str(STREAM), "turn": occasion, "count": count, **who}))


def escalated(occasion: int = 1, reason: Overdue = Overdue.WAITED_TOO_LONG, account_id: str = ID) -> Event:
    subject = account_stream(account_id)
    who = {"persona": Persona.FINANCIAL_ADMIN, "node": NodePath.ROOT, "reason": reason}
    return Event(waiting_stream(subject), Escalated.model_validate({"subject": str(subject), "turn": occasion, **who}))


def closed(*months: Month) -> list[Event]:
    return [Event(closing_stream(m.year), MonthClosed(fiscal_year=m.year, month=m)) for m in months]


def rule(name: str = "web", **fields: Any) -> AccountRule:
    common = {"name": name, "account_type": AccountType.PRODUCTION}
    return AccountRule.model_validate(common | {"shares": shares("100"), "ou_path": "/Workloads"} | fields)


def rules(*some: AccountRule, by: str = "admin") -> Event:
    return Event(RULES_STREAM, RulesReplaced(rules=some, set_by=person(by)))


def expected(*, email: str = "", name: str = "", **fields: Any) -> ExpectedAccount:
    common = {"email": email, "name": name, "account_type": AccountType.PRODUCTION, "shares": shares("100")}
    return ExpectedAccount.model_validate(common | fields)


def registered(account: ExpectedAccount, by: str = "engineer") -> Event:
    fields = account.model_dump() | {"key": account.key, "registered_by": person(by)}
    return Event(expectation_stream(account.key), Registered.model_validate(fields))


def appeared(key: str, account_id: str = ID) -> Event:
    return Event(expectation_stream(key), Appeared(key=key, account_id=account_id))


def not_expected(key: str, reason: str = "another plan") -> Event:
    return Event(expectation_stream(key), Withdrawn(key=key, reason=reason))


OPEN = [ORGANIZATION, vended(), opened(), *BUDGET]
"""Known since minute 0, and nobody has said yet where it belongs."""
ALIGNED = [*OPEN, allocated("100")]


# Commands


def _command(kind: type[Command], **fields: Any) -> Any:
    return kind.model_validate({"command_id": command_id(), "actor": "x"} | fields)


def observe(*some: AccountSeen, minutes: int | None = None, source: str = "sync") -> ObserveAccounts:
    when = None if minutes is None else at(minutes)
    organization = {"organization_id": "o-1", "management_account_id": "999999999999"}
    found: ObserveAccounts = _command(
        ObserveAccounts, **organization, accounts=some or (SEEN,), observed_at=when, source=source
    )
    return found


def departure(minutes: int, account_id: str = ID, how: str = "Left") -> Departure:
    return Departure(account_id=account_id, how=how, at=at(minutes))


def depart(*some: Departure, minutes: int, source: str = "sync") -> RecordDepartures:
    found: RecordDepartures = _command(RecordDepartures, departures=some, observed_at=at(minutes), source=source)
    return found


def _wish(percents: Sequence[str], fields: dict[str, Any]) -> dict[str, Any]:
    products = fields.pop("products", (CHECKOUT, SEARCH))
    wished = shares(*percents or ("100",), products=products)
    return {"account_id": ID, "account_type": AccountType.PRODUCTION, "shares": wished} | fields


def allocate(*percents: str, on: date | None = None, **fields: Any) -> AllocateAccount:
    found: AllocateAccount = _command(AllocateAccount, effective_on=on, **_wish(percents, fields))
    return found


def propose(*percents: str, on: date | None = None, **fields: Any) -> ProposeAllocation:
    found: ProposeAllocation = _command(ProposeAllocation, effective_on=on, **_wish(percents, fields))
    return found


def row(number: int, *percents: str, on: date | None = None, **fields: Any) -> AllocationRow:
    return AllocationRow.model_validate({"row": number, "effective_on": on} | _wish(percents, fields))


def allocate_all(*rows: AllocationRow) -> AllocateAccounts:
    found: AllocateAccounts = _command(AllocateAccounts, content_hash="0" * 64, rows=rows)
    return found


def accept(proposal: int = 1, note: str = "") -> AcceptProposal:
    found: AcceptProposal = _command(AcceptProposal, account_id=ID, proposal=proposal, note=note)
    return found


def decline(proposal: int = 1, reason: str = "no") -> DeclineProposal:
    found: DeclineProposal = _command(DeclineProposal, account_id=ID, proposal=proposal, reason=reason)
    return found


def align(occasion: int = 1, *coded: NodePath) -> AlignAccount:
    found: AlignAccount = _command(AlignAccount, account_id=ID, occasion=occasion, coded=coded)
    return found


def remind(occasion: int = 1, count: int = 1) -> RemindAlignment:
    found: RemindAlignment = _command(RemindAlignment, account_id=ID, occasion=occasion, count=count)
    return found


def escalate(occasion: int = 1) -> EscalateAlignment:
    found: EscalateAlignment = _command(EscalateAlignment, account_id=ID, occasion=occasion)
    return found


def first_bills(*lines: tuple[str, date]) -> RecordFirstBills:
    found: RecordFirstBills = _command(
        RecordFirstBills,
        billing_period=Month(2026, 6),
        report_version="v1",
        accounts=[FirstLine(account_id=account_id, first_usage_on=day) for account_id, day in lines],
    )
    return found


def replace_rules(*some: AccountRule, note: str = "") -> ReplaceAccountRules:
    found: ReplaceAccountRules = _command(ReplaceAccountRules, rules=some, note=note)
    return found


def expect(*accounts: ExpectedAccount, known: dict[str, str] | None = None) -> ExpectAccounts:
    found: ExpectAccounts = _command(ExpectAccounts, accounts=accounts, known=known or {})
    return found


def withdraw(**fields: str) -> WithdrawExpectation:
    found: WithdrawExpectation = _command(WithdrawExpectation, **{"reason": "another plan"} | fields)
    return found


# What comes of it


def events(command: Command, by: Actor, given: Iterable[Event], **how: Any) -> list[Event]:
    return list(decide(command, by, given, **how).events)


def by_allot(command: Command, given: Iterable[Event], **how: Any) -> list[Event]:
    return events(command, SYSTEM_ACTOR, given, **how)


def refused(command: Command, by: Actor, given: Iterable[Event], **how: Any) -> Refusal:
    """The refusal; it is a failure where the command is allowed."""
    with pytest.raises(Refusal) as caught:
        decide(command, by, given, **how)
    return caught.value


def account_of(facts: Iterable[Event], account_id: str = ID) -> Account:
    stream = account_stream(account_id)
    found: Account = fold(facts, [stream])[stream]
    return found
