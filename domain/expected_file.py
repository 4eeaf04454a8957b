"""A file of expected accounts, checked whole: every account in it, or everything that is wrong with it.

Columns `type`, `product`, `email` or `name` or both, and, as one likes, `percent` and `note`, in any order. An account
is told by its address or, where that is not known, by its name; one that several products share has a line for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from domain.account_cells import Cells, read_email, read_name
from domain.account_lines import NOTE, PERCENT, PRODUCT, TYPE, AccountLines
from domain.account_table import Line, Shape, read_lines
from domain.budget_file_problem import Fault, Problems
from domain.expectation import key_of_email, key_of_name
from domain.expected_account import EXPECTED_MAX, ExpectedAccount

EMAIL, NAME = "email", "name"
PRIVATE = frozenset({EMAIL, NAME})
"""Columns whose values belong into no history: the address of an account may be a person's."""
_COLUMNS = (EMAIL, NAME, TYPE, PRODUCT, PERCENT, NOTE)
SHAPE = Shape("file of expected accounts", _COLUMNS, (TYPE, PRODUCT))


class ExpectedRow(NamedTuple):
    """An account, and its first line in the file."""

    row: int
    account: ExpectedAccount


class ExpectedRead(NamedTuple):
    """What a file holds: its good accounts, and what is wrong with the others."""

    rows: tuple[ExpectedRow, ...]
    problems: Problems


def read_expected(data: bytes) -> ExpectedRead:
    """Every account of the file. More may be found wrong with what is known of the products."""
    problems = Problems()
    found = _gathered(read_lines(data, SHAPE, problems), problems)
    rows = (_row(one, problems) for one in found.values())
    return ExpectedRead(tuple(row for row in rows if row), problems)


@dataclass(slots=True)
class _Named:
    """The lines of one account."""

    email: str
    name: str
    lines: AccountLines

    def add(self, cells: Cells, name: str) -> None:
        if name != self.name:
            fault = Fault(f"is another name than in row {self.lines.row}", "write the same name in all lines of it")
            cells.refuse(NAME, fault)
        self.lines.add(cells)


def _gathered(lines: Iterable[Line], problems: Problems) -> dict[str, _Named]:
    found: dict[str, _Named] = {}
    for line in lines:
        cells = Cells(line, problems)
        email, name = cells.read(EMAIL, read_email), cells.read(NAME, read_name)
        if email == "" and name == "":
            cells.refuse(EMAIL, Fault("is missing, and so is the name", "an account is recognised by one of them"))
        if cells.faulty or email is None or name is None:
            AccountLines(line.row).add(cells)  # what else is wrong with the line is told, too
            continue
        key = key_of_email(email) if email else key_of_name(name)
        if key not in found and len(found) == EXPECTED_MAX:
            fault = Fault(f"is one more than {EXPECTED_MAX:,} accounts, the most in one file", "split the file")
            problems.add(line.row, "", "", fault)
            break
        found.setdefault(key, _Named(email, name, AccountLines(line.row))).add(cells, name)
    return found


def _row(one: _Named, problems: Problems) -> ExpectedRow | None:
    lines = one.lines
    shares = lines.shares(problems)
    if not shares or lines.account_type is None:
        return None
    account = ExpectedAccount(
        email=one.email, name=one.name, account_type=lines.account_type, shares=shares, note=lines.note or ""
    )
    return ExpectedRow(lines.row, account)
