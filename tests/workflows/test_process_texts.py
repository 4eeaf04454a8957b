"""Texts for the Temporal UI: whole, short enough, and harmless whatever the names in them are."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from domain.calendar import Month
from domain.cost import ReportVersion
from domain.decision import Persona
from domain.hierarchy import NodePath
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
from domain.schedule_texts import schedule_details

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


def test_details_of_the_largest_schedule_stay_short() -> None:
    months = [Month(2026, month) for month in range(1, 13)]
    view = ScheduleView(
        fiscal_year=2026,
        product=LONGEST,
        round=1,
        state=State.PENDING,
        version=9,
        annual="9" * 36 + ".99",
        planned="9" * 36 + ".99",
        currency="USD",
        amounts=dict.fromkeys(months, "9" * 30 + ".99"),
        refusals=100,
    )
    details = schedule_details(view, datetime(2026, 5, 4, 10, 12, tzinfo=UTC), ["<" * 1000] * 9)

    assert len(details) <= 8_000
    assert "since 2026-05-04 10:12 UTC" in details
    assert "**Refused messages: 100**" in details
    assert len(schedule_static_details(ScheduleRound(fiscal_year=2026, product=LONGEST)).encode()) < 20_000
