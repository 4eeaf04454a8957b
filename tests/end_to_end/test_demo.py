"""`allot demo` as a stranger runs it: its figures, its neighbours, its end.

The figures are checked against a sum of the sample files that shares no code with Allot.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
STARTED_WITHIN_S = 150
STOPPED_WITHIN_S = 60
CENT = Decimal("0.01")
pytestmark = pytest.mark.xdist_group("demo")  # one demo for all, in order

COMMAND = [sys.executable, "-m", "starter"]


class Running(NamedTuple):
    """A demo that was started and has told its figures."""

    process: subprocess.Popen[str]
    answer: dict[str, Any]
    directory: Path
    pids: list[int]

    def allot(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(self.directory, *arguments)

    def json(self, *arguments: str) -> Any:
        done = self.allot(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def environment(directory: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALLOT_", "AWS_"))}
    return {**kept, "ALLOT_STATE_DIR": str(directory), "PYTHONPATH": str(ROOT)}


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(directory),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=STARTED_WITHIN_S,
    )


def whole_document(stream: IO[str]) -> dict[str, Any]:
    """The JSON document, as soon as it is all there."""
    lines = []
    for line in stream:
        lines.append(line)
        if line.rstrip() == "}":
            break
    document: dict[str, Any] = json.loads("".join(lines))
    return document


def started_by(directory: Path) -> list[int]:
    """Every process of the demo, as it wrote them down, and theirs."""
    children = [child["pid"] for child in json.loads((directory / "running.json").read_text())["children"]]
    return [*children, *(inner.pid for pid in children for inner in psutil.Process(pid).children(recursive=True))]


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


def spend_by_sample_account() -> dict[str, Decimal]:
    """The sample report, line by line."""
    spend: dict[str, Decimal] = {}
    for file in sorted((DEMO / "cur").rglob("*.csv.gz")):
        with gzip.open(file, "rt", newline="") as lines:
            for line in csv.DictReader(lines):
                account = line["lineItem/UsageAccountId"]
                spend[account] = spend.get(account, Decimal(0)) + Decimal(line["lineItem/UnblendedCost"])
    return spend


def budget() -> dict[str, Decimal]:
    """The budget file, row by row."""
    with next(DEMO.glob("*_Budget_v1.csv")).open(newline="") as lines:
        rows = list(csv.reader(lines))[1:]
    return {"/".join(row[:4]): Decimal(row[4].replace(",", "")) for row in rows}


def rows_by_path(rollup: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in rollup["rows"]}


def test_the_budget_adds_up_at_every_level(demo: Running) -> None:
    expected: dict[str, Decimal] = {}
    for product, annual in budget().items():
        parts = product.split("/")
        for path in ["/", *("/".join(parts[:level]) for level in range(1, 5))]:
            expected[path] = expected.get(path, Decimal(0)) + annual
    found = {path: Decimal(row["annual"]) for path, row in rows_by_path(demo.answer["rollup"]).items()}
    assert found == expected


def test_only_the_approved_schedule_is_planned(demo: Running, company: dict[str, Any]) -> None:
    planned = sum(map(Decimal, company["approved"]["amounts"].split(",")))
    rows = rows_by_path(demo.answer["rollup"])
    assert {path for path, row in rows.items() if row["level"] == 4 and Decimal(row["planned"])} == {
        company["approved"]["product"]
    }
    assert Decimal(rows["/"]["planned"]) == planned
    assert rows[company["approved"]["product"]]["state"] == "APPROVED"
    assert rows[company["rejected"]["product"]]["state"] == "REJECTED"


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
            parts[product] += len(company["billing_periods"])
    rows = rows_by_path(demo.answer["rollup"])
    for product, amount in expected.items():  # a share is in whole cents, of which each month has its own
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


def test_what_the_demo_suggests_works(demo: Running, company: dict[str, Any]) -> None:
    rejected = company["rejected"]
    product, year = rejected["product"], ("--year", str(company["fiscal_year"]))
    assert product in [task["subject"] for task in demo.json("tasks", "--as", rejected["owner"])["tasks"]]
    amounts = ("--amounts", rejected["better_amounts"])
    submitted = demo.json("schedule", "submit", product, *year, *amounts, "--as", rejected["owner"])
    assert submitted["schedule"]["state"] == "PENDING"
    own = demo.allot("schedule", "approve", product, *year, "--as", rejected["owner"])
    assert own.returncode == 4
    approve = ("schedule", "approve", product, *year, "--as", rejected["decided_by"])
    assert demo.json(*approve)["schedule"]["state"] == "APPROVED"
    again = demo.json(*approve)
    assert again["events"] == 0
    assert "that decision stands" in again["message"]


def test_every_event_leads_to_the_run_that_recorded_it(demo: Running, company: dict[str, Any]) -> None:
    product = company["approved"]["product"]
    events = demo.json("audit", product)["events"]
    by_name = {event["fact_name"]: event for event in events}
    approval = by_name["schedule.Approved"]
    assert approval["actor_name"] == "Mei Tanaka"
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


def test_ctrl_c_ends_every_process(demo: Running) -> None:
    """Last in this file: the demo of the other tests ends here."""
    assert demo.pids
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(STOPPED_WITHIN_S) == 0
    deadline = time.monotonic() + 5
    while (left := [pid for pid in demo.pids if psutil.pid_exists(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    assert "Traceback" not in (demo.directory / "stderr.txt").read_text()
    assert not (demo.directory / "embedded.env").exists()


def test_without_keep_it_shows_the_tables_and_ends(tmp_path: Path) -> None:
    done = run(tmp_path, "demo", "--no-keep")
    assert done.returncode == 0, done.stderr
    assert "Reconciled to the last digit" in done.stdout
    assert "loyalty-pilot" in done.stdout
    assert "243,250.50" in done.stdout
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "embedded.env").exists()
