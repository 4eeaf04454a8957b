"""An account that waits for an allocation as the texts of the Temporal UI show it, for their specs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.account_facts import Occasion
from domain.account_process import AlignmentRound, AlignmentView
from domain.alignment_texts import alignment_details

ID = "100000000001"
ROUND = AlignmentRound(account_id=ID, occasion=2)
SINCE = datetime(2026, 5, 4, 10, 12, tzinfo=UTC)
CHECKOUT, SEARCH = "Retail/Digital/Web/Checkout", "Retail/Digital/Web/Search"
VIEW = AlignmentView(
    account_id=ID,
    occasion=2,
    open=True,
    reason=Occasion.MOVED,
    lifecycle="ALIGNED",
    name="shop-prod",
    state="ACTIVE",
    ou_path="/Workloads/Production",
    joined_at=SINCE - timedelta(days=30),
    since=SINCE,
    awaiting="financial_admin",
    allocated=True,
    account_type="Production",
    shares={SEARCH: "40", CHECKOUT: "60"},
    effective_on="2026-04-04",
    proposal=3,
    proposed_type="Pre-Production",
    proposed_shares={SEARCH: "33.3333", CHECKOUT: "66.6667"},
    proposed_by_rule="web",
    reminders=2,
    remind_at=SINCE + timedelta(days=2),
    escalate_at=SINCE + timedelta(days=7),
    refusals=7,
    looked="There is nothing new to propose.",
)


def details_of(*refusals: str, **changes: Any) -> str:
    return alignment_details(VIEW.model_copy(update=changes), refusals, ROUND)


def inputs_of(details: str) -> dict[str, Any]:
    """The JSON that the details show, by the name of its signal."""
    found = re.findall(r"^Signal `(\w+)`.*?^```json\n(.*?)\n^```$", details, re.DOTALL | re.MULTILINE)
    return {name: json.loads(text) for name, text in found}
