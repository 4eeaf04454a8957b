"""What a person reads who opens the process of an estimate in the Temporal UI; as `domain.schedule_texts`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from domain.calendar import Month
from domain.decision import Persona
from domain.estimate_process import EstimateRound, EstimateUpdateName, EstimateView
from domain.money import figure, total
from domain.process_texts import one_line, plain_text
from domain.schedule_texts import REASON_CHARS_SHOWN_MAX, instant, refused_messages, table
from domain.workload import LIVING, Component, State

type Texts = Mapping[Component, Mapping[Month, str]]

_SIGNALS: Mapping[State, tuple[EstimateUpdateName, ...]] = {
    State.SUBMITTED: (EstimateUpdateName.APPROVE, EstimateUpdateName.REJECT, EstimateUpdateName.WITHDRAW),
    State.REJECTED: (EstimateUpdateName.SUBMIT, EstimateUpdateName.REVISE, EstimateUpdateName.WITHDRAW),
}
_WHAT_FOR: Mapping[EstimateUpdateName, str] = {
    EstimateUpdateName.SUBMIT: "the product owner asks for approval of these amounts (change them first)",
    EstimateUpdateName.APPROVE: "the portfolio owner approves it as it is",
    EstimateUpdateName.REJECT: "the portfolio owner sends it back, with a reason",
    EstimateUpdateName.WITHDRAW: "the product owner takes it back",
    EstimateUpdateName.REVISE: "the product owner takes it up again, to change it",
}
MONTHS_SHOWN_MAX = 24
"""Of one table: the server keeps 20,000 bytes of details. The total has all months."""
AMOUNTS_TO_SEND_MAX = 120
"""In the input of a signal that is to be copied."""


def estimate_summary(request: EstimateRound) -> str:
    return one_line(f"Estimate of {request.workload} ({request.product}), round {request.round}")


def estimate_static_details(request: EstimateRound) -> str:
    return (
        f"Approval of the estimate of the workload **{plain_text(request.workload)}** of "
        f"**{plain_text(str(request.product))}**, round {request.round}: what each of its components is to cost a "
        "month.\n\nThe product owner submits it, the portfolio owner approves or rejects it; it counts once it is "
        "approved. *Current details* say whose turn it is, until when, and what can be sent. What was decided stands "
        "in the ledger: `allot audit`."
    )


def estimate_details(view: EstimateView, refusals: Sequence[str], own_round: int) -> str:
    """The current details of WorkloadEstimate; the workload may be in a later round than the process's own."""
    over = view.looked and view.round != own_round
    parts = [
        _headline(view, own_round),
        "" if over else _times(view),
        f"Last reason given: *{plain_text(view.reason, REASON_CHARS_SHOWN_MAX)}*" if view.reason else "",
        _figures(view),
        f"AWS Pricing Calculator: {plain_text(view.calculator_url)}" if view.calculator_url else "",
        "" if over else _what_to_send(view),
        refused_messages(view.refusals, refusals),
    ]
    return "\n\n".join(part for part in parts if part)


def _headline(view: EstimateView, own_round: int) -> str:
    names = " › ".join(plain_text(name) for name in (*view.product.parts, view.title or view.workload))
    lasts = f"In account {view.account_id}, {view.launch_month} to {view.end_month}." if view.version else ""
    if not view.looked:
        status = "The ledger has not been asked yet"
    elif not view.version:
        status = "There is no such workload"
    elif view.round != own_round:
        status = f"This round is over: the estimate is in round {view.round} now ({view.state})"
    else:
        status = f"**{view.state}** at version {view.version}"
        if view.awaiting:
            since = f", since {instant(view.since)}" if view.since else ""
            status += f": it is the turn of the **{view.awaiting.replace('_', ' ')}**{since}"
    lines = [f"### {names}", lasts, f"Estimate, round {own_round}. {status}."]
    return "\n\n".join(line for line in lines if line)


def _times(view: EstimateView) -> str:
    """Until when somebody has to act, and what happens then."""
    if view.state not in LIVING:
        return ""
    lines = []
    if view.remind_at:
        before = f" ({view.reminders} so far)" if view.reminders else ""
        lines.append(f"- Next reminder: {instant(view.remind_at)}{before}.")
    decides = view.awaiting == Persona.PORTFOLIO_OWNER
    may = "the department owner and every financial admin may decide, too,"
    above = may if decides else "the portfolio owner is told, too,"
    if view.escalated:
        lines.append(f"- It has waited too long or nobody is left: {above} since then.")
    elif view.escalate_at:
        lines.append(f"- Waits until {instant(view.escalate_at)}: {above} from then on.")
    if view.year_ends_at:
        lines.append(
            f"- The workload's last fiscal year is over on {instant(view.year_ends_at)}, and the round with it."
        )
    return "\n".join(lines)


def _figures(view: EstimateView) -> str:
    """One row a month, one column a component; and what counts by now, where there is something."""
    if not view.amounts or view.state is State.APPROVED:
        return _amounts("Approved", view.approved, view.currency)
    asked = _amounts("Submitted" if view.state is State.SUBMITTED else "Submitted last", view.amounts, view.currency)
    return "\n\n".join(part for part in (asked, _amounts("Approved, and counts", view.approved, view.currency)) if part)


def _amounts(title: str, amounts: Texts, currency: str) -> str:
    months = sorted({month for months in amounts.values() for month in months})
    if not months:
        return ""
    components = [component for component in Component if component in amounts]
    rows = [
        (
            str(month),
            *(_figure(amounts[component].get(month, "0"), currency) for component in components),
            _sum([amounts[component].get(month, "0") for component in components], currency),
        )
        for month in months[:MONTHS_SHOWN_MAX]
    ]
    if len(months) > MONTHS_SHOWN_MAX:
        rows.append((f"{len(months) - MONTHS_SHOWN_MAX} more", *("" for _ in components), ""))
    whole = [text for component in components for text in amounts[component].values()]
    rows.append(("Total", *(_sum(list(amounts[c].values()), currency) for c in components), _sum(whole, currency)))
    head = (f"{title}, {plain_text(currency)}", *(component.value for component in components), "total")
    return table(head, rows)


def _figure(text: str, currency: str) -> str:
    return figure(Decimal(text), currency)


def _sum(texts: Sequence[str], currency: str) -> str:
    return figure(total([Decimal(text) for text in texts]), currency)


def _what_to_send(view: EstimateView) -> str:
    names = _SIGNALS.get(view.state, ())
    if not names:
        return ""
    if sum(len(months) for months in view.amounts.values()) > AMOUNTS_TO_SEND_MAX:
        names = tuple(name for name in names if name is not EstimateUpdateName.SUBMIT)  # by `allot workload submit`
    blocks = [
        f"Signal `{name}`: {_WHAT_FOR[name]}\n\n```json\n{json.dumps(_input(view, name), indent=2)}\n```"
        for name in names
    ]
    return "\n\n".join(["Decide with `allot workload`, or where signals are accepted, by one of these:", *blocks])


def _input(view: EstimateView, name: EstimateUpdateName) -> dict[str, Any]:
    """What a person has to give; the process knows the rest."""
    fields: dict[str, Any] = {"actor": "you@example.com"}
    if name in (EstimateUpdateName.APPROVE, EstimateUpdateName.REJECT):
        fields["version"] = view.version
    if name is EstimateUpdateName.REJECT:
        fields["reason"] = "Why it cannot be approved like this"
    if name is EstimateUpdateName.SUBMIT:
        fields["amounts"] = {
            component.value: {str(month): text for month, text in sorted(months.items())}
            for component, months in view.amounts.items()
        }
    return fields
