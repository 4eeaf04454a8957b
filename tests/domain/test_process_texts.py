"""Texts for the Temporal UI: whole, short enough, and harmless whatever the names in them are."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.account_process import SyncRequest
from domain.calendar import Month
from domain.cost import ReportVersion
from domain.decision import Command, Persona
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona
from domain.process import (
    PROCESS_ID_BYTES_MAX,
    BudgetFile,
    CostSource,
    PeopleFile,
    ScheduleRound,
    budget_load_process_id,
    cost_import_process_id,
    cost_watch_process_id,
    direct_decision_process_id,
    notifications_process_id,
    people_import_process_id,
    person_registration_process_id,
    schedule_process_id,
)
from domain.process_texts import (
    REFUSAL_CHARS_MAX,
    SUMMARY_BYTES_MAX,
    budget_drop_summary,
    budget_load_summary,
    cost_import_summary,
    cost_watch_summary,
    direct_decision_summary,
    one_line,
    organization_sync_summary,
    people_import_summary,
    person_registration_summary,
    plain_text,
    schedule_static_details,
    schedule_summary,
    work_summary,
)
from domain.schedule_texts import DETAILS_BYTES_MAX
from tests.domain.specs import CHECKOUT, command_id

LONGEST = NodePath(("é/" * 50,) * 4)
REPORT = ReportVersion(source="cur", billing_period=Month(2026, 5), version="v7", payer_account_id="1")
FILE = BudgetFile(command_id=command_id(), actor="a", content_hash="0", file_name="Acme_2026.csv")
SOURCE = CostSource(source="s3://bucket/cur", actor="a")
PEOPLE_FILE = PeopleFile(command_id=command_id(), actor="a", content_hash="0", file_name="people.csv")


def command() -> Command:
    return GrantPersona(command_id=command_id(), actor="a", person="b", persona=Persona.PRODUCT_OWNER)


def test_each_process_says_what_it_is_about() -> None:
    assert schedule_summary(ScheduleRound(fiscal_year=2026, product=CHECKOUT, round=2)) == (
        "Schedule of Retail/Digital/Web/Checkout for 2026, round 2"
    )
    assert cost_import_summary(REPORT) == "Import 2026-05 of cost report cur, version v7"
    assert direct_decision_summary(command()) == "Record the command person.Grant for person/?"
    assert budget_drop_summary() == "Look for dropped budget files"
    assert person_registration_summary() == "Add a person to the directory"
    assert work_summary(FILE) == budget_load_summary(FILE) == "Load the budget file Acme_2026.csv"
    assert work_summary(SOURCE) == cost_watch_summary(SOURCE) == "Look for new cost reports in s3://bucket/cur"
    assert work_summary(SyncRequest()) == organization_sync_summary() == "Read the accounts from AWS Organizations"
    assert work_summary(PEOPLE_FILE) == people_import_summary(PEOPLE_FILE) == "Import the people of the file people.csv"


def test_a_schedules_process_says_for_good_what_it_does() -> None:
    details = schedule_static_details(ScheduleRound(fiscal_year=2026, product=CHECKOUT, round=2))
    assert details == (
        "Approval of the schedule of **Retail/Digital/Web/Checkout** for fiscal year 2026, round 2: the annual budget "
        "spread over twelve months.\n\n"
        "The product owner submits it, the portfolio owner approves or rejects it. An approved schedule is changed by "
        "a reschedule, which the portfolio owner grants: that is the next round. *Current details* say whose turn it "
        "is, until when, and what can be sent. What was decided stands in the ledger: `allot audit`."
    )
    longest = schedule_static_details(ScheduleRound(fiscal_year=2026, product=LONGEST))
    assert len(longest.encode()) < DETAILS_BYTES_MAX


def test_summaries_are_one_line_that_the_server_keeps_whole() -> None:
    for summary in (
        schedule_summary(ScheduleRound(fiscal_year=2026, product=LONGEST)),
        budget_load_summary(FILE.model_copy(update={"file_name": "é" * 255})),
        people_import_summary(PEOPLE_FILE.model_copy(update={"file_name": "é\n" * 255})),
        cost_watch_summary(CostSource(source="s3://" + "é" * 900, actor="a")),
        cost_import_summary(REPORT.model_copy(update={"source": "r" * 500, "version": "v" * 500})),
    ):
        assert SUMMARY_BYTES_MAX - 3 < len(summary.encode()) <= SUMMARY_BYTES_MAX
        assert summary.isprintable()


def test_a_summary_is_cut_where_it_no_longer_fits_and_never_within_a_character() -> None:
    assert one_line("a\n  b\tc ") == "a b c"
    assert one_line("x" * SUMMARY_BYTES_MAX) == "x" * SUMMARY_BYTES_MAX
    assert one_line("x" * (SUMMARY_BYTES_MAX + 1)) == "x" * (SUMMARY_BYTES_MAX - 3) + "…"
    assert one_line("é" * SUMMARY_BYTES_MAX) == "é" * ((SUMMARY_BYTES_MAX - 3) // 2) + "…"


# Ids of processes


def test_a_process_is_found_by_what_it_is_about() -> None:
    assert schedule_process_id(2026, CHECKOUT) == "schedule/2026/Retail/Digital/Web/Checkout/1"
    assert schedule_process_id(2026, CHECKOUT, 3) == "schedule/2026/Retail/Digital/Web/Checkout/3"
    assert budget_load_process_id("abc") == "budget-load/abc"
    assert budget_load_process_id("abc", dry_run=True) == "budget-dry-run/abc"
    assert cost_import_process_id(REPORT) == "cost-import/cur/2026-05/v7"
    assert cost_watch_process_id("s3://bucket/cur") == "cost-watch/s3://bucket/cur"
    assert people_import_process_id("abc") == "people-import/abc"
    assert notifications_process_id("email") == "notifications/email"
    one = UUID(int=1)
    assert direct_decision_process_id(one) == f"decision/{one}"
    assert person_registration_process_id(one) == f"person-registration/{one}"


def test_process_ids_fit_every_server_and_stay_apart() -> None:
    near = NodePath((*LONGEST.parts[:3], "é/" * 49 + "éx"))
    ids = {schedule_process_id(2026, LONGEST), schedule_process_id(2026, near), cost_watch_process_id("x" * 1000)}

    assert len(ids) == 3
    assert all(len(process_id.encode()) <= PROCESS_ID_BYTES_MAX for process_id in ids)


def test_an_id_that_is_too_long_keeps_its_beginning() -> None:
    room = PROCESS_ID_BYTES_MAX - len("cost-watch/")
    assert cost_watch_process_id("x" * room) == "cost-watch/" + "x" * room
    beginning, _, digest = cost_watch_process_id("x" * (room + 1)).partition("~")
    assert (beginning, len(digest)) == ("cost-watch/" + "x" * (room - 65), 64)
    in_two_bytes = cost_watch_process_id("é" * room)
    assert len(in_two_bytes.encode()) in (PROCESS_ID_BYTES_MAX - 1, PROCESS_ID_BYTES_MAX)
    assert in_two_bytes.startswith("cost-watch/é")


# Text of others


@pytest.mark.parametrize(
    "hostile", ["<img src=x>", "[click](http://bad.example)", "| a | b |", "`code`", "# title", "a\n\n- b", "![x](y)"]
)
def test_names_and_messages_cannot_format_the_page(hostile: str) -> None:
    shown = plain_text(hostile)

    assert "\n" not in shown
    for mark in "<>[]|`#!":
        assert shown.count(mark) == shown.count(f"\\{mark}")


def test_text_of_others_is_one_short_line() -> None:
    assert plain_text("two\n\x00 lines ") == "two lines"
    assert plain_text("a\x07b") == "a b"
    assert plain_text("x" * REFUSAL_CHARS_MAX) == "x" * REFUSAL_CHARS_MAX
    assert plain_text("x" * (REFUSAL_CHARS_MAX + 1)) == "x" * (REFUSAL_CHARS_MAX - 1) + "…"
    assert plain_text("abcd", 3) == "ab…"
    assert plain_text("$5 & *b*: c_d") == "\\$5 \\& \\*b\\*\\: c\\_d"
