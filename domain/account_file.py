"""A file of allocations, checked whole: every allocation in it, or everything that is wrong with it.

Columns `account`, `type`, `product` and, as one likes, `percent`, `from` and `note`, in any order. An account that
several products share has a line for each; the lines with the same account and the same `from` are one allocation.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from domain.account_allocating import ROWS_MAX, AllocationRow
from domain.account_cells import Cells, read_account_id, read_day
from domain.account_lines import SPLIT_COLUMNS, TYPE, AccountLines
from domain.account_table import Line, Shape, read_lines
from domain.budget_file_problem import Fault, Problems

ACCOUNT, FROM = "account", "from"
SHAPE = Shape("file of allocations", (ACCOUNT, *SPLIT_COLUMNS, FROM), (ACCOUNT, TYPE, "product"))


class AllocationsRead(NamedTuple):
    """What a file holds: its good allocations by their first line, and what is wrong with the others."""

    rows: tuple[AllocationRow, ...]
    problems: Problems


def read_allocations(data: bytes) -> AllocationsRead:
    """Every allocation of the file. More may be found wrong with what is known of the accounts."""
    problems = Problems()
    found = _gathered(read_lines(data, SHAPE, problems), problems)
    rows = tuple(
        AllocationRow(
            row=lines.row,
            account_id=account_id,
            account_type=lines.account_type,
            shares=shares,
            effective_on=effective_on,
            note=lines.note or "",
        )
        for (account_id, effective_on), lines in found.items()
        if (shares := lines.shares(problems)) and lines.account_type
    )
    return AllocationsRead(rows, problems)


def _gathered(lines: Iterable[Line], problems: Problems) -> dict[tuple[str, date | None], AccountLines]:
    found: dict[tuple[str, date | None], AccountLines] = {}
    for line in lines:
        cells = Cells(line, problems)
        account_id = cells.read(ACCOUNT, read_account_id)
        day = cells.read(FROM, read_day)
        unreadable = cells.faulty
        key = (account_id or "", day)
        if not unreadable and key not in found and len(found) == ROWS_MAX:
            fault = Fault(f"is one more than {ROWS_MAX:,} allocations, the most in one file", "split the file")
            problems.add(line.row, "", "", fault)
            break
        # The other cells of a line whose account cannot be told are checked, too.
        one = AccountLines(line.row) if unreadable else found.setdefault(key, AccountLines(line.row))
        one.add(cells)
    return found
