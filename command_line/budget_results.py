"""What `allot budget` shows of a load: its problems, or what it changes; and the files for all of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import ConsoleRenderable

from command_line.files import stored_rows
from command_line.output import Column, figures, money, note, table
from command_line.session import Session
from domain.errors import BadInput
from domain.hierarchy import LEVELS
from domain.money import plain
from domain.process import BudgetLoadResult

if TYPE_CHECKING:
    from file_store import FileStore

IMPACT_SHOWN_MAX = 20
"""Rows of each on a screen; the report has all of them."""
IMPACT_PRINTED_MAX = 1_000
"""Rows in the JSON document on stdout."""
REPORT_SUFFIXES = (".csv", ".json")
IMPACT_FIELDS = ("product", "change", "old", "new", "difference", "schedule")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would take a text that begins like this for a formula, and compute it."""

_SCHEDULES = {
    "returned": "goes back to its owner",
    "over_budget": "over budget",
    "within_budget": "within budget again",
}


def impact_rows(session: Session, store: FileStore, result: BudgetLoadResult) -> list[dict[str, Any]]:
    """What changes, product by product, with the differences."""
    if not result.impact:
        return []
    rows = stored_rows(session, store, result.impact)
    return [
        row | {"difference": plain(Decimal(row["new"]) - Decimal(row["old"] or 0))}  # exact: at most 18 digits each
        for row in rows
    ]


def impact_table(result: BudgetLoadResult, rows: Sequence[Mapping[str, Any]], currency: str) -> ConsoleRenderable:
    """Its products, those whose schedules suffer first."""
    names = "/".join(result.labels or LEVELS)
    title = f"{result.fiscal_year}, {currency}: {result.mode} from {result.effective_on}"
    columns = (Column(names, fold=True), Column(""), *figures("Before", "After", "Difference"), Column("Schedule"))
    first = sorted(rows, key=lambda row: not row["schedule"])[:IMPACT_SHOWN_MAX]
    total = (f"All of {result.fiscal_year}", "", *_amounts(result.old_total, result.new_total, currency), "")
    return table(title, columns, (_impact_line(row, currency) for row in first), total)


def _impact_line(row: Mapping[str, Any], currency: str) -> tuple[object, ...]:
    amounts = _amounts(row["old"], row["new"], currency)
    return row["product"], row["change"], *amounts, _SCHEDULES.get(row["schedule"], "")


def _amounts(old: str, new: str, currency: str) -> tuple[str, str, str]:
    before = Decimal(old) if old else None
    after = Decimal(new or 0)
    return money(before, currency), money(after, currency), money(after - (before or 0), currency)


def check_report(path: Path | None) -> None:
    """Raises BadInput before any work is done for a report that could not be written."""
    if path is None:
        return
    if path.suffix.lower() not in REPORT_SUFFIXES:
        raise BadInput(f"A report is written as {' or '.join(REPORT_SUFFIXES)}; {str(path)!r} ends in neither.")
    if not path.parent.is_dir():
        raise BadInput(f"There is no folder {str(path.parent)!r} for the report: make it, or name another.")


def write_report(path: Path | None, rows: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> None:
    if path is None:
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(_csv(rows, fields) if path.suffix.lower() == ".csv" else json.dumps(list(rows), indent=1))
    except OSError as error:
        raise BadInput(f"The report {str(path)!r} cannot be written: {error.strerror or error}.") from None
    note(f"{len(rows):,} rows are in {path}.")


def _csv(rows: Iterable[Mapping[str, Any]], fields: Sequence[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(fields)
    for row in rows:
        texts = (name in ("product", "value") for name in fields)
        writer.writerow(_text(cell) if text else cell for cell, text in zip(_row(row, fields), texts, strict=True))
    return out.getvalue()


def _text(cell: object) -> str:
    """Text stays text in a spreadsheet."""
    text = str(cell)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _row(row: Mapping[str, Any], fields: Sequence[str]) -> tuple[object, ...]:
    return tuple("" if (cell := row.get(name)) is None else cell for name in fields)
