"""Getting an account aligned: what Allot does on its own in an occasion, and what time does (product rules, section 5).

Whoever was expected is allocated the moment they appear; else the first rule that fits suggests an allocation, or
applies it where it says so; else somebody has the task, with reminders and escalation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from domain.account import Account, account_stream
from domain.account_allocating import AccountCommand, Wish, allocated, closing_streams, planned
from domain.account_facts import AlignmentEnded, Allocated, AllocationProposed, Basis
from domain.account_rules import (
    RULES_STREAM,
    AccountRules,
    Suggestion,
    as_product,
    requested_codes,
    resolver,
    suggestion_for,
)
from domain.allocation import Allocation
from domain.budget_product import line_streams
from domain.decision import Command, Context, Decision, Event, Persona, Rule, States, Stream
from domain.errors import Forbidden, Refusal
from domain.expectation import Registered, expected, met_by, streams_for
from domain.hierarchy import NodePath
from domain.waiting import REMINDERS_MAX, Escalated, Overdue, Reminded, Waiting, waiting_stream

SAME = "it is allocated like that already"


class AlignmentStep(AccountCommand):
    """What Allot itself does in an occasion; never accepted from outside."""

    occasion: int


class AlignAccount(AlignmentStep):
    """Looks whether the account was expected, or a rule says where it belongs."""

    kind: Literal["account.Align"] = "account.Align"
    hints: ClassVar[frozenset[str]] = frozenset({"coded"})
    coded: tuple[NodePath, ...] = ()
    """Products that seem to have a code which the account's tags name."""


class RemindAlignment(AlignmentStep):
    """Reminds whoever has to allocate the account."""

    kind: Literal["account.Remind"] = "account.Remind"
    count: int


class EscalateAlignment(AlignmentStep):
    """Gives the task to the cloud engineers, too, who may make a first allocation."""

    kind: Literal["account.Escalate"] = "account.Escalate"


def decide_align(states: States, command: AlignAccount, context: Context) -> Decision:
    account = _waiting_account(states, command, context)
    if account is None:
        return Decision(message="The occasion is over.")
    registered = expected(states, account.seen) if account.seen and not account.allocations else None
    if registered is not None:
        return _appeared(states, account, command, registered, context)
    if account.seen is None or account.is_over:  # rules are for what is there, and can be looked at
        return Decision(message="No rule is asked about an account that is not in the organization.")
    if account.proposal is not None and account.proposal.basis is not Basis.RULE:
        return Decision(message="No rule is asked while what somebody proposed waits for a decision.")
    rules: AccountRules = states[RULES_STREAM]
    suggested = suggestion_for(rules.rules, account.seen, resolver(states, context, command.coded))
    if suggested is None:
        return Decision(message="No rule takes this account; somebody has to allocate it.")
    return _suggested(states, account, command, suggested, rules, context)


def _appeared(
    states: States, account: Account, command: AlignAccount, registered: Registered, context: Context
) -> Decision:
    """Allocated on the authority of whoever registered it."""
    wish = Wish(account_type=registered.account_type, shares=registered.shares, note=registered.note)
    try:
        new = planned(states, account, command.account_id, wish, context)
    except Refusal as refusal:
        return Decision(message=f"It was expected, but cannot be allocated like that: {refusal.message}")
    shown = registered.key.partition(":")[2]
    fact = _allocated(command, new, context, Basis.EXPECTED, shown).model_copy(
        update={"allocated_by": registered.registered_by, "note": registered.note}
    )
    events = [Event(command.subject, fact), *met_by(states, account)]
    return Decision(events, f"Expected: account {command.account_id} is allocated from {new.effective_on}.")


def _suggested(
    states: States,
    account: Account,
    command: AlignAccount,
    suggested: Suggestion,
    rules: AccountRules,
    context: Context,
) -> Decision:
    rule = suggested.rule
    wish = Wish(account_type=rule.account_type, shares=suggested.shares)
    try:
        new = planned(states, account, command.account_id, wish, context)
    except Refusal as refusal:
        return Decision(message=f"Rule {rule.name!r} takes this account, but: {refusal.message}")
    last = account.allocations[-1] if account.allocations else None
    if last is not None and suggested.allocation == (last.account_type, last.shares):
        ended = AlignmentEnded(account_id=command.account_id, occasion=command.occasion, reason=SAME)
        return Decision([Event(command.subject, ended)], f"Rule {rule.name!r} takes this account: {SAME}.")
    if rule.apply and suggested.allocation not in account.declined:
        fact = _allocated(command, new, context, Basis.RULE, rule.name)
        if rules.set_by is not None:
            fact = fact.model_copy(update={"allocated_by": rules.set_by})
        message = f"Rule {rule.name!r} applied: account {command.account_id} is allocated from {new.effective_on}."
        return Decision([Event(command.subject, fact)], message)
    return _proposed(account, command, suggested)


def _proposed(account: Account, command: AlignAccount, suggested: Suggestion) -> Decision:
    """Once, and not again what was declined."""
    pending = account.proposal
    if suggested.allocation in account.declined or (
        pending is not None and (pending.account_type, pending.shares) == suggested.allocation
    ):
        return Decision(message="There is nothing new to propose.")
    fact = AllocationProposed(
        account_id=command.account_id,
        occasion=command.occasion,
        proposal=account.proposals + 1,
        account_type=suggested.rule.account_type,
        shares=suggested.shares,
        basis=Basis.RULE,
        rule=suggested.rule.name,
    )
    return Decision([Event(command.subject, fact)], f"Rule {suggested.rule.name!r} suggests an allocation.")


def _allocated(command: AlignAccount, new: Allocation, context: Context, basis: Basis, rule: str) -> Allocated:
    return allocated(command.account_id, new, context, basis=basis).model_copy(update={"rule": rule})


def decide_remind(states: States, command: RemindAlignment, context: Context) -> Decision:
    """Nothing where the occasion is over, or where somebody was reminded that often already."""
    waiting: Waiting = states[waiting_stream(command.subject)]
    account = _waiting_account(states, command, context)
    if account is None or waiting.reminded(command.occasion) >= min(command.count, REMINDERS_MAX):
        return Decision(message="There is nobody to be reminded.")
    fact = Reminded(
        subject=str(command.subject),
        turn=command.occasion,
        count=command.count,
        persona=Persona.FINANCIAL_ADMIN,
        node=NodePath.ROOT,
        spending_since=account.first_billed_on if account.spends_unallocated else None,
    )
    return Decision([Event(waiting_stream(command.subject), fact)], "Reminded.")


def decide_escalate(states: States, command: EscalateAlignment, context: Context) -> Decision:
    waiting: Waiting = states[waiting_stream(command.subject)]
    if _waiting_account(states, command, context) is None or waiting.escalated(command.occasion):
        return Decision(message="There is nothing to escalate.")
    return Decision([escalated(command.account_id, command.occasion, Overdue.WAITED_TOO_LONG)], "Escalated.")


def escalated(account_id: str, occasion: int, reason: Overdue) -> Event:
    subject = account_stream(account_id)
    fact = Escalated(
        subject=str(subject), turn=occasion, persona=Persona.FINANCIAL_ADMIN, node=NodePath.ROOT, reason=reason
    )
    return Event(waiting_stream(subject), fact)


def _waiting_account(states: States, command: AlignmentStep, context: Context) -> Account | None:
    """None where this occasion is over."""
    if not context.actor.is_system:
        raise Forbidden("Only Allot itself aligns by rules, reminds and escalates.", code="SystemOnly")
    account: Account = states[command.subject]
    return account if account.is_open and account.occasion == command.occasion else None


def _reads(command: AlignmentStep, _context: Context) -> Sequence[Stream]:
    return (command.subject, waiting_stream(command.subject))


def _reads_align(command: AlignAccount, context: Context) -> Sequence[Stream]:
    coded = [stream for product in command.coded for stream in line_streams(product, None, context)]
    return (command.subject, RULES_STREAM, *coded)


def _reads_more(states: States, command: AlignAccount, context: Context) -> Sequence[Stream]:
    """Under what the account may be expected; the products that are named there, by rules and by its own tags."""
    account: Account = states[command.subject]
    if account.seen is None or not account.is_open:
        return ()
    rules: AccountRules = states[RULES_STREAM]
    expectations = streams_for(account.seen)
    registered = [states[stream].waiting for stream in expectations if stream in states]
    named = [share.product for one in registered if one for share in one.shares]
    named += [share.product for rule in rules.rules for share in rule.shares]
    named += [product for code in requested_codes(rules.rules, account.seen) if (product := as_product(code))]
    lines = [stream for product in dict.fromkeys(named) for stream in line_streams(product, None, context)]
    return (*expectations, *lines, *closing_streams(None, context))


RULES: dict[type[Command], Rule] = {
    AlignAccount: Rule(_reads_align, decide_align, _reads_more),
    RemindAlignment: Rule(_reads, decide_remind),
    EscalateAlignment: Rule(_reads, decide_escalate),
}
