"""AWS accounts as known from Organizations, and their allocation over products (product rules, section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from domain.budget import BudgetLine, line_stream
from domain.calendar import Day, Month, starts_spend_period
from domain.decision import (
    Action,
    Command,
    Context,
    Decision,
    Event,
    Fact,
    NoteText,
    PersonId,
    Rule,
    States,
    Stream,
)
from domain.errors import NotFound, Refusal
from domain.hierarchy import PRODUCT_LEVEL, NodePath
from domain.model import Model
from domain.money import Amount, decimals_used, split, total
from domain.people import require

PERCENT_DECIMALS = 4
WHOLE_PERCENT = Decimal(100)
SHARES_MAX = 100
"""Products one account may be split over."""
OBSERVATIONS_MAX = 20
"""Accounts of one observation: a page of ListAccounts."""
TAGS_MAX = 50
"""Tags AWS allows on an account."""

AccountId = Annotated[str, StringConstraints(pattern=r"^\d{12}$")]


class AccountType(StrEnum):
    PRODUCTION = "Production"
    PRE_PRODUCTION = "Pre-Production"
    SHARED = "Shared"
    DEVELOPMENT = "Development"
    SANDBOX = "Sandbox"


class AccountSeen(Model):
    """An account as Organizations shows it."""

    account_id: AccountId
    name: str
    email: str = ""
    state: str
    """AWS: PENDING_ACTIVATION, ACTIVE, SUSPENDED, PENDING_CLOSURE or CLOSED."""
    joined_method: str = ""
    joined_at: AwareDatetime
    ou_path: str = ""
    """Names of the organizational units from the root down, such as `/Workloads/Production`."""
    tags: Annotated[dict[str, str], Field(max_length=TAGS_MAX)] | None = None
    """None where they were not read this time: then those known before still hold."""


class OrganizationSeen(Fact):
    """Which AWS organization this is, and which account pays for it."""

    fact_name: ClassVar[str] = "organization.Seen"
    organization_id: str
    management_account_id: AccountId


class Vended(AccountSeen, Fact):
    """First sight of an account."""

    fact_name: ClassVar[str] = "account.Vended"


class Changed(AccountSeen, Fact):
    """The account as it is now, where anything differs from what was known."""

    fact_name: ClassVar[str] = "account.Changed"


class Share(Model):
    """A product's part of an account, in percent."""

    product: NodePath
    percent: Amount


class Allocated(Fact):
    """From the date on, the account's spend belongs to these products."""

    fact_name: ClassVar[str] = "account.Allocated"
    account_id: AccountId
    account_type: AccountType
    shares: tuple[Share, ...]
    """Ordered by product path; the percentages add up to exactly 100."""
    effective_on: date
    allocated_by: PersonId
    note: str = ""


class Allocation(Model):
    """One entry of an account's allocation history."""

    effective_on: date
    account_type: AccountType
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Account:
    seen: AccountSeen | None = None
    allocations: tuple[Allocation, ...] = ()
    """Ordered by effective date; a later decision for the same date has taken the place of the earlier one."""


@dataclass(frozen=True, slots=True)
class AwsOrganization:
    organization_id: str = ""
    management_account_id: str = ""


def evolve(account: Account, fact: Vended | Changed | Allocated) -> Account:
    match fact:
        case Vended() | Changed():
            return replace(account, seen=AccountSeen.model_validate(fact.model_dump()))
        case Allocated():
            new = Allocation(effective_on=fact.effective_on, account_type=fact.account_type, shares=fact.shares)
            return replace(account, allocations=with_allocation(account.allocations, new))


def evolve_organization(_: AwsOrganization, fact: OrganizationSeen) -> AwsOrganization:
    return AwsOrganization(fact.organization_id, fact.management_account_id)


def account_stream(account_id: str) -> Stream:
    return Stream("account", account_id)


ORGANIZATION_STREAM = Stream("organization", "aws")
"""One installation serves one organization."""


class ObserveAccounts(Command):
    """A page of accounts as read from Organizations; only what is new or different is recorded."""

    kind: Literal["account.Observe"] = "account.Observe"
    organization_id: str
    management_account_id: AccountId
    accounts: Annotated[tuple[AccountSeen, ...], Field(max_length=OBSERVATIONS_MAX)]

    @property
    def subject(self) -> Stream:
        return ORGANIZATION_STREAM


class AllocateAccount(Command):
    """Assigns an account's spend to products from a date on."""

    kind: Literal["account.Allocate"] = "account.Allocate"
    account_id: AccountId
    account_type: AccountType
    shares: Annotated[tuple[Share, ...], Field(min_length=1, max_length=SHARES_MAX)]
    effective_on: Day | None = None
    """Default for a first allocation: the vending date or the 1st of the previous month, whichever is later."""
    note: NoteText = ""

    @property
    def subject(self) -> Stream:
        return account_stream(self.account_id)


def decide_observe(states: States, command: ObserveAccounts, context: Context) -> Decision:
    authority = require(context, Action.OBSERVE_ORGANIZATION, NodePath.ROOT)
    events = [event for seen in command.accounts if (event := _observed(states, seen))]
    seen_before: AwsOrganization = states[ORGANIZATION_STREAM]
    if (seen_before.organization_id, seen_before.management_account_id) != (
        command.organization_id,
        command.management_account_id,
    ):
        fact = OrganizationSeen(
            organization_id=command.organization_id, management_account_id=command.management_account_id
        )
        events.insert(0, Event(ORGANIZATION_STREAM, fact))
    return Decision(events, f"{len(events)} of {len(command.accounts)} accounts new or changed.", authority)


def _observed(states: States, seen: AccountSeen) -> Event | None:
    stream = account_stream(seen.account_id)
    known: Account = states[stream]
    if known.seen is None:
        return Event(stream, Vended.model_validate(seen.model_dump()))
    if seen.tags is None:
        seen = seen.model_copy(update={"tags": known.seen.tags})
    if seen == known.seen:
        return None
    return Event(stream, Changed.model_validate(seen.model_dump()))


def decide_allocate(states: States, command: AllocateAccount, context: Context) -> Decision:
    account: Account = states[command.subject]
    action = Action.REMAP_ACCOUNT if account.allocations else Action.ALLOCATE_ACCOUNT
    authority = require(context, action, NodePath.ROOT)
    if account.seen is None:
        raise NotFound(
            f"Account {command.account_id} is not known from AWS Organizations: check the id with "
            "`allot account list`, or wait for the next synchronisation.",
            code="UnknownAccount",
        )
    shares = _checked_shares(states, command, context)
    effective_on = _effective_on(account.seen, account, command, context)
    new = Allocation(effective_on=effective_on, account_type=command.account_type, shares=shares)
    if new in account.allocations:
        return Decision(message=f"Account {command.account_id} is allocated like that already; nothing changed.")
    fact = Allocated(
        account_id=command.account_id,
        account_type=command.account_type,
        shares=shares,
        effective_on=effective_on,
        allocated_by=context.actor.person_id,
        note=command.note,
    )
    message = f"Account {command.account_id} is allocated from {effective_on}."
    return Decision([Event(command.subject, fact)], message, authority)


def _checked_shares(states: States, command: AllocateAccount, context: Context) -> tuple[Share, ...]:
    products = [share.product for share in command.shares]
    if len(set(products)) < len(products):
        raise Refusal("A product may have one share of an account only.", code="DuplicateProduct")
    for share in command.shares:
        if share.percent <= 0 or decimals_used(share.percent) > PERCENT_DECIMALS:
            raise Refusal(
                f"{share.product}: a share is above 0 % with at most {PERCENT_DECIMALS} decimals, "
                f"not {share.percent} %.",
                code="WrongPercent",
            )
        lines: list[BudgetLine] = [states[stream] for stream in _line_streams(share.product, command, context)]
        if all(line.annual is None for line in lines):
            raise NotFound(
                f"There is no product {share.product} in the budget: check the path, or load its budget first.",
                code="UnknownProduct",
            )
    if (whole := total([share.percent for share in command.shares])) != WHOLE_PERCENT:
        raise Refusal(f"The shares add up to {whole} %; they must add up to exactly 100 %.", code="NotWhole")
    return tuple(sorted(command.shares, key=lambda share: share.product))


def _effective_on(seen: AccountSeen, account: Account, command: AllocateAccount, context: Context) -> date:
    vended_on = seen.joined_at.date()
    usual = max(vended_on, context.this_month.plus(-1).first_day)
    chosen = command.effective_on or (context.this_month.first_day if account.allocations else usual)
    if chosen < vended_on:
        raise Refusal(
            f"Account {command.account_id} exists since {vended_on}; it cannot be allocated from {chosen}.",
            code="BeforeVending",
        )
    if account.allocations and not starts_spend_period(chosen):
        raise Refusal(
            f"A remap takes effect at the start of a spend period, the 1st of a month or a Sunday; {chosen} is "
            f"{chosen:%A}.",
            code="NotPeriodStart",
        )
    if chosen < usual and not command.note.strip():
        raise Refusal(
            f"An allocation usually reaches back to {usual} at most; one from {chosen} needs a note that says why.",
            code="NeedsNote",
        )
    return chosen


def with_allocation(allocations: Sequence[Allocation], new: Allocation) -> tuple[Allocation, ...]:
    """The history with the new entry in its place."""
    kept = [entry for entry in allocations if entry.effective_on != new.effective_on]
    return tuple(sorted([*kept, new], key=lambda entry: entry.effective_on))


def allocation_on(allocations: Sequence[Allocation], day: date) -> Allocation | None:
    """The allocation in effect on a day; None while the account's spend is unallocated."""
    in_effect = [entry for entry in allocations if entry.effective_on <= day]
    return in_effect[-1] if in_effect else None


def intervals(allocations: Sequence[Allocation], month: Month) -> list[tuple[date, date, Allocation | None]]:
    """The month cut where the allocation changes: (first day, last day, allocation in effect)."""
    cuts = [entry.effective_on for entry in allocations if month.first_day < entry.effective_on <= month.last_day]
    starts = [month.first_day, *cuts]
    ends = [*(cut - timedelta(days=1) for cut in cuts), month.last_day]
    return [(first, last, allocation_on(allocations, first)) for first, last in zip(starts, ends, strict=True)]


def split_spend(amount: Decimal, shares: Sequence[Share], decimals: int) -> Mapping[NodePath, Decimal]:
    """Each product's part of an account's spend; adds up to the whole exactly. Shares are ordered by product path."""
    parts = split(amount, [share.percent for share in shares], decimals)
    return {share.product: part for share, part in zip(shares, parts, strict=True)}


def _line_streams(product: NodePath, command: AllocateAccount, context: Context) -> list[Stream]:
    calendar = context.organization.calendar
    months = {context.this_month, Month.of(command.effective_on or context.today)}
    years = sorted({calendar.fiscal_year_of(month) for month in months})
    return [line_stream(year, product) for year in years] if product.level == PRODUCT_LEVEL else []


def _reads_observe(command: ObserveAccounts, _context: Context) -> Sequence[Stream]:
    return (ORGANIZATION_STREAM, *(account_stream(seen.account_id) for seen in command.accounts))


def _reads_allocate(command: AllocateAccount, context: Context) -> Sequence[Stream]:
    lines = {stream: None for share in command.shares for stream in _line_streams(share.product, command, context)}
    return (command.subject, *lines)


RULES: dict[type[Command], Rule] = {
    ObserveAccounts: Rule(_reads_observe, decide_observe),
    AllocateAccount: Rule(_reads_allocate, decide_allocate),
}
FACTS: tuple[type[Fact], ...] = (OrganizationSeen, Vended, Changed, Allocated)
