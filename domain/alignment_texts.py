"""What a person reads who opens the process of an alignment in the Temporal UI.

Which account it is and why somebody is asked, whose turn it is, until when, what is proposed, the JSON of each signal
that may be sent, what was refused. Everything that is not ours is escaped, and nobody is named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.account_facts import Occasion
from domain.account_process import AccountUpdateName, AlignmentRound, AlignmentView
from domain.allocation import AccountType
from domain.money import plain, total
from domain.process_texts import REFUSALS_SHOWN_MAX, one_line, plain_text

TABLE_BYTES_MAX = 2_000
"""Of the rows of one table; an account may be split over a hundred products with long names."""
INPUT_BYTES_MAX = 2_000
"""Of the JSON shown for one signal: where the proposed split takes more, one product is shown to be filled in."""
NAME_CHARS_SHOWN_MAX = 100
CODE_CHARS_SHOWN_MAX = 300
_ADDRESS_TO_FILL_IN = "you@example.com"
_SHARES_TO_FILL_IN: Mapping[str, str] = {"Business Unit/Department/Portfolio/Product": "100"}
_WHAT_FOR: Mapping[AccountUpdateName, str] = {
    AccountUpdateName.ALLOCATE: "a Financial Admin, or for the first time a Cloud Engineer, allocates the account",
    AccountUpdateName.PROPOSE: "either of them suggests an allocation, for somebody else to decide on",
    AccountUpdateName.ACCEPT: "the account is allocated as proposed",
    AccountUpdateName.DECLINE: "it is not, with a reason",
}
_ORDINAL_ENDINGS: Mapping[int, str] = {1: "st", 2: "nd", 3: "rd"}
_WHY: Mapping[str, str] = {
    Occasion.FIRST_SIGHT: "It is new",
    Occasion.MOVED: "It was moved to another organizational unit",
    Occasion.RETURNED: "It came back into the organization",
    Occasion.TAGS_CHANGED: "Its tags were changed",
    Occasion.PROPOSED: "Another allocation was proposed",
    Occasion.SPENDING: "It spends, and the money belongs to nobody's budget",
}


def alignment_summary(round_: AlignmentRound) -> str:
    return one_line(f"Align account {round_.account_id} with a budget, occasion {round_.occasion}")


def alignment_static_details(round_: AlignmentRound) -> str:
    return (
        f"Which products does the spend of AWS account **{round_.account_id}** belong to? Asked for the "
        f"{_ordinal(round_.occasion)} time.\n\n"
        "An account that was expected is allocated at once; else the first rule that fits suggests an allocation, or "
        "applies it; else a Financial Admin has the task, with reminders and escalation. *Current details* say how it "
        f"stands and what can be sent. All of it stands in the ledger: `allot audit {round_.account_id}`."
    )


def alignment_details(view: AlignmentView, refusals: Sequence[str], round_: AlignmentRound) -> str:
    """The current details of AccountAlignment."""
    ours = view.open and view.occasion == round_.occasion
    parts = [
        _headline(view, round_, ours=ours),
        _account(view),
        _times(view) if ours else "",
        _allocation(view),
        _proposal(view) if ours else "",
        f"Last look: {plain_text(view.looked)}" if ours and view.looked else "",
        _what_to_send(view) if ours else "",
        _refusals(view, refusals),
    ]
    return "\n\n".join(part for part in parts if part)


def waiting_summary(step: str, at: datetime, count: int) -> str:
    """Of a timer or an activity that does what time does to an alignment."""
    what = {
        "remind": f"remind the financial admins (reminder {count})",
        "escalate": "ask the cloud engineers, too, because nobody has allocated it",
    }[step]
    return one_line(f"{_instant(at)}: {what}")


def _headline(view: AlignmentView, round_: AlignmentRound, *, ours: bool) -> str:
    name = plain_text(view.name, NAME_CHARS_SHOWN_MAX) if view.name else "an account"
    status = f"**{view.lifecycle}**"
    if not view.lifecycle:
        said = "How it stands is being asked of the ledger."
    elif not ours:
        said = f"Occasion {round_.occasion} is over. The account is {status}."
    else:
        since = f", since {_instant(view.since)}" if view.since else ""
        turn = f" It is the turn of the **{view.awaiting.replace('_', ' ')}**{since}." if view.awaiting else ""
        said = f"{status}. {_WHY.get(view.reason, plain_text(view.reason))}.{turn}"
    return f"### {name}\n\nAWS account {round_.account_id}, occasion {round_.occasion}. {said}"


def _account(view: AlignmentView) -> str:
    if not view.lifecycle:
        return ""
    if not view.known:
        return "AWS Organizations has never shown this account" + (": only its bill is known." if view.open else ".")
    joined = f"; joined {_instant(view.joined_at)}" if view.joined_at else ""
    return f"In `{_code(view.ou_path) or '/'}`, {plain_text(view.state, NAME_CHARS_SHOWN_MAX)}{joined}."


def _times(view: AlignmentView) -> str:
    lines = []
    if view.remind_at:
        before = f" ({view.reminders} so far)" if view.reminders else ""
        lines.append(f"- Next reminder: {_instant(view.remind_at)}{before}.")
    elif view.reminders:
        lines.append(f"- Reminded {view.reminders} times.")
    if view.escalated:
        lines.append("- Escalated: the cloud engineers have the task, too.")
    elif view.escalate_at:
        lines.append(
            f"- Waits until {_instant(view.escalate_at)}: the cloud engineers have the task, too, from then on."
        )
    return "\n".join(lines)


def _allocation(view: AlignmentView) -> str:
    if not view.allocated:
        return ""
    return _table(f"Allocated from {view.effective_on}, {plain_text(view.account_type)}", view.shares)


def _proposal(view: AlignmentView) -> str:
    if not view.proposal:
        return ""
    by = f" by the rule {plain_text(view.proposed_by_rule)}" if view.proposed_by_rule else ""
    return _table(f"Proposal {view.proposal}{by}, {plain_text(view.proposed_type)}", view.proposed_shares)


def _table(title: str, shares: Mapping[str, str]) -> str:
    """The products with the largest shares, as many as there is room for; at least one."""
    by_size = sorted(shares.items(), key=lambda share: (-Decimal(share[1]), share[0]))
    rows: list[str] = []
    room = TABLE_BYTES_MAX
    for product, percent in by_size:
        row = f"| {plain_text(product)} | {percent} |"
        room -= len(row.encode())
        if rows and room < 0:
            break
        rows.append(row)
    if rest := by_size[len(rows) :]:
        rows.append(f"| *and {len(rest):,} more* | {plain(total([Decimal(percent) for _, percent in rest]))} |")
    return "\n".join([f"**{title}**", "", "| Product | % |", "| --- | ---: |", *rows])


def _what_to_send(view: AlignmentView) -> str:
    names = [AccountUpdateName.ALLOCATE, AccountUpdateName.PROPOSE]
    if view.proposal:
        names = [AccountUpdateName.ACCEPT, AccountUpdateName.DECLINE, *names]
    blocks = [
        f"Signal `{name}`: {_WHAT_FOR[name]}\n\n```json\n{json.dumps(_input(view, name), indent=2)}\n```"
        for name in names
    ]
    return "\n\n".join(["Decide with `allot account`, or where signals are accepted, by one of these:", *blocks])


def _input(view: AlignmentView, name: AccountUpdateName) -> dict[str, Any]:
    """What a person has to give; the process knows the rest."""
    fields: dict[str, Any] = {"actor": _ADDRESS_TO_FILL_IN}
    match name:
        case AccountUpdateName.ACCEPT:
            return fields | {"proposal": view.proposal}
        case AccountUpdateName.DECLINE:
            return fields | {"proposal": view.proposal, "reason": "Why it is not allocated like that"}
        case _:
            listed = _listed(view.proposed_shares or _SHARES_TO_FILL_IN)
            if len(json.dumps(listed, indent=2)) > INPUT_BYTES_MAX:
                listed = _listed(_SHARES_TO_FILL_IN)
            return fields | {"account_type": view.proposed_type or AccountType.PRODUCTION.value, "shares": listed}


def _listed(shares: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"product": product, "percent": percent} for product, percent in sorted(shares.items())]


def _refusals(view: AlignmentView, refusals: Sequence[str]) -> str:
    if not view.refusals:
        return ""
    shown = list(refusals)[-REFUSALS_SHOWN_MAX:]
    lines = [f"- {plain_text(refusal)}" for refusal in reversed(shown)]
    return "\n".join([f"**Refused messages: {view.refusals}**, the last ones first:", "", *lines])


def _code(text: str) -> str:
    """Text of others between backticks, which cannot be escaped there."""
    return "".join(c if c.isprintable() and c != "`" else "\N{REPLACEMENT CHARACTER}" for c in text)[
        :CODE_CHARS_SHOWN_MAX
    ]


def _ordinal(number: int) -> str:
    named = {1: "first", 2: "second", 3: "third"}
    if number in named:
        return named[number]
    is_teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if is_teen else _ORDINAL_ENDINGS.get(number % 10, 'th')}"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
