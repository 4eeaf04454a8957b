"""Saying which accounts are expected before they are vended, and which are not any more (product rules, section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from domain.account import Account, account_stream
from domain.account_facts import AccountId
from domain.allocation import AccountType, Shares, checked_shares
from domain.budget_product import line_streams, require_product
from domain.decision import (
    PERSON_REFERENCE_CHARS_MAX,
    Action,
    Command,
    Context,
    Decision,
    Event,
    LineText,
    NoteText,
    ReasonText,
    Rule,
    States,
    Stream,
)
from domain.errors import NotFound, Refusal
from domain.expectation import (
    Expectation,
    Registered,
    Withdrawn,
    expectation_stream,
    key_of_email,
    key_of_name,
    streams_for,
)
from domain.hierarchy import NodePath
from domain.model import Model
from domain.people import require

EXPECTED_MAX = 5_000
"""Accounts registered at once."""
ACCOUNT_NAME_CHARS_MAX = 50
"""Characters of an account's name, as AWS limits it."""
FAULTS_SHOWN_MAX = 3

AccountName = Annotated[LineText, Field(max_length=ACCOUNT_NAME_CHARS_MAX)]
AccountEmail = Annotated[LineText, Field(max_length=PERSON_REFERENCE_CHARS_MAX)]


class ExpectedAccount(Model):
    """An account that is to appear, and what becomes of its spend then."""

    email: AccountEmail = ""
    name: AccountName = ""
    account_type: AccountType
    shares: Shares
    note: NoteText = ""

    @model_validator(mode="after")
    def _recognisable(self) -> Self:
        if not (self.email.strip() or self.name.strip()):
            raise ValueError("an expected account is recognised by its e-mail address or its name: give one of them")
        return self

    @property
    def key(self) -> str:
        """By which it is recognised: the address where there is one, because AWS takes each only once."""
        return key_of_email(self.email) if self.email.strip() else key_of_name(self.name)


class ExpectAccounts(Command):
    """Registers accounts before they are vended: all of them, or none."""

    kind: Literal["expected_account.Register"] = "expected_account.Register"
    hints: ClassVar[frozenset[str]] = frozenset({"known"})
    accounts: Annotated[tuple[ExpectedAccount, ...], Field(min_length=1, max_length=EXPECTED_MAX)]
    known: dict[str, AccountId] = {}
    """Accounts that seem to be there already, by the key under which they would be expected."""

    @property
    def subject(self) -> Stream:
        return expectation_stream(self.accounts[0].key)


class WithdrawExpectation(Command):
    """An account is not expected any more, with a reason."""

    kind: Literal["expected_account.Withdraw"] = "expected_account.Withdraw"
    email: AccountEmail = ""
    name: AccountName = ""
    reason: ReasonText

    @property
    def key(self) -> str:
        return key_of_email(self.email) if self.email.strip() else key_of_name(self.name)

    @property
    def subject(self) -> Stream:
        return expectation_stream(self.key)


def decide_expect(states: States, command: ExpectAccounts, context: Context) -> Decision:
    authority = require(context, Action.ALLOCATE_ACCOUNT, NodePath.ROOT)
    keys = [account.key for account in command.accounts]
    if twice := next((key for key, n in _counted(keys) if n > 1), None):
        raise Refusal(f"The account {_shown(twice)} is named twice: leave one of them out.", code="DuplicateAccount")
    events: list[Event] = []
    faults: list[str] = []
    for account in command.accounts:
        try:
            events += _registered(states, account, command, context)
        except Refusal as refusal:
            faults.append(f"{_shown(account.key)}: {refusal.message}")
    if faults:
        more = f" And {len(faults) - FAULTS_SHOWN_MAX:,} more." if len(faults) > FAULTS_SHOWN_MAX else ""
        raise Refusal(
            f"No account was registered: {' '.join(faults[:FAULTS_SHOWN_MAX])}{more}", code="FaultyExpectations"
        )
    left = len(command.accounts) - len(events)
    plural = "s" * (len(events) != 1)
    message = f"{len(events):,} expected account{plural} registered" + (
        f"; {left:,} registered like that, or allocated, already." if left else "."
    )
    return Decision(events, message, authority)


def _registered(states: States, account: ExpectedAccount, command: ExpectAccounts, context: Context) -> Sequence[Event]:
    """Nothing for what is registered like that already, or is an account that is there and allocated."""
    shares = checked_shares(account.shares)
    for share in shares:
        require_product(states, share.product, None, context)
    fact = Registered(
        key=account.key,
        email=account.email.strip(),
        name=account.name.strip(),
        account_type=account.account_type,
        shares=shares,
        registered_by=context.actor.person_id,
        note=account.note,
    )
    known: Expectation = states[expectation_stream(account.key)]
    if known.waiting and known.waiting.model_copy(update={"registered_by": fact.registered_by}) == fact:
        return ()
    there = [account_id for account_id in (known.met_by, command.known.get(account.key, "")) if account_id]
    if any(_is_allocated(states, account_id, account) for account_id in there):
        return ()
    return (Event(expectation_stream(account.key), fact),)


def _is_allocated(states: States, account_id: str, expectation: ExpectedAccount) -> bool:
    """Whether that account is the one that is expected, and has its allocation."""
    account: Account = states[account_stream(account_id)] if account_stream(account_id) in states else Account()
    seen = account.seen
    return bool(account.allocations) and seen is not None and expectation_stream(expectation.key) in streams_for(seen)


def decide_withdraw(states: States, command: WithdrawExpectation, context: Context) -> Decision:
    authority = require(context, Action.ALLOCATE_ACCOUNT, NodePath.ROOT)
    expectation: Expectation = states[command.subject]
    if expectation.waiting is None:
        met = f" It appeared as account {expectation.met_by}." if expectation.met_by else ""
        raise NotFound(
            f"No account {_shown(command.key)} is expected: see `allot account expected`.{met}", code="NotExpected"
        )
    fact = Withdrawn(key=command.key, reason=command.reason)
    return Decision(
        [Event(command.subject, fact)], f"The account {_shown(command.key)} is not expected any more.", authority
    )


def _counted(keys: Iterable[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    return list(counts.items())


def _shown(key: str) -> str:
    return key.partition(":")[2]


def _reads(command: ExpectAccounts, context: Context) -> Sequence[Stream]:
    wanted: dict[Stream, None] = {}
    for account in command.accounts:
        wanted[expectation_stream(account.key)] = None
        for share in account.shares:
            wanted.update(dict.fromkeys(line_streams(share.product, None, context)))
    wanted.update({account_stream(account_id): None for account_id in command.known.values()})
    return tuple(wanted)


def _reads_more(states: States, command: ExpectAccounts, _context: Context) -> Sequence[Stream]:
    """The accounts that have appeared under them."""
    met = [states[expectation_stream(account.key)].met_by for account in command.accounts]
    return tuple(account_stream(account_id) for account_id in met if account_id)


RULES: dict[type[Command], Rule] = {
    ExpectAccounts: Rule(_reads, decide_expect, _reads_more),
    WithdrawExpectation: Rule(lambda command, _context: (command.subject,), decide_withdraw),
}
