"""`allot tasks` says what to do, since when, until when, why one has it, and how to do it; so does `schedule show`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from domain.alignment import EscalateAlignment
from domain.calendar import Month
from domain.closing import CloseMonth
from domain.decision import SYSTEM, Channel
from domain.people_commands import Delegate
from domain.schedule_commands import RequestReschedule, SubmitSchedule, WithdrawSchedule
from domain.schedule_decisions import ApproveSchedule, DenyReschedule, RejectSchedule
from domain.schedule_waiting import EscalateSchedule, RemindSchedule
from tests.command_line.account_company import LABS, SHOP, AccountCompany
from tests.command_line.company import CHECKOUT, GRACE_DAYS, MONDAY, YEAR, Company, address, amounts
from tests.command_line.conftest import Allot

OF_ALLOT = {"actor": SYSTEM, "channel": Channel.WORKFLOW}


@pytest.fixture
def company(database_url: str, monkeypatch: pytest.MonkeyPatch, allot: Allot) -> Iterator[Company]:
    """On a Monday in March."""
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOT_YEAR_GRACE_DAYS", str(GRACE_DAYS))
    made = Company(database_url)
    made.found()
    yield made
    made.ledger.close()


def tasks_of(allot: Allot, name: str) -> list[dict[str, Any]]:
    answer = allot("tasks", "--as", address(name), "--json")
    assert answer.status == 0, answer.err
    found: list[dict[str, Any]] = json.loads(answer.out)["tasks"]
    return found


def test_a_task_comes_with_the_command_that_does_it(allot: Allot, company: Company) -> None:
    company.say(SubmitSchedule, "Ann", amounts=amounts(), note="As last year.")
    company.show()
    (task,) = tasks_of(allot, "Pat")
    assert (task["kind"], task["subject"], task["version"]) == ("approve_schedule", str(CHECKOUT), 1)
    assert shlex.split(task["command"])[1:4] == ["schedule", "approve", str(CHECKOUT)]
    assert "--version 1" in task["command"]
    assert f"--as {address('Pat')}" in task["command"]
    shown = allot("tasks", "--as", address("Pat")).out
    assert task["command"] in shown
    assert "1,200.00 of 1,200.00 USD" in shown
    assert "“As last year.”" in shown
    assert "portfolio owner" in shown
    assert max(len(line) for line in shown.splitlines() if "allot schedule" not in line) <= 100
    assert tasks_of(allot, "Ann") == []


def test_what_is_late_is_marked(allot: Allot, company: Company) -> None:
    company.say(SubmitSchedule, "Ann", amounts=amounts())
    company.show()
    (task,) = tasks_of(allot, "Pat")
    assert task["overdue"] is True
    assert task["due_at"] == (MONDAY + timedelta(days=7)).isoformat()
    assert task["age_business_days"] > 5
    assert "OVERDUE since 2026-03-09" in allot("tasks", "--as", address("Pat")).out
    assert "Due by 2026-03-09 09:00:00 UTC" in allot("schedule", "show", str(CHECKOUT), "--year", str(YEAR)).out


def test_after_escalation_the_level_above_has_it_as_a_stand_in(allot: Allot, company: Company) -> None:
    company.say(SubmitSchedule, "Ann", amounts=amounts())
    company.show()
    assert tasks_of(allot, "Dot") == []
    company.say(RemindSchedule, "", turn=1, count=1, **OF_ALLOT)
    company.say(EscalateSchedule, "", turn=1, **OF_ALLOT)
    company.show()
    (task,) = tasks_of(allot, "Dot")
    assert task["why"] == "escalated"
    assert "schedule approve" in task["command"]
    assert "stand-in: the portfolio owner has not acted" in allot("tasks", "--as", address("Dot")).out
    assert "portfolio owner, escalated" in allot("tasks", "--as", address("Pat")).out
    shown = allot("schedule", "show", str(CHECKOUT), "--year", str(YEAR)).out
    assert "reminded once" in shown
    assert "may be decided by the level above" in shown
    told = allot("audit", str(CHECKOUT)).out
    assert "waiting.Reminded" in told
    assert "why: waited too long" in told


def test_whoever_stands_in_place_of_somebody_sees_of_whom(allot: Allot, company: Company) -> None:
    company.say(SubmitSchedule, "Ann", amounts=amounts())
    delegation = {"first_day": MONDAY.date(), "last_day": MONDAY.date() + timedelta(days=5)}
    company.record(Delegate(command_id=uuid4(), actor=address("Pat"), person=address("Bea"), **delegation))
    company.show()
    assert tasks_of(allot, "Bea") == [], "it was for that week only"
    person = json.loads(allot("person", "show", address("Bea"), "--json").out)
    assert [one["holds_today"] for one in person["delegations"]] == [False]
    assert "over" in allot("person", "show", address("Pat")).out


def test_an_operator_sees_what_waits_for_everybody(allot: Allot, company: Company) -> None:
    company.say(SubmitSchedule, "Ann", amounts=amounts())
    company.show()
    answer = allot("tasks", "--all")
    assert "portfolio owner" in answer.out
    assert "$" not in answer.out
    (task,) = json.loads(allot("tasks", "--all", "--json").out)["tasks"]
    assert "--as EMAIL" in task["command"]
    assert allot("tasks", "--as", "anne@example.com").status == 5


def test_a_schedule_is_shown_in_the_year_s_own_words_with_its_closed_months(allot: Allot, company: Company) -> None:
    company.say(SubmitSchedule, "Ann", amounts=amounts("90.00"))
    company.say(ApproveSchedule, "Pat", version=1, note="Fine.")
    closing = {"command_id": uuid4(), "actor": address("Fin"), "month": Month(YEAR, 1)}
    company.record(CloseMonth(**closing))
    company.say(RequestReschedule, "Ann", reason="More traffic.", amounts=amounts("95.00") | {Month(YEAR, 1): 90})
    company.show()
    shown = allot("schedule", "show", str(CHECKOUT), "--year", str(YEAR)).out
    assert "Sector Retail › Division Digital › Suite Web › Service Checkout" in shown
    lines = {line[:7]: line for line in shown.splitlines()}
    assert "Attached" in lines["Month  "]
    assert lines["2026-01"].split() == ["2026-01", "90.00", "90.00", "closed"]
    assert lines["2026-02"].split() == ["2026-02", "95.00", "90.00"]
    assert "RESCHEDULE_REQUESTED, version 3, round 2, by Ann" in shown
    assert "“More traffic.”" in shown
    assert "It is the turn of the portfolio owner of Suite Web" in shown
    data = json.loads(allot("schedule", "show", str(CHECKOUT), "--year", str(YEAR), "--json").out)
    assert (data["awaiting"], data["closed_months"]) == ("portfolio_owner", ["2026-01"])
    assert data["labels"] == ["Sector", "Division", "Suite", "Service"]
    assert "Sector › Division › Suite › Service" in allot("rollup", "--year", str(YEAR)).out
    assert "Sector Retail" in allot("rollup", "Retail", "--year", str(YEAR)).out


def test_what_was_denied_or_given_up_is_not_shown_as_if_it_held(allot: Allot, company: Company) -> None:
    company.say(SubmitSchedule, "Ann", amounts=amounts("90.00"))
    company.say(ApproveSchedule, "Pat", version=1)
    company.say(RequestReschedule, "Ann", reason="More traffic.", amounts=amounts("95.00"))
    company.say(DenyReschedule, "Pat", version=3, reason="Not this year.")
    company.show()
    denied = allot("schedule", "show", str(CHECKOUT), "--year", str(YEAR)).out
    assert "95.00" not in denied, "what was denied is not shown as if it were submitted"
    assert "APPROVED, version 4, round 2. Decided last by Pat" in denied
    assert "“Not this year.”" in denied
    company.now += timedelta(hours=1)
    company.say(RequestReschedule, "Ann", reason="Much more.")
    company.say(WithdrawSchedule, "Ann")
    company.show()
    given_up = allot("schedule", "show", str(CHECKOUT), "--year", str(YEAR)).out
    assert "Decided last by Pat" in given_up
    assert "Much more." not in given_up, "it was not Pat who said that"


def test_what_came_back_by_itself_is_nobody_s_decision(allot: Allot, company: Company) -> None:
    company.say(SubmitSchedule, "Ann", amounts=amounts())
    company.say(RejectSchedule, "Pat", version=1, reason="Too even.")
    company.say(SubmitSchedule, "Ann", amounts=amounts())
    company.change("600.00")
    company.show()
    shown = allot("schedule", "show", str(CHECKOUT), "--year", str(YEAR)).out
    assert "It came back: “" in shown
    assert "Pat" not in shown
    assert "It is the turn of the product owner" in shown


def test_nobody_s_turn_it_is_where_the_product_is_not_in_the_budget_any_more(allot: Allot, company: Company) -> None:
    company.say(SubmitSchedule, "Ann", amounts=amounts())
    company.withdraw_all()
    company.show()
    shown = allot("schedule", "show", str(CHECKOUT), "--year", str(YEAR)).out
    assert "Withdrawn from the budget" in shown
    assert "turn of" not in shown
    assert tasks_of(allot, "Ann") == []


def test_whoever_decides_is_told_how_to_refuse(allot: Allot, company: Company) -> None:
    company.say(SubmitSchedule, "Ann", amounts=amounts("90.00"))
    company.say(ApproveSchedule, "Pat", version=1)
    company.say(RequestReschedule, "Ann", reason="More traffic.", amounts=amounts("95.00"))
    company.show()
    assert "`deny` in place of `grant`" in allot("tasks", "--as", address("Pat")).out
    assert "in place of `grant`" not in allot("tasks", "--as", address("Ann")).out


def test_the_tasks_of_accounts_come_with_what_is_proposed_and_how_to_decline(
    allot: Allot, accounts: AccountCompany
) -> None:
    accounts.vend()
    accounts.vend(LABS, "labs")
    accounts.propose(LABS, Search="100")
    accounts.show()
    allocate, decide = tasks_of(allot, "Fin")
    assert [task["kind"] for task in (allocate, decide)] == ["allocate_account", "decide_allocation"]
    assert allocate["command"] == f"allot account allocate {SHOP} PRODUCT=100 --type TYPE --as {address('Fin')}"
    assert decide["command"] == f"allot account accept {LABS} --proposal 1 --as {address('Fin')}"
    shown = allot("tasks", "--as", address("Fin")).out
    assert allocate["command"] in shown
    assert "labs: 100 % Retail/Digital/Web/Search, Production" in shown
    assert "`decline` in place of `accept`" in shown
    assert tasks_of(allot, "Cleo") == [], "nobody decides on what they propose"
    accounts.step(EscalateAlignment)
    accounts.show()
    (stands_in,) = tasks_of(allot, "Cleo")
    assert (stands_in["subject"], stands_in["why"]) == (SHOP, "escalated")
    assert "decline" not in allot("tasks", "--as", address("Cleo")).out
    assert "stand-in: the financial admin has not acted" in allot("tasks", "--as", address("Cleo")).out
