"""The first bill of an account: from ALIGNED to BILLING, or to spending without an allocation.

Product rules, section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from domain.account import Account, account_stream
from domain.account_facts import AccountId, AlignmentOpened, FirstBilled, Occasion
from domain.alignment import escalated
from domain.calendar import Month
from domain.cost import period_stream
from domain.decision import Command, Context, Decision, Event, Rule, States, Stream
from domain.errors import Forbidden
from domain.model import Model
from domain.waiting import Overdue, Waiting, waiting_stream

FIRST_LINES_MAX = 500
"""Accounts of one command; a report of an organization with more takes several."""


class FirstLine(Model):
    """An account that a cost report has lines of."""

    account_id: AccountId
    first_usage_on: date


class RecordFirstBills(Command):
    """Accounts of an imported report version. Made by Allot itself; never accepted from outside."""

    kind: Literal["account.RecordFirstBills"] = "account.RecordFirstBills"
    billing_period: Month
    report_version: str
    accounts: Annotated[tuple[FirstLine, ...], Field(min_length=1, max_length=FIRST_LINES_MAX)]

    @property
    def subject(self) -> Stream:
        return period_stream(self.billing_period)


def decide_first_bills(states: States, command: RecordFirstBills, context: Context) -> Decision:
    if not context.actor.is_system:
        raise Forbidden("Only Allot itself records what a cost report has shown first.", code="SystemOnly")
    events: list[Event] = []
    billed = 0
    for line in {one.account_id: one for one in command.accounts}.values():
        account: Account = states[account_stream(line.account_id)]
        if not is_news(account, line):
            continue
        events.append(_billed(line, command))
        if account.first_billed_on is None:
            billed += 1
            events += _consequences(states, account, line)
    plural = "s were" if billed != 1 else " was"
    return Decision(events, f"{billed:,} account{plural} billed for the first time.")


def is_news(account: Account, line: FirstLine) -> bool:
    """Months may be imported in any order: an earlier day is news, too."""
    return account.first_billed_on is None or line.first_usage_on < account.first_billed_on


def _billed(line: FirstLine, command: RecordFirstBills) -> Event:
    fact = FirstBilled(
        account_id=line.account_id,
        billing_period=str(command.billing_period),
        first_usage_on=line.first_usage_on,
        report_version=command.report_version,
    )
    return Event(account_stream(line.account_id), fact)


def _consequences(states: States, account: Account, line: FirstLine) -> list[Event]:
    """Spend that belongs to nobody does not wait for business days."""
    if account.allocations:
        return []
    events: list[Event] = []
    stream = account_stream(line.account_id)
    occasion = account.occasion
    if not account.is_open:
        occasion += 1
        opened = AlignmentOpened(account_id=line.account_id, occasion=occasion, reason=Occasion.SPENDING)
        events.append(Event(stream, opened))
    waiting: Waiting = states[waiting_stream(stream)]
    if not waiting.escalated(occasion):
        events.append(escalated(line.account_id, occasion, Overdue.SPENDING))
    return events


def _reads(command: RecordFirstBills, _context: Context) -> Sequence[Stream]:
    accounts = [account_stream(line.account_id) for line in command.accounts]
    return (*accounts, *map(waiting_stream, accounts))


RULES: dict[type[Command], Rule] = {RecordFirstBills: Rule(_reads, decide_first_bills)}
