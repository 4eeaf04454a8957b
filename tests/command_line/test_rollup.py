"""The rollup's figures are all there, and figures that do not add up are never shown as if they did."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import pytest
from rich.console import Console

from command_line import rollup
from command_line.output import Column, figures, print_whole, table
from domain.calendar import Month
from domain.hierarchy import NodePath
from tests.command_line.conftest import Allot
from views.models import PeriodCheck, RollupReport, RollupRow

EXACT = Decimal("20994.7999997760001488")


def row(path: str, level: int) -> RollupRow:
    node = NodePath.parse(path)
    amounts = dict.fromkeys(("annual", "planned", "unallocated", "actual", "variance"), Decimal("1234567.89"))
    return RollupRow(path=node, level=level, name=node.name, label="", products=1, approved=1, **amounts)


def report(difference: Decimal, rows: tuple[RollupRow, ...] = (row("/", 0),)) -> RollupReport:
    period = PeriodCheck(
        billing_period=Month(2026, 5),
        report_version="v",
        report=EXACT,
        products=EXACT - difference,
        unallocated=Decimal(0),
        difference=difference,
        charge_types={},
    )
    return RollupReport(
        fiscal_year=2026,
        node=NodePath.ROOT,
        currency="USD",
        rows=rows,
        unallocated=(),
        unallocated_total=Decimal(0),
        periods=(period,),
        position=1,
    )


def test_what_adds_up_is_said_with_all_digits(allot: Allot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "read_rollup", lambda *_: report(Decimal(0)))
    answer = allot("rollup")
    assert answer.status == 0
    assert "Reconciled to the last digit" in answer.out
    assert "20,994.7999997760001488" in answer.out


def test_the_smallest_difference_is_said_loudly_with_a_status_of_its_own(
    allot: Allot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "read_rollup", lambda *_: report(Decimal("0.0000000000000001")))
    answer = allot("rollup")
    assert answer.status == 8
    assert "NOT RECONCILED" in answer.out
    assert "0.0000000000000001" in answer.out
    assert "Reconciled to" not in answer.out
    machine = allot("rollup", "--json")
    assert machine.status == 8
    assert json.loads(machine.out)["reconciles"] is False


def test_a_tree_that_nobody_can_read_is_shown_down_to_a_whole_level(
    allot: Allot, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = [row(f"U{n}", 1) for n in range(10)]
    departments = [row(f"U{n % 10}/D{n}", 2) for n in range(rollup.ROWS_SHOWN_MAX)]
    rows = (row("/", 0), *units, *departments)
    monkeypatch.setattr(rollup, "read_rollup", lambda *_: report(Decimal(0), rows))
    out = allot("rollup").out
    assert f"{rollup.ROWS_SHOWN_MAX:,} nodes further down are left out" in out
    assert "U9" in out
    assert "D1" not in out
    assert len(json.loads(allot("rollup", "--json").out)["rows"]) == len(rows)


def test_figures_and_names_are_whole_on_a_narrow_terminal() -> None:
    stream = io.StringIO()
    columns = (Column("Name", fold=True), *figures("A", "B", "C", "D"))
    made = table("", columns, [["A name of some length", *["1,234,567,890.12"] * 4]])
    print_whole(Console(file=stream, width=40), made)
    assert stream.getvalue().count("1,234,567,890.12") == 4
    assert "A name of some" in stream.getvalue()
