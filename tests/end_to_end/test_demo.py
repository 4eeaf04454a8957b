"""`allot demo` as a stranger runs it: its figures, its neighbours, its end.

The figures are checked against a sum of the sample files that shares no code with Allot.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import psutil
import pytest
from dotenv import dotenv_values
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from domain.calendar import Month
from tests.support.demo import (
    COMMAND,
    DEMO,
    Running,
    budget,
    environment,
    rows_by_path,
    spend_by_sample_account,
    started_by,
    sum_of,
    whole_document,
)
from tests.workflows.replay import replay_all_ended

STOPPED_WITHIN_S = 60
STOPPED_SOON_S = 30
ALIGNED_WITHIN_S = 15
CENT = Decimal("0.01")
pytestmark = pytest.mark.xdist_group("demo")  # one demo for all, in order


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("demo")
    with (directory / "stderr.txt").open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "demo", "--json"],
            env=environment(directory),
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    try:
        answer = whole_document(process.stdout)
        yield Running(process, answer, directory, started_by(directory))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOPPED_WITHIN_S)
        process.stdout.close()


@pytest.fixture(scope="module")
def company() -> dict[str, Any]:
    return tomllib.loads((DEMO / "company.toml").read_text())


def test_the_budget_adds_up_at_every_level(demo: Running) -> None:
    expected: dict[str, Decimal] = {}
    for product, annual in budget().items():
        parts = product.split("/")
        for path in ["/", *("/".join(parts[:level]) for level in range(1, 5))]:
            expected[path] = expected.get(path, Decimal(0)) + annual
    found = {path: Decimal(row["annual"]) for path, row in rows_by_path(demo.answer["rollup"]).items()}
    assert found == expected


def test_only_approved_schedules_are_planned_and_one_of_them_is_over_its_lowered_budget(
    demo: Running, company: dict[str, Any]
) -> None:
    planned = {
        company["rescheduled"]["product"]: sum_of(company["rescheduled"]["amounts"]),
        company["rejected"]["product"]: sum_of(company["rejected"]["better_amounts"]),
    }
    rows = rows_by_path(demo.answer["rollup"])
    of_products = {path: Decimal(row["planned"]) for path, row in rows.items() if row["level"] == 4}
    assert {path: amount for path, amount in of_products.items() if amount} == planned
    assert Decimal(rows["/"]["planned"]) == sum(planned.values())
    assert {rows[path]["state"] for path in planned} == {"APPROVED"}
    assert {path for path in planned if rows[path]["over_budget"]} == {company["rejected"]["product"]}


def test_whoever_decides_in_place_of_somebody_is_recorded_with_both_names(
    demo: Running, company: dict[str, Any]
) -> None:
    events = demo.json("audit", company["rejected"]["product"])["events"]
    (approval,) = [event for event in events if event["fact_name"] == "schedule.Approved"]
    assert (approval["actor_name"], approval["on_behalf_of_name"]) == ("Anders Lund", "Mei Tanaka")
    assert approval["channel"] == "cli"
    assert approval["policies"]
    assert approval["policy_version"]
    shown = demo.json("person", "show", company["delegation"]["to"])
    (delegation,) = shown["delegations"]
    assert (delegation["delegated_by_name"], delegation["holds_today"]) == ("Mei Tanaka", True)
    ended = demo.json(
        "person", "end-delegation", "--to", company["delegation"]["to"], "--as", company["delegation"]["by"]
    )
    assert ended["events"] == 1
    assert demo.json("person", "show", company["delegation"]["to"])["delegations"][0]["ended_at"]


def test_actual_and_unallocated_add_up_to_the_report_to_the_last_digit(demo: Running, company: dict[str, Any]) -> None:
    rollup, spend = demo.answer["rollup"], spend_by_sample_account()
    nobodys = {account["name"]: spend[account["sample_id"]] for account in company["accounts"] if not account["shares"]}
    assert {account["name"]: Decimal(account["amount"]) for account in rollup["unallocated"]} == nobodys
    assert len(nobodys) == 1
    actual = Decimal(rows_by_path(rollup)["/"]["actual"])
    assert actual == sum(spend.values()) - sum(nobodys.values())
    assert sum(Decimal(period["report"]) for period in rollup["periods"]) == sum(spend.values())
    assert rollup["reconciles"] is True


def test_each_product_gets_its_share_of_its_accounts(demo: Running, company: dict[str, Any]) -> None:
    spend = spend_by_sample_account()
    expected: dict[str, Decimal] = dict.fromkeys(budget(), Decimal(0))
    parts = dict.fromkeys(expected, 0)
    for account in company["accounts"]:
        for share in account["shares"]:
            product, _, percent = share.rpartition("=")
            expected[product] += spend[account["sample_id"]] * Decimal(percent) / 100
            parts[product] += sum(Month.parse(period).last_day.day for period in company["billing_periods"])
    rows = rows_by_path(demo.answer["rollup"])
    for product, amount in expected.items():  # a share is in whole cents, each day's by itself
        assert abs(Decimal(rows[product]["actual"]) - amount) <= CENT * parts[product], product


def test_twelve_accounts_are_known_from_organizations_and_eleven_are_allocated(
    demo: Running, company: dict[str, Any]
) -> None:
    members = [
        account
        for account in demo.json("account", "list")["accounts"]
        if account["name"] in {known["name"] for known in company["accounts"]}
    ]
    assert len(members) == 12
    assert sum(account["allocation"] is not None for account in members) == 11
    assert all(account["joined_at"].startswith("2025-11-03") for account in members)


def account_named(demo: Running, name: str) -> dict[str, Any]:
    """As `account show` has it."""
    (account_id,) = [one["account_id"] for one in demo.json("account", "list")["accounts"] if one["name"] == name]
    shown: dict[str, Any] = demo.json("account", "show", account_id)
    return shown


def seconds(account: dict[str, Any], moment: str) -> float:
    """From vending to that moment."""
    return (datetime.fromisoformat(account[moment]) - datetime.fromisoformat(account["joined_at"])).total_seconds()


def test_an_expected_account_has_its_budget_seconds_after_vending_without_a_command(
    demo: Running, company: dict[str, Any]
) -> None:
    shown = account_named(demo, company["expected"]["name"])
    account, (allocation,) = shown["account"], shown["allocations"]
    assert (account["lifecycle"], account["source"]) == ("ALIGNED", "CreateAccountResult")
    assert 0 <= seconds(account, "first_seen_at") <= seconds(account, "aligned_at") < ALIGNED_WITHIN_S
    assert [f"{share['product']}={share['percent']}" for share in allocation["shares"]] == company["expected"]["shares"]
    assert (allocation["basis"], allocation["allocated_by_name"]) == ("expected account", "Tomas Reyes")
    (event,) = [event for event in shown["events"] if event["fact_name"] == "account.Allocated"]
    assert (event["actor_name"], event["workflow_id"]) == ("system", f"account/{account['account_id']}/1")
    (expected,) = demo.json("account", "expected", "--all")["expected"]
    assert (expected["status"], expected["account_id"]) == ("appeared", account["account_id"])


def test_a_rule_suggests_where_an_account_belongs_and_a_person_accepts(demo: Running, company: dict[str, Any]) -> None:
    shown = account_named(demo, company["by_rule"]["name"])
    account, (allocation,) = shown["account"], shown["allocations"]
    names = [event["fact_name"].removeprefix("account.") for event in shown["events"]]
    assert names == ["Vended", "AlignmentOpened", "AllocationProposed", "Allocated"]
    assert seconds(account, "first_seen_at") < ALIGNED_WITHIN_S
    assert [share["product"] for share in allocation["shares"]] == [company["by_rule"]["tags"]["allot:product"]]
    about = (allocation["basis"], allocation["proposal"], allocation["rule"], allocation["allocated_by_name"])
    assert about == ("proposal", 1, "requested for development", "Ingrid Solberg")


def test_accounts_are_billed_and_the_one_of_nobody_is_escalated_with_the_bill(demo: Running) -> None:
    board = demo.json("account", "board")
    counts = {state: count for state, count in board["counts"].items() if count}
    assert counts == {"BILLING": 11, "ALIGNED": 3, "SPENDING_UNALLOCATED": 1}
    assert (board["times"]["left_out"], board["times"]["to_aligned"]["accounts"]) == (13, 2)
    (waiting,) = board["waiting"]
    assert (waiting["name"], waiting["first_billed_on"]) == ("loyalty-pilot", "2026-05-01")
    assert waiting["escalated_at"] >= waiting["billed_at"] > waiting["opened_at"]
    (nobodys,) = demo.json("rollup", "--year", "2026")["unallocated"]
    assert (nobodys["account_id"], nobodys["lifecycle"]) == (waiting["account_id"], "SPENDING_UNALLOCATED")
    assert demo.json("account", "events")["troubles"] == []
    synced = demo.json("organization", "sync")
    assert (synced["accounts"], synced["recorded"], synced["opened"]) == (15, 0, 0)
    (task,) = demo.json("tasks", "--as", "tomas.reyes@example.com")["tasks"]
    assert (task["subject"], task["why"]) == (waiting["account_id"], "escalated")
    assert demo.json(*shlex.split(task["command"])[1:])["events"] == 1
    assert account_named(demo, "loyalty-pilot")["account"]["lifecycle"] == "BILLING"


def test_what_the_demo_suggests_works(demo: Running, company: dict[str, Any]) -> None:
    over = company["rejected"]
    product, year = over["product"], ("--year", str(company["fiscal_year"]))
    (task,) = [task for task in demo.json("tasks", "--as", over["owner"])["tasks"] if task["subject"] == product]
    assert task["kind"] == "reschedule"
    assert task["command"].startswith("allot schedule request")
    new = ("--reason", "Fits the lower budget.", "--amounts", over["fitting_amounts"])
    requested = demo.json("schedule", "request", product, *year, *new, "--as", over["owner"])
    assert (requested["schedule"]["state"], requested["schedule"]["round"]) == ("RESCHEDULE_REQUESTED", 2)
    own = demo.allot("schedule", "grant", product, *year, "--as", over["owner"])
    assert own.returncode == 4
    grant = ("schedule", "grant", product, *year, "--as", over["decided_by"])
    granted = demo.json(*grant)["schedule"]
    assert (granted["state"], granted["over_budget"]) == ("APPROVED", False)
    again = demo.json(*grant)
    assert again["events"] == 0
    assert "that decision stands" in again["message"]


def test_every_event_leads_to_the_run_that_recorded_it(demo: Running, company: dict[str, Any]) -> None:
    product = company["approved"]["product"]
    events = demo.json("audit", product)["events"]
    by_name = {event["fact_name"]: event for event in events}
    approval = by_name["schedule.Approved"]  # of the attached schedule, in round 2
    assert approval["actor_name"] == "Mei Tanaka"
    assert approval["workflow_id"].endswith("/Web Shop/2")
    address = f"{demo.answer['temporal_ui_url']}/namespaces/default/workflows/schedule%2F2026%2FRetail%2F"
    assert approval["run_url"].startswith(address)
    assert approval["run_url"].endswith(f"/{approval['workflow_run_id']}/history")
    assert by_name["schedule.Submitted"]["fact"]["note"] == company["approved"]["note"]
    assert "budget_line.AnnualApproved" in by_name


def test_an_id_that_is_used_for_another_command_is_a_conflict(demo: Running, company: dict[str, Any]) -> None:
    command_id = "0b0e6a52-64a5-4d0e-8f5e-2f5f8f4f9d01"
    product = "Logistics/Transport/Delivery/Route Planning"
    submit = ("schedule", "submit", product, "--year", "2026", "--as", "sofia.marin@example.com")
    first = demo.json(*submit, "--even", "--command-id", command_id)
    assert demo.json(*submit, "--even", "--command-id", command_id)["position"] == first["position"]
    other = demo.allot(*submit, "--amounts", ",".join(["1"] * 12), "--command-id", command_id)
    assert other.returncode == 7
    assert command_id in other.stderr


ALLOCATE = ("account", "allocate", "--type", "Shared", "--as", "ingrid.solberg@example.com")
REFUSED = {
    (
        "schedule",
        "approve",
        "Retail/Digital Commerce/Checkout/Paymnts",
        "--year",
        "2026",
        "--as",
        "mei.tanaka@example.com",
    ): (
        5,
        "Did you mean 'Retail/Digital Commerce/Checkout/Payments'",
    ),
    ("tasks", "--as", "mei.tanka@example.com"): (5, "Did you mean 'mei.tanaka@example.com'"),
    ("person", "grant", "mei.tanka@example.com", "vendor_manager", "--as", "ingrid.solberg@example.com"): (
        5,
        "Did you mean 'mei.tanaka@example.com'",
    ),
    (*ALLOCATE, "000000000000", "Logistics/Technology/Platform/Data Lake=100"): (5, "000000000000"),
    (*ALLOCATE, "123456789012", "Logistics/Technology/Platform/Data Lake=99.9999"): (3, "exactly 100 %"),
    ("audit", "nothing like it"): (5, "nothing like it"),
    ("rollup", "Nowhere", "--year", "2026"): (5, "Nowhere"),
    ("rollup", "--year", "2031"): (5, "2026"),
    ("cost", "import", ".", "--as", "tomas.reyes@example.com"): (5, "manifest"),
    ("demo",): (21, "already running"),
    ("up",): (21, "already running"),
}


@pytest.mark.parametrize(("arguments", "expected"), REFUSED.items(), ids=lambda value: str(value[0])[:20])
def test_what_cannot_be_done_is_said(demo: Running, arguments: tuple[str, ...], expected: tuple[int, str]) -> None:
    done = demo.allot(*arguments)
    assert (done.returncode, done.stdout) == (expected[0], "")
    assert expected[1] in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_budget_file_gets_a_table_of_its_problems(demo: Running) -> None:
    rows = "\n".join(f"A,B,C,P{n},{'-1' if n % 2 else 'x'}" for n in range(30))
    name = "Other_2027_true_2027-01-01_false_Budget_v1.csv"
    (demo.directory / name).write_text(f"BU,Dept,Portfolio,Product,Annual\n{rows}\n")
    load = ("budget", "load", name, "--as", "ingrid.solberg@example.com")
    done = demo.allot(*load)
    assert (done.returncode, done.stdout) == (2, "")
    assert "30 problems; nothing was loaded" in done.stderr
    assert "first 20 of 30" in done.stderr
    machine = demo.allot(*load, "--json")
    assert machine.returncode == 2
    problems = json.loads(machine.stdout)["problems"]
    assert len(problems) == 30
    assert problems[0]["row"] == 2
    assert demo.allot("rollup", "--year", "2027").returncode == 5


INGRID = ALLOCATE[-2:]


def test_people_come_in_a_file_go_and_take_their_tasks_with_them(demo: Running) -> None:
    file = demo.directory / "people.csv"
    product = "Retail/Store Operations/Point of Sale/Till Platform"
    file.write_text(
        f"email,name,persona,node\nkim@example.com,Kim Ruiz,product_owner,{product}\nlee@example.com,Lee,,\n"
    )
    load = ("person", "import", str(file), *INGRID)
    imported = demo.json(*load)
    assert (imported["status"], imported["people"], imported["grants"]) == ("imported", 2, 1)
    assert demo.json(*load)["status"] == "unchanged"
    assert [task["subject"] for task in demo.json("tasks", "--as", "kim@example.com")["tasks"]] == [product]
    gone = demo.json("person", "deactivate", "kim@example.com", "--reason", "Left.", *INGRID)
    assert "1 grant was withdrawn" in gone["message"]
    refused = demo.allot("schedule", "submit", product, "--year", "2026", "--even", "--as", "kim@example.com")
    assert (refused.returncode, "deactivated" in refused.stderr) == (4, True)
    assert demo.json("tasks", "--as", "kim@example.com")["tasks"] == []
    file.write_text("email,name,persona,node\nkim@example.com,Kim Ruiz,,\nnobody,,king,\n")
    bad = demo.allot(*load)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "3 problems; nobody was imported" in bad.stderr
    assert demo.json("person", "reactivate", "kim@example.com", *INGRID)["events"] == 1
    grant = f"product_owner:{product}"
    for done in ("grant", "withdraw"):
        (answer,) = demo.json("person", done, "kim@example.com", grant, *INGRID)["grants"]
        assert answer["events"] == 2
    assert demo.json("person", "deactivate", "kim@example.com", *INGRID)["events"] == 1
    people = {person["email"]: person["state"] for person in demo.json("person", "list")["people"]}
    assert people["kim@example.com"] == "deactivated"
    assert people["lee@example.com"] == "active"


def test_the_same_budget_twice_changes_nothing_and_another_one_is_refused(demo: Running) -> None:
    file = next(DEMO.glob("*_Budget_v1.csv"))
    assert demo.json("budget", "load", str(file), "--as", "ingrid.solberg@example.com")["status"] == "unchanged"
    changed = demo.directory / file.name
    changed.write_text(file.read_text() + "Retail,Digital Commerce,Checkout,Refunds,1.00,,\n")
    done = demo.allot("budget", "load", str(changed), "--as", "ingrid.solberg@example.com")
    assert done.returncode == 3
    assert "2026" in done.stderr


def test_views_rebuilt_show_the_same(demo: Running) -> None:
    def figures() -> dict[str, Any]:
        rollup: dict[str, Any] = demo.json("rollup", "--year", "2026")
        return rollup

    before = figures()
    demo.json("view", "rebuild")
    assert figures() == before


async def test_every_process_of_the_demo_that_has_ended_is_replayed(demo: Running) -> None:
    address = dotenv_values(demo.directory / "embedded.env")["ALLOT_TEMPORAL_ADDRESS"]
    assert address
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    assert await replay_all_ended(client) > 40


def test_ctrl_c_ends_every_process(demo: Running) -> None:
    """Last in this file: the demo of the other tests ends here."""
    assert demo.pids
    started = time.monotonic()
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(STOPPED_WITHIN_S) == 0
    assert time.monotonic() - started < STOPPED_SOON_S, "whoever waits for messages of AWS must not hold it up"
    deadline = time.monotonic() + 5
    while (left := [pid for pid in demo.pids if psutil.pid_exists(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    assert "Traceback" not in (demo.directory / "stderr.txt").read_text()
    assert not (demo.directory / "embedded.env").exists()
