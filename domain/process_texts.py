"""What a person reads who opens a process in the Temporal UI: what is this, whose turn is it, since when, what to do.

Summaries are one line; details are Markdown. Names come from files and messages, so everything that is not ours is
escaped. People are never named here, because these texts are shown to everyone who may open the UI.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from domain.cost import ReportVersion
from domain.decision import Command
from domain.money import figure
from domain.process import TURN_OF, BudgetFile, CostSource, ScheduleRound, ScheduleView, SyncRequest, UpdateName
from domain.schedule import State

SUMMARY_BYTES_MAX = 200
"""Bytes the Temporal server keeps of a summary."""
REFUSALS_SHOWN_MAX = 5
REFUSAL_CHARS_MAX = 300
"""Characters shown of one refusal."""

_MARKDOWN = frozenset("\\`*_{}[]<>()#+-!|~&$:")
_MARKS = str.maketrans({mark: f"\\{mark}" for mark in _MARKDOWN})
_ADDRESS_TO_FILL_IN = "you@example.com"


def plain_text(text: str, chars_max: int = REFUSAL_CHARS_MAX) -> str:
    """Text of others as Markdown that shows it and does nothing else."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    short = line if len(line) <= chars_max else line[: chars_max - 1] + "…"
    return short.translate(_MARKS)


def one_line(text: str) -> str:
    """A summary: cut to what the server keeps."""
    encoded = " ".join(text.split()).encode()
    if len(encoded) <= SUMMARY_BYTES_MAX:
        return encoded.decode()
    return encoded[: SUMMARY_BYTES_MAX - 3].decode(errors="ignore") + "…"


def schedule_summary(request: ScheduleRound) -> str:
    return one_line(f"Schedule of {request.product} for {request.fiscal_year}, round {request.round}")


def schedule_static_details(request: ScheduleRound) -> str:
    return (
        f"Approval of the schedule of **{plain_text(str(request.product))}** for fiscal year {request.fiscal_year}, "
        f"round {request.round}: the annual budget spread over twelve months.\n\n"
        "The product owner submits it, the portfolio owner approves or rejects it; a rejected schedule may be "
        "submitted again. *Current details* say whose turn it is. What was decided stands in the ledger: `allot audit`."
    )


def budget_load_summary(file: BudgetFile) -> str:
    return one_line(f"Load the budget file {file.file_name}")


def cost_watch_summary(source: CostSource) -> str:
    return one_line(f"Look for new cost reports in {source.source}")


def cost_import_summary(report: ReportVersion) -> str:
    return one_line(f"Import {report.billing_period} of cost report {report.source}, version {report.version}")


def organization_sync_summary() -> str:
    return "Read the accounts from AWS Organizations"


def work_summary(request: BudgetFile | CostSource | SyncRequest) -> str:
    """Of the process that such a message starts."""
    match request:
        case BudgetFile():
            return budget_load_summary(request)
        case CostSource():
            return cost_watch_summary(request)
        case SyncRequest():
            return organization_sync_summary()


def direct_decision_summary(command: Command) -> str:
    return one_line(f"Record the command {command.kind} for {command.subject}")


def person_registration_summary() -> str:
    return "Add a person to the directory"


def schedule_details(view: ScheduleView, since: datetime | None, refusals: Sequence[str]) -> str:
    """The current details of BudgetSchedule."""
    parts = [_headline(view, since), _figures(view), _what_to_send(view), _refusals(view, refusals)]
    return "\n\n".join(part for part in parts if part)


def _headline(view: ScheduleView, since: datetime | None) -> str:
    names = " › ".join(plain_text(name) for name in view.product.parts)
    status = f"**{view.state}** at version {view.version}" if view.version else f"**{view.state}**, nothing submitted"
    if turn := TURN_OF.get(view.state):
        status += f": it is the turn of the **{turn.replace('_', ' ')}**"
    if since is not None:
        status += f", since {since:%Y-%m-%d %H:%M} UTC"
    return f"### {names}\n\nSchedule for fiscal year {view.fiscal_year}, round {view.round}. {status}."


def _figures(view: ScheduleView) -> str:
    if not view.annual:
        return "" if view.version else "This product is not in the budget of this year."
    annual, whole = Decimal(view.annual), Decimal(view.planned or "0")
    # Only what is approved is planned; until then it is what somebody would like to spend.
    words = ("Planned", "Unallocated") if view.state is State.APPROVED else ("Submitted", "Annual less submitted")
    rows = [("Annual budget", annual), *zip(words, (whole, annual - whole), strict=True)]
    rows += [(str(month), Decimal(amount)) for month, amount in sorted(view.amounts.items())]
    lines = [f"| {title} | {figure(amount, view.currency)} |" for title, amount in rows]
    return "\n".join([f"| | {plain_text(view.currency)} |", "|---|---:|", *lines])


def _what_to_send(view: ScheduleView) -> str:
    if view.state is not State.PENDING:
        return ""
    approve = {"actor": _ADDRESS_TO_FILL_IN, "version": view.version}
    reject = {**approve, "reason": "Why it cannot be approved like this"}
    blocks = [
        f"Signal `{name}` with this input:\n\n```json\n{json.dumps(payload, indent=2)}\n```"
        for name, payload in ((UpdateName.APPROVE, approve), (UpdateName.REJECT, reject))
    ]
    intro = "To decide, use `allot schedule approve` or `allot schedule reject`, or where signals are accepted:"
    return "\n\n".join([intro, *blocks])


def _refusals(view: ScheduleView, refusals: Sequence[str]) -> str:
    if not view.refusals:
        return ""
    shown = list(refusals)[-REFUSALS_SHOWN_MAX:]
    lines = [f"- {plain_text(refusal)}" for refusal in reversed(shown)]
    return "\n".join([f"**Refused messages: {view.refusals}**, the last ones first:", "", *lines])
