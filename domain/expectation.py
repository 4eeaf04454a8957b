"""Accounts that are expected: registered before they are vended, aligned the moment they appear.

Product rules, section 5. One stream per expectation, by the e-mail address that the account is requested with or, where
nobody knows it, by its name. An expectation is met once, by the first account under it that gets its first allocation:
from the expectation, or from somebody who was faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from domain.account import Account
from domain.account_facts import AccountId, AccountSeen
from domain.allocation import AccountType, Share
from domain.decision import Event, Fact, PersonId, States, Stream


class Registered(Fact):
    """An account is expected; when it appears, it is allocated like that."""

    fact_name: ClassVar[str] = "expected_account.Registered"
    key: str
    email: str
    name: str
    account_type: AccountType
    shares: tuple[Share, ...]
    registered_by: PersonId
    note: str = ""


class Withdrawn(Fact):
    """The account is not expected any more."""

    fact_name: ClassVar[str] = "expected_account.Withdrawn"
    key: str
    reason: str


class Appeared(Fact):
    """The account that was expected is there."""

    fact_name: ClassVar[str] = "expected_account.Appeared"
    key: str
    account_id: AccountId


@dataclass(frozen=True, slots=True)
class Expectation:
    waiting: Registered | None = None
    """What is expected; None before, and once it is over."""
    met_by: str = ""
    """Account id of the last account that appeared under it."""


type ExpectationFact = Registered | Withdrawn | Appeared


def evolve(expectation: Expectation, fact: ExpectationFact) -> Expectation:
    match fact:
        case Registered():
            return Expectation(fact, expectation.met_by)
        case Withdrawn():
            return Expectation(None, expectation.met_by)
        case Appeared():
            return Expectation(None, fact.account_id)


def key_of_email(email: str) -> str:
    return f"email:{email.strip().lower()}"


def key_of_name(name: str) -> str:
    return f"name:{name.strip()}"


def expectation_stream(key: str) -> Stream:
    return Stream("expected_account", key)


def streams_for(seen: AccountSeen) -> tuple[Stream, ...]:
    """Under which an account may be expected: by its address first."""
    keys = [key_of_email(seen.email)] if seen.email.strip() else []
    keys += [key_of_name(seen.name)] if seen.name.strip() else []
    return tuple(expectation_stream(key) for key in keys)


def expected(states: States, seen: AccountSeen) -> Registered | None:
    """What was registered for this account, and waits for it."""
    found = (states[stream].waiting for stream in streams_for(seen))
    return next((registered for registered in found if registered is not None), None)


def streams_before(account: Account) -> Sequence[Stream]:
    """What to read before an allocation: under what the account may be expected, as long as it has none."""
    return streams_for(account.seen) if account.seen and not account.allocations else ()


def met_by(states: States, account: Account) -> list[Event]:
    """That the account was expected, and is there: beside its first allocation, whoever makes it."""
    registered = expected(states, account.seen) if account.seen and not account.allocations else None
    if registered is None or account.seen is None:
        return []
    fact = Appeared(key=registered.key, account_id=account.seen.account_id)
    return [Event(expectation_stream(registered.key), fact)]


FACTS: tuple[type[Fact], ...] = (Registered, Withdrawn, Appeared)
