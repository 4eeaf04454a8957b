"""Texts for the Temporal UI: whole, short enough, and harmless whatever the names in them are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from domain.calendar import Month
from domain.cost import ReportVersion
from domain.decision import Persona
from domain.hierarchy import NODE_NAME_CHARS_MAX, NodePath
from domain.people_commands import GrantPersona
from domain.process import (
    PROCESS_ID_BYTES_MAX,
    BudgetFile,
    CostSource,
    ScheduleRound,
    ScheduleView,
    cost_watch_process_id,
    schedule_process_id,
)
from domain.process_texts import (
    SUMMARY_BYTES_MAX,
    budget_load_summary,
    cost_import_summary,
    cost_watch_summary,
    direct_decision_summary,
    organization_sync_summary,
    person_registration_summary,
    plain_text,
    schedule_static_details,
    schedule_summary,
)
from domain.schedule import State
from domain.schedule_texts import DETAILS_BYTES_MAX, schedule_details, waiting_summary
from workflows.inbox import read_signal

LONGEST = NodePath(("é/" * 50,) * 4)


def summaries() -> list[str]:
    report = ReportVersion(source="r" * 500, billing_period=Month(2026, 5), version="v" * 500, payer_account_id="1")
    grant = GrantPersona(command_id=uuid4(), actor="a", person="b", persona=Persona.PRODUCT_OWNER)
    return [
        schedule_summary(ScheduleRound(fiscal_year=2026, product=LONGEST)),
        budget_load_summary(BudgetFile(command_id=uuid4(), actor="a", content_hash="0", file_name="é" * 255)),
        cost_watch_summary(CostSource(source="s3://" + "é" * 900, actor="a")),
        cost_import_summary(report),
        direct_decision_summary(grant),
        organization_sync_summary(),
        person_registration_summary(),
    ]


def test_summaries_are_one_line_that_the_server_keeps_whole() -> None:
    for summary in summaries():
        assert 0 < len(summary.encode()) <= SUMMARY_BYTES_MAX
        assert summary.isprintable()


def test_process_ids_fit_every_server_and_stay_apart() -> None:
    near = NodePath((*LONGEST.parts[:3], "é/" * 49 + "éx"))
    ids = {schedule_process_id(2026, LONGEST), schedule_process_id(2026, near), cost_watch_process_id("x" * 1000)}

    assert len(ids) == 3
    assert all(len(process_id.encode()) <= PROCESS_ID_BYTES_MAX for process_id in ids)
    short = NodePath(("Retail", "Digital", "Web", "Checkout"))
    assert schedule_process_id(2026, short) == "schedule/2026/Retail/Digital/Web/Checkout/1"


@pytest.mark.parametrize(
    "hostile", ["<img src=x>", "[click](http://bad.example)", "| a | b |", "`code`", "# title", "a\n\n- b", "![x](y)"]
)
def test_names_and_messages_cannot_format_the_page(hostile: str) -> None:
    shown = plain_text(hostile)

    assert "\n" not in shown
    for mark in "<>[]|`#!":
        assert shown.count(mark) == shown.count(f"\\{mark}")


MONTHS = [Month(2026, month) for month in range(1, 13)]
SINCE = datetime(2026, 5, 4, 10, 12, tzinfo=UTC)
VIEW = ScheduleView(
    fiscal_year=2026,
    product=NodePath(("Retail", "Digital", "Web", "Checkout")),
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


@pytest.mark.parametrize("state", list(State))
def test_details_of_the_largest_schedule_fit_the_server(state: State) -> None:
    wide = "\N{GRINNING FACE}" * NODE_NAME_CHARS_MAX
    largest = "9" * 36 + ".99"
    view = ScheduleView(
        fiscal_year=2026,
        product=NodePath((wide,) * 4),
        round=10_000,
        state=state,
        version=9,
        annual=largest,
        planned=largest,
        currency="USD",
        amounts=dict.fromkeys(MONTHS, largest),
        approved=dict.fromkeys(MONTHS, largest),
        attached=True,
        over_budget=True,
        awaiting="portfolio_owner",
        labels=(wide,) * 4,
        reason=wide * 20,
        reminders=400,
        remind_at=SINCE,
        escalate_at=SINCE,
        year_ends_at=SINCE,
        refusals=100,
    )
    for refusal in ("<" * 2_000, wide * 20):
        details = schedule_details(view, SINCE, [refusal] * 9)
        assert len(details.encode()) <= DETAILS_BYTES_MAX
        assert "**Refused messages: 100**" in details
    assert len(schedule_static_details(ScheduleRound(fiscal_year=2026, product=LONGEST)).encode()) < DETAILS_BYTES_MAX


def test_details_say_whose_turn_it_is_since_when_and_until_when() -> None:
    details = details_of(remind_at=SINCE, reminders=2, escalate_at=SINCE, year_ends_at=SINCE)

    assert "Unit › Department › Portfolio › Product" in details
    assert "it is the turn of the **portfolio owner**, since 2026-05-04 10:12 UTC" in details
    assert "Next reminder: 2026-05-04 10:12 UTC (2 so far)" in details
    assert "the department owner and every financial admin may decide" in details
    assert "The fiscal year is over on 2026-05-04 10:12 UTC" in details


def test_what_is_in_force_stands_beside_what_was_submitted() -> None:
    details = details_of(approved=APPROVED)

    assert "| Planned (approved) | 1,200.00 |" in details
    assert "| Unallocated | 0.00 |" in details
    assert "| Submitted | 1,086.00 |" in details
    assert "| Month | Approved | Submitted |" in details
    assert details.count("| 100.00 | 90.50 |") == 12


def test_over_budget_is_said_plainly() -> None:
    details = details_of(state=State.APPROVED, approved=APPROVED, annual="1000.00", over_budget=True)

    assert "the approved months add up to 1,200.00, and the annual budget is 1,000.00 by now" in details
    assert "| Unallocated | -200.00 |" in details


def test_a_reason_is_shown_and_cannot_format_the_page() -> None:
    assert "Last reason given: *Too much \\<b\\>*" in details_of(state=State.REJECTED, reason="Too much <b>")


@pytest.mark.parametrize(
    ("state", "names"),
    [
        (State.PENDING, {"approve", "reject", "withdraw"}),
        (State.REJECTED, {"submit", "revise"}),
        (State.RESCHEDULE_REQUESTED, {"grant", "deny", "withdraw"}),
        (State.RESCHEDULING, {"submit", "withdraw"}),
        (State.DRAFT, set()),
        (State.APPROVED, set()),
        (State.CLOSED, set()),
    ],
)
def test_the_json_of_each_signal_that_may_be_sent_now_can_be_copied(state: State, names: set[str]) -> None:
    inputs = sent(details_of(state=state, approved=APPROVED if state in (State.RESCHEDULING, State.APPROVED) else {}))
    addressee = ScheduleRound(fiscal_year=2026, product=VIEW.product, round=2)

    assert set(inputs) == names
    for name, fields in inputs.items():
        payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(fields).encode())
        message = read_signal(name, [RawValue(payload)], addressee, uuid4())
        assert message.command, (name, message)


@pytest.mark.parametrize("step", ["remind", "escalate", "end_year"])
def test_timers_say_what_they_wait_for(step: str) -> None:
    assert waiting_summary(step, SINCE, "portfolio_owner", 3).startswith("2026-05-04 10:12 UTC: ")
