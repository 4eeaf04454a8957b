"""The current details of a schedule's process: what a person needs in the Temporal UI, and nothing that they do not.

Whose turn it is, since when, until when; the figures; the JSON of each signal that may be sent now, ready to copy; what
was refused. Everything that is not ours is escaped, and nobody is named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.calendar import Month
from domain.decision import Persona
from domain.money import figure, total
from domain.process import ScheduleView, UpdateName
from domain.process_texts import REFUSALS_SHOWN_MAX, one_line, plain_text
from domain.schedule import LIVING, State

DETAILS_BYTES_MAX = 20_000
"""Bytes the Temporal server keeps of details."""
REASON_CHARS_SHOWN_MAX = 600
_ADDRESS_TO_FILL_IN = "you@example.com"
_REASON_TO_FILL_IN = "Why it cannot be approved like this"
_SIGNALS: Mapping[State, tuple[UpdateName, ...]] = {
    State.PENDING: (UpdateName.APPROVE, UpdateName.REJECT, UpdateName.WITHDRAW),
    State.REJECTED: (UpdateName.SUBMIT, UpdateName.REVISE),
    State.RESCHEDULE_REQUESTED: (UpdateName.GRANT, UpdateName.DENY, UpdateName.WITHDRAW),
    State.RESCHEDULING: (UpdateName.SUBMIT, UpdateName.WITHDRAW),
}
"""What may be sent to a round that is open."""
_WHAT_FOR: Mapping[UpdateName, str] = {
    UpdateName.SUBMIT: "the product owner asks for approval of these amounts (change them first)",
    UpdateName.APPROVE: "the portfolio owner approves it as it is",
    UpdateName.REJECT: "the portfolio owner sends it back, with a reason",
    UpdateName.WITHDRAW: "the product owner takes it back",
    UpdateName.REVISE: "the product owner takes it up again, to change it",
    UpdateName.GRANT: "the portfolio owner lets it be changed",
    UpdateName.DENY: "the portfolio owner leaves the approved schedule as it is, with a reason",
}
_DECISIONS = frozenset({UpdateName.APPROVE, UpdateName.REJECT, UpdateName.GRANT, UpdateName.DENY})
_WITH_REASON = frozenset({UpdateName.REJECT, UpdateName.DENY})


def schedule_details(
    view: ScheduleView, since: datetime | None, refusals: Sequence[str], round_: int | None = None
) -> str:
    """The current details of BudgetSchedule; `round_` is the process's own; the schedule's may be a later one."""
    over = round_ is not None and round_ != view.round
    parts = [
        _headline(view, since, round_ or view.round),
        "" if over else _times(view),
        _over_budget(view),
        _reason(view),
        _figures(view),
        _months(view),
        "" if over else _what_to_send(view),
        refused_messages(view.refusals, refusals),
    ]
    return "\n\n".join(part for part in parts if part)


def waiting_summary(step: str, at: datetime, awaiting: str, count: int) -> str:
    """Of a timer or an activity that does what time does to a schedule."""
    who = awaiting.replace("_", " ") or "nobody"
    what = {
        "remind": f"remind the {who} (reminder {count})",
        "escalate": f"ask the level above, because the {who} has not acted",
        "end_year": "end with the fiscal year",
    }[step]
    return one_line(f"{instant(at)}: {what}")


def _headline(view: ScheduleView, since: datetime | None, round_: int) -> str:
    names = " › ".join(plain_text(name) for name in view.product.parts)
    labels = " › ".join(plain_text(label) for label in view.labels)
    status = f"**{view.state}** at version {view.version}" if view.version else f"**{view.state}**, nothing submitted"
    if round_ != view.round:
        status = f"This round is over: the schedule is in round {view.round} now ({view.state})"
    elif view.awaiting:
        status += f": it is the turn of the **{view.awaiting.replace('_', ' ')}**"
        if since is not None:
            status += f", since {instant(since)}"
    lines = [f"### {names}", labels, f"Schedule for fiscal year {view.fiscal_year}, round {round_}. {status}."]
    return "\n\n".join(line for line in lines if line)


def _times(view: ScheduleView) -> str:
    """Until when somebody has to act, and what happens then."""
    if view.state not in LIVING:
        return ""
    lines = []
    if view.remind_at:
        before = f" ({view.reminders} so far)" if view.reminders else ""
        lines.append(f"- Next reminder: {instant(view.remind_at)}{before}.")
    elif view.reminders:
        lines.append(f"- Reminded {view.reminders} times.")
    above = _level_above(view.awaiting)
    if view.escalated:
        lines.append(f"- It has waited too long or nobody is left: {above} since then.")
    elif view.escalate_at:
        lines.append(f"- Waits until {instant(view.escalate_at)}: {above} from then on.")
    if view.year_ends_at:
        lines.append(f"- The fiscal year is over on {instant(view.year_ends_at)}: the round ends then, in any case.")
    return "\n".join(lines)


def _level_above(awaiting: str) -> str:
    if awaiting == Persona.PORTFOLIO_OWNER:
        return "the department owner and every financial admin may decide, too,"
    return "the portfolio owner is told, too,"


def _over_budget(view: ScheduleView) -> str:
    if not view.over_budget:
        return ""
    planned, annual = _figure(view, _sum(view.approved)), _figure(view, Decimal(view.annual or "0"))
    return (
        f"**Over budget**: the approved months add up to {planned}, and the annual budget is {annual} by now. The "
        "approved schedule stays in force until another one is approved."
    )


def _reason(view: ScheduleView) -> str:
    return f"Last reason given: *{plain_text(view.reason, REASON_CHARS_SHOWN_MAX)}*" if view.reason else ""


def _figures(view: ScheduleView) -> str:
    if not view.annual:
        return "" if view.version else "This product is not in the budget of this year."
    annual = Decimal(view.annual)
    rows = [("Annual budget", annual)]
    if view.approved:
        planned = _sum(view.approved)
        rows += [("Planned (approved)", planned), ("Unallocated", annual - planned)]
    if _is_open(view):
        submitted = _sum(view.amounts)
        name = _what_amounts_are(view)
        rows += [(name, submitted), (f"Annual less {name.lower()}", annual - submitted)]
    return table(("", plain_text(view.currency)), [(title, _figure(view, amount)) for title, amount in rows])


def _months(view: ScheduleView) -> str:
    """One row a month; what is in force stands beside what was submitted, where there are both."""
    shown = [("Approved", view.approved)] if view.approved else []
    if _is_open(view):
        shown.append((_what_amounts_are(view), view.amounts))
    months = sorted({month for _, amounts in shown for month in amounts})
    if not months:
        return ""
    rows = [
        (str(month), *(_figure(view, Decimal(amounts[month])) if month in amounts else "" for _, amounts in shown))
        for month in months
    ]
    return table(("Month", *(title for title, _ in shown)), rows)


def _is_open(view: ScheduleView) -> bool:
    """Whether the amounts are more than what is approved."""
    if not view.amounts or view.state is State.APPROVED:
        return False
    return view.state is not State.RESCHEDULE_REQUESTED or view.attached


def _what_amounts_are(view: ScheduleView) -> str:
    """Only what is approved is planned; until then it is what somebody would like to spend."""
    return "Submitted" if view.state in (State.PENDING, State.RESCHEDULE_REQUESTED) else "Submitted last"


def _what_to_send(view: ScheduleView) -> str:
    names = _SIGNALS.get(view.state, ())
    if not names:
        if view.state is State.APPROVED:
            return "To change it, the product owner requests a reschedule with `allot schedule request`."
        return ""
    blocks = [
        f"Signal `{name}`: {_WHAT_FOR[name]}\n\n```json\n{json.dumps(_input(view, name), indent=2)}\n```"
        for name in names
    ]
    return "\n\n".join(["Decide with `allot schedule`, or where signals are accepted, by one of these:", *blocks])


def _input(view: ScheduleView, name: UpdateName) -> dict[str, Any]:
    """What a person has to give; the process knows the rest."""
    fields: dict[str, Any] = {"actor": _ADDRESS_TO_FILL_IN}
    if name in _DECISIONS:
        fields["version"] = view.version
    if name in _WITH_REASON:
        fields["reason"] = _REASON_TO_FILL_IN
    if name is UpdateName.SUBMIT:
        fields["amounts"] = {str(month): text for month, text in sorted((view.amounts or view.approved).items())}
    return fields


def refused_messages(count: int, refusals: Sequence[str]) -> str:
    """How many there were, and the last ones."""
    if not count:
        return ""
    shown = list(refusals)[-REFUSALS_SHOWN_MAX:]
    lines = [f"- {plain_text(refusal)}" for refusal in reversed(shown)]
    return "\n".join([f"**Refused messages: {count}**, the last ones first:", "", *lines])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ("---", *("---:" for _ in head[1:])), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _sum(amounts: Mapping[Month, str]) -> Decimal:
    return total([Decimal(text) for text in amounts.values()])


def _figure(view: ScheduleView, amount: Decimal) -> str:
    return figure(amount, view.currency)


def instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
