"""A schedule as the texts of the Temporal UI show it, for their specs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.process import ScheduleView
from domain.schedule import State
from domain.schedule_texts import schedule_details
from tests.domain.specs import CHECKOUT, MONTHS

SINCE = datetime(2026, 5, 4, 10, 12, tzinfo=UTC)
REMIND_AT = SINCE + timedelta(days=2)
ESCALATE_AT = SINCE + timedelta(days=7)
YEAR_OVER = datetime(2027, 1, 1, tzinfo=UTC)
VIEW = ScheduleView(
    fiscal_year=2026,
    product=CHECKOUT,
    round=2,
    state=State.PENDING,
    version=6,
    annual="1200.00",
    currency="USD",
    awaiting="portfolio_owner",
    amounts=dict.fromkeys(MONTHS, "90.50"),
    labels=("Unit", "Department", "Portfolio", "Product"),
)
APPROVED = dict.fromkeys(MONTHS, "100.00")


def details_of(**changes: Any) -> str:
    return schedule_details(VIEW.model_copy(update=changes), SINCE, ())


def sent(details: str) -> dict[str, Any]:
    """The inputs that the details show, by the name of their signal."""
    return {
        part.partition("`")[0]: json.loads(part.partition("```json\n")[2].partition("```")[0])
        for part in details.split("Signal `")[1:]
    }
