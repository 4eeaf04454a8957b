"""What is wrong in a budget file: row by row, with what would be right, so that Finance can mend it in one go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from domain.model import Model

PROBLEMS_KEPT_MAX = 1_000
"""Problems of one file that are listed; all of them are counted."""
VALUE_CHARS_MAX = 100
"""Characters of a wrong value that are shown."""
WHOLE_FILE = 0
"""In place of a row number, where a problem is of the file as a whole."""


class Problem(Model):
    """One thing to mend.

    Rows are numbered as a spreadsheet shows them: the header is row 1, an empty line counts, and a record counts once
    even where a quoted cell of it runs over several lines.
    """

    row: int
    column: str = ""
    """Name from the header, or the spreadsheet's letter where there is none; empty for the whole row."""
    value: str = ""
    """As in the file; the beginning of it where it is long."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        if self.row == WHOLE_FILE:
            return f"The file {self.problem}: {self.remedy}."
        if not self.column:
            return f"Row {self.row} {self.problem}: {self.remedy}."
        return f"Row {self.row}, {self.column}: {shown(self.value)} {self.problem}: {self.remedy}."


class Fault(NamedTuple):
    """What is wrong with a value, and what would be right; where it stands is known elsewhere."""

    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class InvalidBudget:
    """The answer to a bad file: its first problems, and how many there are."""

    problems: tuple[Problem, ...]
    count: int


@dataclass(slots=True)
class Problems:
    """Collects problems in the order of the file."""

    kept: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, row: int, column: str, value: str, fault: Fault) -> None:
        self.count += 1
        if len(self.kept) < PROBLEMS_KEPT_MAX:
            excerpt = value if len(value) <= VALUE_CHARS_MAX else value[: VALUE_CHARS_MAX - 1] + "…"
            self.kept.append(Problem(row=row, column=column, value=excerpt, problem=fault.problem, remedy=fault.remedy))

    def add_to_file(self, fault: Fault) -> None:
        self.add(WHOLE_FILE, "", "", fault)

    def result(self) -> InvalidBudget:
        return InvalidBudget(tuple(self.kept), self.count)


def shown(value: str) -> str:
    """In quotes, on one line, with what cannot be seen made visible."""
    return repr(value)


def column_letter(index: int) -> str:
    """What a spreadsheet calls the column: 0 is A, 25 Z, 26 AA."""
    letters = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters
