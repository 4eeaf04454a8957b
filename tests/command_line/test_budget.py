"""`allot budget`: names and flags that agree, and what is shown of a load."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console

from command_line import budget
from command_line.budget_results import (
    IMPACT_FIELDS,
    IMPACT_SHOWN_MAX,
    check_report,
    impact_rows,
    impact_table,
    write_report,
)
from command_line.budget_terms import Flags, terms_of
from command_line.output import print_whole
from command_line.session import Session
from domain.calendar import FiscalCalendar
from domain.errors import BadInput, Unavailable
from domain.process import BudgetLoadResult, LoadTerms
from file_store import FileStore
from tests.command_line.conftest import Allot

NAMED = "Acme_2026_false_2026-07-01_false_Budget_v2.csv"
TERMS = LoadTerms(
    customer="Acme",
    fiscal_year=2026,
    is_new=False,
    effective_on="2026-07-01",
    is_override=False,
    option="Budget",
    file_version="v2",
)
RESULT = BudgetLoadResult(
    status="dry_run",
    message="Nothing is recorded.",
    fiscal_year=2026,
    mode="change",
    effective_on="2026-07-01",
    added=1,
    changed=1,
    old_total="100.00",
    new_total="130.00",
    labels=("Unit", "Department", "Portfolio", "Product"),
)
ROWS: list[dict[str, Any]] = [
    {"product": "=Retail/Digital/Web/Cart", "change": "added", "old": "", "new": "10.00", "schedule": ""},
    {
        "product": "Retail/Digital/Web/Shop",
        "change": "changed",
        "old": "100.00",
        "new": "120.00",
        "schedule": "over_budget",
    },
]


def terms(name: str = "budget.xlsx", first_month: int = 1, **flags: Any) -> LoadTerms:
    return terms_of(name, Flags(**flags), FiscalCalendar(first_month))


def refused(name: str = "budget.csv", **flags: Any) -> BadInput:
    with pytest.raises(BadInput) as found:
        terms(name, **flags)
    return found.value


def test_the_name_alone_says_it() -> None:
    assert terms(NAMED) == TERMS


def test_flags_may_repeat_the_name() -> None:
    assert terms(NAMED, fiscal_year=2026, is_new=False, effective_on="2026-07-01", customer="Acme") == TERMS


def test_flags_that_contradict_the_name_are_refused_with_each_difference() -> None:
    error = refused(NAMED, fiscal_year=2027, is_override=True, customer="Other")
    assert error.code == "ConflictingTerms"
    assert "--customer says 'Other' and the name 'Acme'; --year says 2027 and the name 2026" in error.message
    assert "--override says true and the name false" in error.message
    assert "--new is given and the name says isNew=false" in refused(NAMED, is_new=True).message


def test_flags_take_the_place_of_a_name() -> None:
    given: dict[str, Any] = {"customer": "Acme", "fiscal_year": 2026, "is_new": False, "effective_on": "2026-07-01"}
    assert terms(**given, option="Budget", file_version="v2") == TERMS
    assert terms(**given).file_version == "v1"
    assert terms(fiscal_year=2026, is_override=True, effective_on="2026-07-01").is_override


def test_a_first_load_needs_no_date() -> None:
    assert terms(first_month=7, fiscal_year=2026, is_new=True).effective_on == "2025-07-01"


@pytest.mark.parametrize(
    ("flags", "missing"),
    [
        ({"customer": "Acme"}, "--year, --from and one of --new, --change or --override are missing"),
        ({"fiscal_year": 2026}, "--from and one of --new, --change or --override are missing"),
        ({"fiscal_year": 2026, "is_new": False}, "--from is missing"),
        ({"fiscal_year": 2026, "is_override": True}, "--from is missing"),
        ({"is_new": True}, "--year is missing"),
    ],
)
def test_what_flags_leave_open_is_named(flags: dict[str, Any], missing: str) -> None:
    error = refused(**flags)
    assert error.code == "MissingTerms"
    assert missing in error.message


def test_a_change_is_no_override() -> None:
    assert "--change or --override, not both" in refused(is_new=False, is_override=True).message


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ({"fiscal_year": 2026, "is_new": False, "effective_on": "2026-07-02"}, "NotFirstOfMonth"),
        ({"fiscal_year": 2026, "is_new": False, "effective_on": "2027-07-01"}, "YearMismatch"),
        ({"fiscal_year": 2026, "is_new": False, "effective_on": "July"}, "WrongTerms"),
    ],
)
def test_flags_that_contradict_the_calendar_are_refused_before_anything_is_sent(
    flags: dict[str, Any], code: str
) -> None:
    assert refused(**flags).code == code


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (("budget.csv",), 2, "WrongFileName"),
        (("budget.csv", "--year", "2026"), 2, "MissingTerms"),
        ((NAMED, "--year", "2027"), 2, "ConflictingTerms"),
        ((NAMED, "--report", "report.txt"), 2, "A report is written as .csv or .json"),
        ((NAMED, "--report", "nowhere/report.csv"), 2, "There is no folder 'nowhere'"),
        (("missing.csv",), 2, "missing.csv cannot be read"),
        ((NAMED,), 2, "Say who acts"),
    ],
)
def test_what_cannot_be_loaded_is_told_without_any_server(
    allot: Allot, tmp_path: Path, arguments: tuple[str, ...], status: int, text: str
) -> None:
    for name in ("budget.csv", NAMED):
        (tmp_path / name).write_text("")
    answer = allot("budget", "load", *arguments)
    assert (answer.status, answer.out) == (status, "")
    assert text in answer.err


def test_the_loads_of_a_year_need_postgresql(allot: Allot) -> None:
    answer = allot("budget", "loads", "--year", "2026")
    assert answer.status == Unavailable.exit_code
    assert "PostgreSQL" in answer.err


def with_difference(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"difference": difference} for row, difference in zip(rows, ("10.00", "20.00"), strict=False)]


def test_the_impact_is_a_table_with_the_years_own_words() -> None:
    out = io.StringIO()
    print_whole(Console(file=out, width=200), impact_table(RESULT, with_difference(ROWS), "USD"))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert ["2026,", "USD:", "change", "from", "2026-07-01"] in lines
    assert any(line[:1] == ["Unit/Department/Portfolio/Product"] for line in lines)
    shop = lines.index(["Retail/Digital/Web/Shop", "changed", "100.00", "120.00", "20.00", "over", "budget"])
    cart = lines.index(["=Retail/Digital/Web/Cart", "added", "10.00", "10.00"])
    assert shop < cart, "schedules that suffer come first"
    assert lines[-1] == ["All", "of", "2026", "100.00", "130.00", "30.00"]


def test_of_many_products_the_first_are_shown() -> None:
    out = io.StringIO()
    rows = [ROWS[0] | {"product": f"Thing {n}"} for n in range(100)]
    print_whole(Console(file=out, width=200), impact_table(RESULT, rows, "USD"))
    assert out.getvalue().count("Thing ") == IMPACT_SHOWN_MAX


def test_rows_come_from_the_file_store_with_exact_differences(tmp_path: Path, allot: Allot) -> None:
    store = FileStore(str(tmp_path))
    result = RESULT.model_copy(update={"impact": store.put_json(ROWS)})
    session = Session.open()
    assert impact_rows(session, store, result) == with_difference(ROWS)
    with pytest.raises(Unavailable, match="must use the same one"):
        impact_rows(session, store, result.model_copy(update={"impact": "0" * 64}))


def test_a_report_holds_all_rows_and_no_formulas(tmp_path: Path) -> None:
    rows = with_difference(ROWS)
    write_report(tmp_path / "r.csv", rows, IMPACT_FIELDS)
    head, cart, shop = csv.reader((tmp_path / "r.csv").read_text().splitlines())
    assert head == list(IMPACT_FIELDS)
    assert cart[0] == "'=Retail/Digital/Web/Cart"
    assert shop == ["Retail/Digital/Web/Shop", "changed", "100.00", "120.00", "20.00", "over_budget"]
    write_report(tmp_path / "r.json", rows, IMPACT_FIELDS)
    assert json.loads((tmp_path / "r.json").read_text()) == rows
    check_report(tmp_path / "r.CSV")
    with pytest.raises(BadInput):
        write_report(tmp_path / "missing" / "r.csv", rows, IMPACT_FIELDS)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_dry_run_is_shown_and_written(
    allot: Allot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.setenv("ALLOT_FILE_STORE", str(tmp_path / "store"))
    impact = FileStore(str(tmp_path / "store")).put_json(ROWS)
    (tmp_path / "b.xlsx").write_bytes(b"PK")
    sent: list[tuple[Any, ...]] = []

    def load(*arguments: Any, dry_run: bool) -> BudgetLoadResult:
        sent.append((*arguments[1:], dry_run))
        return RESULT.model_copy(update={"impact": impact})

    monkeypatch.setattr(budget, "_load", load)
    flags = ("--year", "2026", "--change", "--effective-on", "2026-07-01", "--dry-run", "--report", "r.csv")
    answer = allot("budget", "load", "b.xlsx", *flags, *(["--json"] if as_json else []), "--command-id", str(uuid4()))
    assert answer.status == 0, answer.err
    ((file, _, terms_sent, dry_run),) = sent
    assert (file, terms_sent.effective_on, terms_sent.is_new, dry_run) == ("b.xlsx", "2026-07-01", False, True)
    assert (tmp_path / "r.csv").read_text().count("\n") == 3
    if as_json:
        data = json.loads(answer.out)
        assert (data["status"], data["new_total"], data["impact_total"]) == ("dry_run", "130.00", 2)
        assert [row["difference"] for row in data["impact"]] == ["10.00", "20.00"]
    else:
        assert "Nothing is recorded." in answer.out
        assert "Retail/Digital/Web/Shop" in answer.out
