"""An account as `allot account show` prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import ConsoleRenderable
from rich.text import Text

from command_line.account_terms import told
from command_line.output import Column, age, moment, safe, table
from command_line.session import Session
from domain.account import Lifecycle
from domain.actor import SYSTEM_ID
from views.account_models import AccountDetail, AllocationDetail
from views.models import AuditEntry

EVENTS_SHOWN_MAX = 30
"""Last ones; `allot audit` has all of them."""
A_SECOND = timedelta(seconds=1)
_WORDS = {
    Lifecycle.VENDED: "known, and not allocated yet",
    Lifecycle.PROPOSED: "known, and an allocation is proposed",
    Lifecycle.ALIGNED: "allocated, and not billed yet",
    Lifecycle.BILLING: "allocated and billed",
    Lifecycle.SPENDING: "billed, and the money belongs to nobody's budget",
    Lifecycle.SUSPENDED: "suspended, or on its way to be closed",
    Lifecycle.CLOSED: "closed",
    Lifecycle.DEPARTED: "not in the organization any more",
    Lifecycle.UNKNOWN: "billed, and AWS Organizations has never shown it",
}
_HISTORY = (
    Column("From"),
    Column("Until"),
    Column("Status"),
    Column("Type"),
    Column("Products", fold=True),
    Column("By", fold=True),
    Column("Note", fold=True),
)


def shown_account(
    account: AccountDetail, allocations: Sequence[AllocationDetail], happened: Sequence[AuditEntry], session: Session
) -> Iterable[ConsoleRenderable | str]:
    yield Text(f"{account.account_id}  {safe(account.name)}", style="bold")
    yield f"{account.lifecycle}: {_WORDS[account.lifecycle]}"
    yield from _seen(account)
    yield ""
    yield from _times(account)
    yield from _waiting(account)
    if allocations:
        yield ""
        yield table("Allocations", _HISTORY, (_allocation(one) for one in allocations))
    yield ""
    yield from _events(account, happened)


def _seen(account: AccountDetail) -> Iterator[str]:
    if account.joined_at is None:
        return
    how = f", {account.joined_method.lower()}" if account.joined_method else ""
    yield f"In {account.ou_path or '/'}, {account.state}{how}, {account.email}"
    if account.tags:
        yield "Tags: " + ", ".join(f"{key}={value}" for key, value in sorted(account.tags.items()))
    if account.departed_at:
        yield f"Left the organization at {moment(account.departed_at)} ({account.departed_how})"


def _times(account: AccountDetail) -> Iterator[str]:
    """From vending on: what customers cannot get from the bill."""
    since = account.joined_at
    source = f", by {account.source}" if account.source else ""
    yield f"Vended      {moment(since) or 'unknown'}"
    yield f"Known       {_after(account.first_seen_at, since) or 'from a cost report alone'}{source}"
    yield f"Aligned     {_after(account.aligned_at, since) or 'not yet'}"
    usage = f", for usage of {account.first_billed_on}" if account.first_billed_on else ""
    yield f"First bill  {(_after(account.billed_at, since) or 'none yet') + usage}"


def _after(at: datetime | None, since: datetime | None) -> str:
    if at is None:
        return ""
    if since is None or at < since:
        return moment(at)
    passed = at - since
    return f"{moment(at)}, {'within a second' if passed < A_SECOND else f'{age(passed)} after vending'}"


def _waiting(account: AccountDetail) -> Iterator[str]:
    if account.open_reason:
        times = "once" if account.reminders == 1 else f"{account.reminders:,} times"
        more = f", reminded {times}" if account.reminders else ""
        more += f", escalated at {moment(account.escalated_at)}" if account.escalated_at else ""
        yield ""
        yield f"Waits for an allocation since {moment(account.opened_at)}: {account.open_reason}{more}"
    if proposal := account.proposal:
        by = f"the rule {proposal.rule!r}" if proposal.rule else proposal.proposed_by_name
        since = f" from {proposal.effective_on}" if proposal.effective_on else ""
        note = f" “{proposal.note}”" if proposal.note else ""
        what = f"{'; '.join(told(proposal.shares))}, {proposal.account_type}{since}"
        yield f"Proposal {proposal.number} by {by}: {what}.{note}"
        yield f"  allot account accept {account.account_id} --proposal {proposal.number} --as EMAIL"
        yield f"  allot account decline {account.account_id} --proposal {proposal.number} --reason WHY --as EMAIL"
    elif account.open_reason:
        yield f"  allot account allocate {account.account_id} PRODUCT=100 --type TYPE --as EMAIL"


def _allocation(one: AllocationDetail) -> tuple[object, ...]:
    marks = [str(one.status or "")]
    marks += ["new"] if one.is_new else []
    last_day = one.effective_to - timedelta(days=1) if one.effective_to else ""
    marks += [f"expires {last_day}"] if one.is_expiring else []
    by = f"{one.allocated_by_name} ({one.basis}{f' {one.rule}' if one.rule else ''})"
    products = Text("\n".join(safe(line) for line in told(one.shares)))
    return (one.effective_on, last_day, ", ".join(marks), one.account_type, products, by, one.note)


def _events(account: AccountDetail, happened: Sequence[AuditEntry]) -> Iterator[ConsoleRenderable | str]:
    columns = (Column("When"), Column("What"), Column("By", fold=True), Column("Where", fold=True))
    rows = [
        (moment(event.recorded_at), _what(event), _who(event), event.workflow_id)
        for event in happened[-EVENTS_SHOWN_MAX:]
    ]
    yield table("What happened", columns, rows)
    if len(happened) > EVENTS_SHOWN_MAX:
        yield f"The last {EVENTS_SHOWN_MAX} of {len(happened):,}: `allot audit {account.account_id}` has all of them."


def _who(event: AuditEntry) -> str:
    return "Allot" if event.actor == SYSTEM_ID else event.actor_name


def _what(event: AuditEntry) -> str:
    """The event's name, and what says most about it."""
    fact = event.fact
    said = {
        "account.Vended": fact.get("source"),
        "account.Changed": ", ".join(fact.get("changed") or ()),
        "account.Departed": fact.get("how"),
        "account.AlignmentOpened": fact.get("reason"),
        "account.AlignmentEnded": fact.get("reason"),
        "account.AllocationProposed": fact.get("rule") or "by hand",
        "account.ProposalDeclined": fact.get("reason"),
        "account.Allocated": fact.get("basis"),
        "account.FirstBilled": fact.get("billing_period"),
        "waiting.Escalated": fact.get("reason"),
        "command.Refused": fact.get("code"),
    }.get(event.fact_name)
    return f"{event.fact_name} ({said})" if said else event.fact_name
