"""`allot export` with a real worker: who may take what, what is recorded of it, and that nothing else leaves."""

from __future__ import annotations

import csv
import json
import stat
from hashlib import sha256
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest

from domain.decision import Persona
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona, RegisterPerson
from tests.command_line.account_company import LABS, LAST_MONTH, SHOP, STRANGER, AccountCompany
from tests.command_line.company import CHECKOUT, address
from tests.command_line.conftest import Allot
from tests.views.given import cost

YEAR = str(LAST_MONTH.year)
OTHER = NodePath(("Retail 2", "Digital", "Web", "Checkout"))


@pytest.fixture
def company(working_accounts: AccountCompany) -> AccountCompany:
    """Two business units whose names begin alike, and a vendor manager."""
    company = working_accounts
    company.vend(name="=cmd|'/C calc'!A0")
    company.vend(LABS, "labs")
    for name, persona, node in (("Vic", Persona.VENDOR_MANAGER, NodePath.ROOT), ("Uma", Persona.BU_OWNER, OTHER)):
        company.ledger.people.ensure(address(name), name)
        company.by_allot(RegisterPerson, person=address(name))
        company.by_allot(GrantPersona, person=address(name), persona=persona, node=NodePath(node.parts[:1]))
    company._load(LAST_MONTH.year, "7.00", OTHER, effective_on=LAST_MONTH.replace(month=12), content_hash="e" * 64)
    company.allocate(on=LAST_MONTH, Checkout="33.3333", Search="66.6667")
    day = LAST_MONTH.isoformat()
    company.bill([cost(SHOP, day, "100.0000000007"), cost(LABS, day, "-11.01"), cost(STRANGER, day, "0.005")])
    company.show()
    return company


def taken(allot: Allot, who: str, to: Path, *more: str, what: str = "rollup") -> dict[str, Any]:
    answer = allot("export", what, "--year", YEAR, "--to", str(to), "--as", address(who), "--json", *more)
    assert answer.status == 0, answer.err
    found: dict[str, Any] = json.loads(answer.out)
    assert found["sha256"] == sha256(to.read_bytes()).hexdigest()
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def audit(allot: Allot, subject: object) -> list[dict[str, Any]]:
    answer = allot("audit", str(subject), "--json")
    assert answer.status == 0, answer.err
    entries: list[dict[str, Any]] = json.loads(answer.out)["events"]
    return entries


def test_who_may_take_what_and_what_is_recorded_of_it(allot: Allot, company: AccountCompany, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    # Finance takes everything, and it adds up to the report.
    whole = taken(allot, "Fin", folder / "all.csv")
    assert (whole["node"], whole["total"], whole["report"]) == ("/", "88.9950000007", "88.9950000007")
    assert whole["unallocated"] == "-11.005"
    rows = rows_of(folder / "all.csv")
    assert whole["rows"] == len(rows)
    assert {row["account_name"] for row in rows} == {"", "'=cmd|'/C calc'!A0", "labs"}
    about = json.loads((folder / "all.csv.about.json").read_text())
    assert (about["export"], about["total"], about["log_position"]) == (
        whole["export_id"],
        whole["total"],
        str(whole["position"]),
    )
    assert taken(allot, "Vic", folder / "all.parquet")["node"] == "/"
    assert pq.read_table(folder / "all.parquet").num_rows == len(rows)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    # A business unit takes its own, whether it says so or not.
    unit = taken(allot, "Bea", folder / "unit.csv")
    assert (unit["node"], unit["total"], unit["report"]) == ("Retail", "100.0000000007", None)
    assert {row["e1"] for row in rows_of(folder / "unit.csv")} == {"Retail"}
    assert {row["account_id"] for row in rows_of(folder / "unit.csv")} == {"", SHOP}
    book = taken(allot, "Bea", folder / "web.xlsx", "--node", str(CHECKOUT.portfolio))
    assert openpyxl.load_workbook(folder / "web.xlsx")["Export"].max_row == book["rows"] + 1
    days = taken(allot, "Bea", folder / "days.csv", what="daily")
    assert (days["total"], days["rows"]) == (unit["total"], 2)
    assert {row["day"] for row in rows_of(folder / "days.csv")} == {LAST_MONTH.isoformat()}
    other = taken(allot, "Uma", folder / "other.csv")
    assert (other["node"], other["total"], other["rows"]) == ("Retail 2", "0.00", 4)
    before = sorted(path.name for path in folder.iterdir())
    # Everybody else is refused, before a file is begun, and that is recorded.
    for who, node in (("Uma", "Retail"), ("Bea", "/"), ("Ann", str(CHECKOUT)), ("Ann", None)):
        place = ("--node", node) if node else ()
        to = str(folder / "no.csv")
        answer = allot("export", "rollup", "--year", YEAR, "--to", to, "--as", address(who), *place)
        assert answer.status == 4, (who, node, answer.err)
        assert "one must be bu_owner or financial_admin or vendor_manager there" in answer.err
    assert sorted(path.name for path in folder.iterdir()) == before
    # What was taken is in the log, by the export, the file and the person.
    started, finished = audit(allot, whole["export_id"])
    assert (started["fact_name"], finished["fact_name"]) == ("export.Started", "export.Finished")
    fact = finished["fact"]
    assert (fact["sha256"], fact["rows"], fact["total"]) == (whole["sha256"], whole["rows"], whole["total"])
    assert finished["policies"] == ["finance-export-offices"]
    assert [entry["fact"]["sha256"] for entry in audit(allot, unit["sha256"])] == [unit["sha256"]]
    company.show()
    names = [entry["fact_name"] for entry in audit(allot, address("Bea"))]
    assert names.count("export.Finished") == 3


def test_what_cannot_be_written_is_said_before_anything_is_asked_for(
    allot: Allot, accounts: AccountCompany, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    there = folder / "there.csv"
    there.write_text("mine")
    beside = folder / "new.csv.about.json"
    beside.write_text("mine")

    def export(*arguments: str) -> tuple[int, str]:
        answer = allot("export", "rollup", "--year", YEAR, "--as", address("Fin"), *arguments)
        return answer.status, answer.err

    for arguments, words in (
        (("--to", str(there)), "nothing is overwritten"),
        (("--to", str(folder / "new.csv")), "nothing is overwritten"),
        (("--to", str(folder / "none" / "new.csv")), "There is no folder"),
        (("--to", str(folder / "new.txt")), "does not say its format"),
        (("--to", str(folder / "x.csv"), "--account", "123"), "account-id"),
        (("--to", str(folder / "x.csv"), "--metric", "list"), "--metric"),
    ):
        status, said = export(*arguments)
        assert status != 0, arguments
        assert words in said, (arguments, said)
    assert (there.read_text(), beside.read_text()) == ("mine", "mine")
    assert sorted(path.name for path in folder.iterdir()) == ["new.csv.about.json", "there.csv"]
