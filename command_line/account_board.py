"""`allot account board` and `events`: what waits for an allocation, how fast it goes, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from command_line import options
from command_line.account_terms import told
from command_line.output import Column, Styled, age, figures, moment, persona_words, show, table
from command_line.session import Session
from domain.account import Lifecycle
from domain.decision import Persona
from views.account_models import AccountDetail, AlignmentTimes, Durations, TroubleKind

DAYS = 90
DAYS_MAX = 3_650
OVERDUE = "red"
A_SECOND = timedelta(seconds=1)
_WORDS = {TroubleKind.VENDING_FAILED: "vending failed", TroubleKind.MESSAGE_REJECTED: "message not understood"}


def board(
    days: Annotated[
        int, typer.Option(metavar="DAYS", min=1, max=DAYS_MAX, help="How far back accounts count for the times.")
    ] = DAYS,
    as_json: options.Json = False,
) -> None:
    """Show the accounts that wait for an allocation, and how long accounts take from vending to budget and bill."""
    session = Session.open(as_json)
    now = datetime.now(UTC)
    with session.views() as views:
        accounts = views.accounts(today=session.today())
        times = views.account_times(now - timedelta(days=days))
    waiting = sorted((one for one in accounts if one.open_reason), key=lambda one: one.opened_at or now)
    counts = {state: sum(one.lifecycle is state for one in accounts) for state in Lifecycle}
    data = {
        "counts": {state.value: count for state, count in counts.items()},
        "waiting": [dict(one) for one in waiting],
        "times": {
            "days": days,
            "left_out": times.left_out,
            **{name: _seconds(duration) for name, duration in _durations(times)},
        },
    }
    show(data, as_json, lambda: _shown(session, waiting, counts, times, now, days))


def _durations(times: AlignmentTimes) -> Iterator[tuple[str, Durations]]:
    yield "to_known", times.to_known
    yield "to_aligned", times.to_aligned
    yield "to_first_bill", times.to_first_bill


def _seconds(duration: Durations) -> dict[str, Any]:
    """As whole seconds."""
    return {
        "accounts": duration.accounts,
        "median_s": None if duration.median is None else round(duration.median.total_seconds()),
        "p90_s": None if duration.p90 is None else round(duration.p90.total_seconds()),
    }


def _shown(
    session: Session,
    waiting: list[AccountDetail],
    counts: dict[Lifecycle, int],
    times: AlignmentTimes,
    now: datetime,
    days: int,
) -> Iterator[Any]:
    there = ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)
    yield f"Accounts: {there}." if there else "There are no accounts yet: `allot organization sync` reads them."
    if waiting:
        columns = (
            Column("Account"),
            Column("Name", fold=True),
            Column("State"),
            Column("Unit", fold=True),
            Column("Why", fold=True),
            Column("Waits"),
            Column("Due"),
            Column("Must act", fold=True),
            Column("Proposed", fold=True),
        )
        yield table("Waiting for an allocation", columns, [_row(session, one, now) for one in waiting])
    else:
        yield "No account waits for an allocation."
    older = "older one does" if times.left_out == 1 else "older ones do"
    left = f"; {times.left_out:,} {older} not count" if times.left_out else ""
    rows = [(words, *_told(duration)) for words, duration in _in_words(times)]
    title = f"How long it took, of accounts first seen in the last {days} days{left}"
    yield table(title, (Column("From vending to"), *figures("Accounts", "Median", "90 %")), rows)


def _in_words(times: AlignmentTimes) -> Iterator[tuple[str, Durations]]:
    yield "known here", times.to_known
    yield "allocated to a budget", times.to_aligned
    yield "its first bill imported", times.to_first_bill


def _told(duration: Durations) -> tuple[object, ...]:
    return duration.accounts, _lasted(duration.median), _lasted(duration.p90)


def _lasted(took: timedelta | None) -> str:
    if took is None:
        return ""
    return "< 1 s" if took < A_SECOND else age(took)


def _row(session: Session, account: AccountDetail, now: datetime) -> Styled:
    business = session.organization.business
    opened = account.opened_at or now
    due = business.after(opened, business.escalation_days)
    late = due <= now or account.escalated_at is not None
    proposal = account.proposal
    proposed = f"{proposal.number}: {'; '.join(told(proposal.shares))}" if proposal else ""
    until = "ESCALATED" if account.escalated_at else f"{business.day_of(due)}{' OVERDUE' if late else ''}"
    cells = (
        account.account_id,
        account.name,
        account.lifecycle,
        account.ou_path,
        account.open_reason,
        age(now - opened),
        until,
        _whose_turn(account),
        proposed,
    )
    return Styled(cells, OVERDUE if late else "")


def _whose_turn(account: AccountDetail) -> str:
    """After escalation whoever may make a first allocation, too."""
    stands_in = account.escalated_at is not None and account.allocated_since is None
    personas = [Persona.FINANCIAL_ADMIN, *([Persona.CLOUD_ENGINEER] if stands_in else [])]
    return " or ".join(map(persona_words, personas))


def events(as_json: options.Json = False) -> None:
    """List what came from AWS and led to no account: failed vendings, and messages that could not be understood."""
    session = Session.open(as_json)
    with session.views() as views:
        found = views.account_troubles()
    data = {"troubles": [dict(one) for one in found]}
    if not found:
        show(data, as_json, lambda: ["Nothing went wrong: every message about an account was understood."])
        return
    columns = (
        Column("At"),
        Column("What"),
        Column("Account", fold=True),
        Column("Reason", fold=True),
        Column("Id", fold=True),
        Column("Begins with", fold=True),
    )
    rows = [
        (
            moment(one.at),
            _WORDS[one.kind],
            one.account_name or one.account_id,
            one.reason,
            one.key,
            one.excerpt[:80],
        )
        for one in found
    ]
    show(data, as_json, lambda: [table("What went wrong", columns, rows)])
