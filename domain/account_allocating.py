"""Saying which products an account's spend belongs to: by hand, in bulk, by accepting what was proposed.

Product rules, section 5: shares add up to exactly 100 %; a first allocation reaches back to the vending date or the 1st
of the previous month, whichever is later; a remap holds from the start of a spend period; a closed month never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from domain.account import Account, account_stream, account_streams, evolve
from domain.account_facts import (
    AccountId,
    AlignmentEnded,
    AlignmentOpened,
    Allocated,
    AllocationProposed,
    Basis,
    Occasion,
)
from domain.allocation import (
    AccountType,
    Allocation,
    Share,
    Shares,
    check_from,
    checked_shares,
    default_from,
    usual_from,
)
from domain.budget_product import line_streams, require_product
from domain.calendar import Day, Month
from domain.closing import closing_stream
from domain.decision import (
    Action,
    Authority,
    Command,
    Context,
    Decision,
    Event,
    NoteText,
    Rule,
    States,
    Stream,
)
from domain.errors import NotFound, Refusal
from domain.expectation import met_by, streams_before
from domain.hierarchy import NodePath
from domain.model import Model
from domain.people import require

ROWS_MAX = 10_000
"""Allocations in one file."""
FAULTS_SHOWN_MAX = 3
"""Rows named in a refusal; whoever sent the file has got a list of all."""

KEPT = "it stays as it is allocated"


class Wish(Model):
    """How somebody would like an account to be allocated."""

    account_type: AccountType
    shares: Shares
    effective_on: Day | None = None
    """Default for a first allocation: the vending date or the 1st of the previous month, whichever is later; for a
    remap: the 1st of this month."""
    note: NoteText = ""


class AccountCommand(Command):
    """Something about one account."""

    account_id: AccountId

    @property
    def subject(self) -> Stream:
        return account_stream(self.account_id)


class AllocateAccount(AccountCommand, Wish):
    """Assigns an account's spend to products from a date on."""

    kind: Literal["account.Allocate"] = "account.Allocate"


class ProposeAllocation(AccountCommand, Wish):
    """Suggests an allocation; somebody else who may allocate accounts accepts or declines it."""

    kind: Literal["account.Propose"] = "account.Propose"


class AllocationRow(Wish):
    """One allocation of a file."""

    row: int
    """Its first line, as a spreadsheet shows it."""
    account_id: AccountId


class AllocateAccounts(Command):
    """Many allocations at once, all of them or none. Made by the activity that has read the file."""

    kind: Literal["account.AllocateAll"] = "account.AllocateAll"
    content_hash: str
    rows: Annotated[tuple[AllocationRow, ...], Field(max_length=ROWS_MAX)]

    @property
    def subject(self) -> Stream:
        return Stream("account_file", self.content_hash)


class Fault(NamedTuple):
    """What is wrong with a row."""

    row: AllocationRow
    refusal: Refusal


class Plan(NamedTuple):
    """What a file of allocations comes to."""

    allocated: Sequence[tuple[AllocationRow, Allocation]]
    """Those that change something."""
    faults: Sequence[Fault]
    first_ones: bool
    remaps: bool
    kept: Mapping[str, Account] = MappingProxyType({})
    """Accounts that stay as they are allocated."""


def decide_allocate(states: States, command: AllocateAccount, context: Context) -> Decision:
    account: Account = states[command.subject]
    authority = require_to_allocate(account, context)
    new = planned(states, account, command.account_id, command, context)
    if new in account.allocations:
        return _kept(account, command, authority)
    fact = allocated(command.account_id, new, context, note=command.note)
    message = f"Account {command.account_id} is allocated from {new.effective_on}.{until_then(account, new, context)}"
    return Decision([Event(command.subject, fact), *met_by(states, account)], message, authority)


def until_then(account: Account, new: Allocation, context: Context) -> str:
    """What a first allocation leaves out that begins in the future: a wrong year should be seen at once."""
    late = not account.allocations and new.effective_on > context.today
    return " Until then its spend is unallocated, and nobody is asked any more." if late else ""


def _kept(account: Account, command: AllocateAccount, authority: Authority) -> Decision:
    """Whoever is asked, and says what holds already, has answered."""
    if not account.is_open:
        return Decision(message=f"Account {command.account_id} is allocated like that already; nothing changed.")
    message = f"Account {command.account_id} stays as it is allocated; nobody is asked any more."
    return Decision([_ended(command.account_id, account)], message, authority)


def _ended(account_id: str, account: Account) -> Event:
    ended = AlignmentEnded(account_id=account_id, occasion=account.occasion, reason=KEPT)
    return Event(account_stream(account_id), ended)


def decide_propose(states: States, command: ProposeAllocation, context: Context) -> Decision:
    account: Account = states[command.subject]
    authority = require(context, Action.PROPOSE_ALLOCATION, NodePath.ROOT)
    new = planned(states, account, command.account_id, command, context)
    if new in account.allocations:
        return Decision(message=f"Account {command.account_id} is allocated like that already; nothing to propose.")
    events = [] if account.is_open else [_opened(command.account_id, account.occasion + 1)]
    number = account.proposals + 1
    fact = AllocationProposed(
        account_id=command.account_id,
        occasion=account.occasion + len(events),
        proposal=number,
        account_type=new.account_type,
        shares=new.shares,
        effective_on=command.effective_on,
        basis=Basis.HAND,
        proposed_by=context.actor.person_id,
        note=command.note,
    )
    message = f"Proposal {number} for account {command.account_id} awaits a decision."
    return Decision([*events, Event(command.subject, fact)], message, authority)


def _opened(account_id: str, occasion: int) -> Event:
    fact = AlignmentOpened(account_id=account_id, occasion=occasion, reason=Occasion.PROPOSED)
    return Event(account_stream(account_id), fact)


def decide_allocate_all(states: States, command: AllocateAccounts, context: Context) -> Decision:
    plan = plan_all(states, command.rows, context)
    authority = require_to_allocate_all(context, first_ones=plan.first_ones, remaps=plan.remaps)
    if plan.faults:
        shown = " ".join(f"Row {row.row}: {refusal.message}" for row, refusal in plan.faults[:FAULTS_SHOWN_MAX])
        more = f" And {len(plan.faults) - FAULTS_SHOWN_MAX:,} more." if len(plan.faults) > FAULTS_SHOWN_MAX else ""
        raise Refusal(f"No account was allocated: {shown}{more}", code="FaultyRows")
    events = [
        Event(account_stream(row.account_id), allocated(row.account_id, new, context, note=row.note))
        for row, new in plan.allocated
    ]
    unchanged = len(command.rows) - len(events)
    answered = {account_id: account for account_id, account in plan.kept.items() if account.is_open}
    events += [_ended(account_id, account) for account_id, account in answered.items()]
    events += _met(states, account_streams([row.account_id for row, _ in plan.allocated]))
    plural = "s" * (len(plan.allocated) != 1)
    there = f", {unchanged:,} {'was' if unchanged == 1 else 'were'} there already" if unchanged else ""
    message = f"{len(plan.allocated):,} allocation{plural} recorded{there}."
    return Decision(events, message, authority)


def _met(states: States, accounts: Iterable[Stream]) -> Iterable[Event]:
    """Once each, also where several accounts have the name of one that is expected."""
    return {event.stream: event for stream in accounts for event in met_by(states, states[stream])}.values()


def require_to_allocate(account: Account, context: Context) -> Authority:
    """Raises Forbidden for whoever may not allocate this account, for the first time or anew."""
    action = Action.REMAP_ACCOUNT if account.allocations else Action.ALLOCATE_ACCOUNT
    return require(context, action, NodePath.ROOT)


def require_to_allocate_all(context: Context, *, first_ones: bool = True, remaps: bool = False) -> Authority:
    """Raises Forbidden for whoever may not make first allocations or, where there are any, remaps."""
    authority = require(context, Action.REMAP_ACCOUNT if remaps else Action.ALLOCATE_ACCOUNT, NodePath.ROOT)
    if first_ones and remaps:
        require(context, Action.ALLOCATE_ACCOUNT, NodePath.ROOT)
    return authority


def plan_all(states: States, rows: Iterable[AllocationRow], context: Context) -> Plan:
    """Row by row, each on what the rows before it have led to."""
    known: dict[str, Account] = {}
    made: list[tuple[AllocationRow, Allocation]] = []
    faults: list[Fault] = []
    kept: dict[str, Account] = {}
    first_ones = remaps = False
    for row in rows:
        account: Account = known.get(row.account_id) or states[account_stream(row.account_id)]
        remaps, first_ones = remaps or bool(account.allocations), first_ones or not account.allocations
        try:
            new = planned(states, account, row.account_id, row, context)
        except Refusal as refusal:
            faults.append(Fault(row, refusal))
            continue
        if new in account.allocations:
            kept.setdefault(row.account_id, account)
        else:
            made.append((row, new))
            known[row.account_id] = evolve(account, allocated(row.account_id, new, context))
    for row, _ in made:
        kept.pop(row.account_id, None)
    return Plan(made, faults, first_ones, remaps, kept)


def planned(states: States, account: Account, account_id: str, wish: Wish, context: Context) -> Allocation:
    """The entry that a wish would make. Raises Refusal, which says what is wrong with it."""
    if account.since is None:
        raise NotFound(
            f"Account {account_id} is not known from AWS Organizations: check the id with `allot account list`, "
            "or wait for the next synchronisation.",
            code="UnknownAccount",
        )
    shares = checked_shares(wish.shares)
    if (same := _same_today(account, wish, shares, context)) is not None:
        return same
    closed = closed_months(states, wish.effective_on, context)
    chosen = wish.effective_on or default_from(
        account.since, context.today, is_remap=bool(account.allocations), closed=closed
    )
    new = Allocation(effective_on=chosen, account_type=wish.account_type, shares=shares)
    if new not in account.allocations:  # what holds already may be said again, whatever was closed or withdrawn since
        for share in shares:
            require_product(states, share.product, wish.effective_on, context)
        _check_reach(account, account_id, chosen, wish, context)
        check_from(chosen, account.allocations, closed, is_remap=bool(account.allocations))
    return new


def _same_today(account: Account, wish: Wish, shares: tuple[Share, ...], context: Context) -> Allocation | None:
    """What holds already, and nothing comes after it, where nobody asks for another day."""
    last = account.allocations[-1] if account.allocations else None
    if wish.effective_on is not None or last is None or last.effective_on > context.today:
        return None
    return last if (last.account_type, last.shares) == (wish.account_type, shares) else None


def closed_months(states: States, effective_on: date | None, context: Context) -> frozenset[Month]:
    """Closed months that an allocation from that day on could touch."""
    found: frozenset[Month] = frozenset()
    for stream in closing_streams(effective_on, context):
        found |= states[stream]
    return found


def allocated(
    account_id: str, new: Allocation, context: Context, *, note: str = "", basis: Basis = Basis.HAND
) -> Allocated:
    return Allocated(
        account_id=account_id,
        account_type=new.account_type,
        shares=new.shares,
        effective_on=new.effective_on,
        allocated_by=context.actor.person_id,
        note=note,
        basis=basis,
    )


def _check_reach(account: Account, account_id: str, chosen: date, wish: Wish, context: Context) -> None:
    since = account.since
    assert since is not None
    if account.seen and chosen < since:
        raise Refusal(
            f"Account {account_id} exists since {since}; it cannot be allocated from {chosen}.", code="BeforeVending"
        )
    usual = usual_from(since, context.today)
    if chosen < usual and not wish.note.strip():
        raise Refusal(
            f"An allocation usually reaches back to {usual} at most; one from {chosen} needs a note that says why.",
            code="NeedsNote",
        )


def closing_streams(effective_on: date | None, context: Context) -> list[Stream]:
    """Of all fiscal years from that day, or the earliest usual one, until today."""
    calendar = context.organization.calendar
    first = Month.of(effective_on) if effective_on else context.this_month.plus(-1)
    years = sorted({calendar.fiscal_year_of(month) for month in (first, context.this_month)})
    return [closing_stream(year) for year in range(years[0], years[-1] + 1)]


def reads_for(wish: Wish, context: Context) -> list[Stream]:
    """What a wish is judged by, besides the account itself."""
    lines = {
        stream: None for share in wish.shares for stream in line_streams(share.product, wish.effective_on, context)
    }
    return [*lines, *closing_streams(wish.effective_on, context)]


def _reads(command: AllocateAccount | ProposeAllocation, context: Context) -> Sequence[Stream]:
    return (command.subject, *reads_for(command, context))


def reads_for_all(rows: Iterable[AllocationRow], context: Context) -> Sequence[Stream]:
    wanted: dict[Stream, None] = {}
    for row in rows:
        wanted[account_stream(row.account_id)] = None
        wanted.update(dict.fromkeys(reads_for(row, context)))
    return tuple(wanted)


def _reads_expected(states: States, command: AllocateAccount, _context: Context) -> Sequence[Stream]:
    return streams_before(states[command.subject])


def _reads_all_expected(states: States, command: AllocateAccounts, _context: Context) -> Sequence[Stream]:
    accounts = account_streams([row.account_id for row in command.rows])
    return [stream for account in accounts for stream in streams_before(states[account])]


RULES: dict[type[Command], Rule] = {
    AllocateAccount: Rule(_reads, decide_allocate, _reads_expected),
    ProposeAllocation: Rule(_reads, decide_propose),
    AllocateAccounts: Rule(
        lambda command, context: reads_for_all(command.rows, context), decide_allocate_all, _reads_all_expected
    ),
}
