"""What the Temporal UI shows of an estimate: whose turn, until when, the figures, and what can be sent."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.decision import Persona
from domain.estimate_process import EstimateRound, EstimateUpdateName, EstimateView, estimate_process_id
from domain.estimate_texts import estimate_details, estimate_static_details, estimate_summary
from domain.hierarchy import NodePath
from domain.process import PROCESS_ID_BYTES_MAX
from domain.process_texts import SUMMARY_BYTES_MAX
from domain.schedule_texts import DETAILS_BYTES_MAX
from domain.workload import WORKLOAD_MONTHS_MAX, Component, State
from tests.domain.specs import CHECKOUT
from tests.domain.workload_given import JULY
from workflows.workload_estimate import COMMANDS

AT = datetime(2026, 6, 17, 9, 30, tzinfo=UTC)
KNOWN: dict[str, Any] = {
    "product": CHECKOUT,
    "workload": "Basket",
    "round": 1,
    "state": State.SUBMITTED,
    "version": 2,
    "turn": 2,
    "title": "Basket",
    "account_id": "100000000001",
    "launch_month": "2026-07",
    "end_month": "2026-12",
    "currency": "USD",
    "amounts": {"application": {"2026-07": "1000.50", "2026-08": "2"}, "database": {"2026-08": "0.25"}},
    "awaiting": Persona.PORTFOLIO_OWNER,
    "since": AT,
    "remind_at": AT.replace(day=19),
    "escalate_at": AT.replace(day=24),
    "year_ends_at": datetime(2027, 1, 1, tzinfo=UTC),
    "looked": True,
}


def details(round_: int = 1, refusals: tuple[str, ...] = (), **fields: Any) -> str:
    return estimate_details(EstimateView.model_validate(KNOWN | fields), refusals, round_)


def test_whose_turn_it_is_since_when_and_until_when() -> None:
    text = details()
    assert "**SUBMITTED** at version 2: it is the turn of the **portfolio owner**, since 2026-06-17 09:30 UTC." in text
    assert "Next reminder: 2026-06-19 09:30 UTC." in text
    assert "Waits until 2026-06-24 09:30 UTC: the department owner and every financial admin may decide, too," in text
    assert "over on 2027-01-01 00:00 UTC" in text
    assert "since then" in details(escalated=True, escalate_at=None, reminders=3)


def test_months_stand_below_each_other_and_components_side_by_side() -> None:
    text = details()
    assert "| Submitted, USD | application | database | total |" in text
    assert "| 2026-07 | 1,000.50 | 0.00 | 1,000.50 |" in text
    assert "| 2026-08 | 2.00 | 0.25 | 2.25 |" in text
    assert "| Total | 1,002.50 | 0.25 | 1,002.75 |" in text
    both = details(state=State.REJECTED, approved={"ui": {"2026-07": "3"}}, awaiting=Persona.PRODUCT_OWNER)
    assert "| Submitted last, USD |" in both
    assert "| Approved, and counts, USD | ui | total |" in both
    approved = details(state=State.APPROVED, approved=KNOWN["amounts"], awaiting="")
    assert "| Approved, USD |" in approved
    assert "Submitted" not in approved


@pytest.mark.parametrize(
    ("state", "names"),
    [
        (State.SUBMITTED, ["approve", "reject", "withdraw"]),
        (State.REJECTED, ["submit", "revise", "withdraw"]),
        (State.APPROVED, []),
        (State.DRAFT, []),
    ],
)
def test_what_can_be_sent_now_is_ready_to_copy(state: State, names: list[str]) -> None:
    text = details(state=state)
    blocks = re.findall(r"Signal `(\w+)`:.+?```json\n(.+?)\n```", text, re.DOTALL)
    assert [name for name, _ in blocks] == names
    for name, block in blocks:
        known = {"product": CHECKOUT, "workload": "Basket", "command_id": "6f1d9f0e-8a57-5c53-9f0b-1c4f2b1d7a10"}
        COMMANDS[name].model_validate(known | json.loads(block))
    assert set(COMMANDS) == set(EstimateUpdateName)


def test_a_round_that_is_over_says_where_the_estimate_is() -> None:
    text = details(round=2)
    assert "This round is over: the estimate is in round 2 now (SUBMITTED)." in text
    assert "Signal" not in text
    assert "The ledger has not been asked yet" in details(looked=False, version=0)
    assert "There is no such workload" in details(version=0)


def test_nobody_else_s_text_does_anything_and_refusals_are_shown() -> None:
    text = details(title="**x** <b>", reason="[a](https://evil.example)")
    assert "**x**" not in text
    assert "[a](https" not in text
    told = details(refusals=("first", "`second`"), round_=1)
    assert "Refused" not in told  # the view has counted none
    shown = estimate_details(EstimateView.model_validate(KNOWN | {"refusals": 2}), ("first", "`second`"), 1)
    assert "**Refused messages: 2**" in shown
    assert "- \\`second\\`\n- first" in shown


def test_the_longest_texts_fit_what_the_server_keeps() -> None:
    long = NodePath(tuple("ü" * 100 for _ in range(4)))
    request = EstimateRound(product=long, workload="ü" * 100)
    assert len(estimate_summary(request).encode()) <= SUMMARY_BYTES_MAX
    assert len(estimate_process_id(long, "ü" * 100, 7).encode()) <= PROCESS_ID_BYTES_MAX
    assert estimate_process_id(long, "ü" * 100, 7) != estimate_process_id(long, "ü" * 100, 8)
    assert estimate_process_id(CHECKOUT, "a/b") == "workload-estimate/Retail/Digital/Web/Checkout/a%2Fb/1"
    assert "portfolio owner approves or rejects" in estimate_static_details(request)
    months = {str(JULY.plus(n)): "999999999999.99" for n in range(WORKLOAD_MONTHS_MAX)}
    largest = {component.value: months for component in Component}
    size = len(details(state=State.REJECTED, amounts=largest, approved=largest).encode())
    assert size <= DETAILS_BYTES_MAX, size
    assert "| 36 more |" in details(amounts=largest)
    assert "Signal `submit`" not in details(state=State.REJECTED, amounts=largest)
