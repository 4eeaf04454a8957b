"""The header of a budget file: four labels of the levels E1 to E4, then columns by name, in any order and any case."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.budget_file_problem import Fault, Problems, column_letter
from domain.calendar import Month
from domain.hierarchy import LEVELS, NODE_NAME_CHARS_MAX, PRODUCT_LEVEL, node_name_problem

ANNUAL, ESTIMATED, CODE, OWNER = "Annual", "Estimated", "Code", "Owner"
MONTHS = "months"
HEADER_ROW = 1

_NAMED = {name.lower(): name for name in (ANNUAL, ESTIMATED, CODE, OWNER)}
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)
_COLUMNS_REMEDY = "columns are Annual, the months written YYYY-MM, Estimated, Code and Owner"


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a row each value stands."""

    labels: tuple[str, str, str, str]
    names: tuple[str, ...]
    """Of all columns, as they are shown in problems."""
    months: Mapping[Month, int]
    """In order of the year; empty where the file has no month columns."""
    annual: int | None
    estimated: int | None
    code: int | None
    owner: int | None

    @property
    def absent(self) -> tuple[str, ...]:
        """What the file might say of a product and says of none: names of columns, `MONTHS` for all twelve."""
        there = {ESTIMATED: self.estimated, CODE: self.code, OWNER: self.owner, MONTHS: self.months or None}
        return tuple(name for name, place in there.items() if place is None)


def read_header(cells: Sequence[str], months: Sequence[Month], fiscal_year: int, problems: Problems) -> Columns | None:
    """None where anything is wrong with it: then the rows below cannot be understood either."""
    found = problems.count
    if len(cells) <= PRODUCT_LEVEL:
        _too_short(cells, problems)
        return None
    _check_labels(cells[:PRODUCT_LEVEL], problems)
    at = _places(cells, months, fiscal_year, problems)
    _check_amounts(at, months, problems)
    if problems.count > found:
        return None
    e1, e2, e3, e4 = cells[:PRODUCT_LEVEL]
    return Columns(
        labels=(e1, e2, e3, e4),
        names=(e1, e2, e3, e4, *sorted(at, key=at.__getitem__)),
        months={month: at[str(month)] for month in months if str(month) in at},
        annual=at.get(ANNUAL),
        estimated=at.get(ESTIMATED),
        code=at.get(CODE),
        owner=at.get(OWNER),
    )


def _too_short(cells: Sequence[str], problems: Problems) -> None:
    fault = Fault(
        "is empty" if not any(cells) else f"has {len(cells)} {'column' if len(cells) == 1 else 'columns'}",
        "row 1 is the header, with the labels of E1 to E4 and at least Annual or the 12 months",
    )
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if separator in cells[0]:
            fault = Fault(f"is separated by {name}", "save the file as CSV with commas")
    problems.add(HEADER_ROW, "", "", fault)


def _check_labels(labels: Sequence[str], problems: Problems) -> None:
    seen: dict[str, str] = {}
    for index, (level, label) in enumerate(zip(LEVELS, labels, strict=True)):
        name = f"column {column_letter(index)}"
        if problem := node_name_problem(label):
            remedy = f"write the label of {level}, at most {NODE_NAME_CHARS_MAX} characters, such as Department"
            problems.add(HEADER_ROW, name, label, Fault(problem, remedy))
        elif label.strip().lower() in _NAMED or _MONTH.fullmatch(label):
            fault = Fault(
                f"stands where the label of {level} belongs", "the first four columns are the levels E1 to E4"
            )
            problems.add(HEADER_ROW, name, label, fault)
        elif (first := seen.get(label.casefold())) is not None:
            fault = Fault(f"is the label of {first} already", "give each level a label of its own")
            problems.add(HEADER_ROW, name, label, fault)
        else:
            seen[label.casefold()] = level


def _places(cells: Sequence[str], months: Sequence[Month], fiscal_year: int, problems: Problems) -> dict[str, int]:
    """Index by name of the columns after the labels."""
    of_year = {str(month) for month in months}
    at: dict[str, int] = {}
    for index in range(PRODUCT_LEVEL, len(cells)):
        text = cells[index].strip(" ")
        name = _NAMED.get(text.lower(), text)
        fault: Fault | None = None
        if name in at:
            fault = Fault(f"is in column {column_letter(at[name])} already", "keep one of the two columns")
        elif _MONTH.fullmatch(name) and name not in of_year:
            fault = Fault(f"is not a month of fiscal year {fiscal_year}", f"its months are {months[0]} to {months[-1]}")
        elif name not in of_year and name not in _NAMED.values():
            fault = Fault("is not a column of a budget file" if name else "has no name", _COLUMNS_REMEDY)
        if fault:
            problems.add(HEADER_ROW, f"column {column_letter(index)}", cells[index], fault)
        else:
            at[name] = index
    return at


def _check_amounts(at: Mapping[str, int], months: Sequence[Month], problems: Problems) -> None:
    missing = [str(month) for month in months if str(month) not in at]
    if len(missing) == len(months):
        if ANNUAL not in at:
            fault = Fault("has no column Annual", "add Annual, or all 12 months of the year")
            problems.add(HEADER_ROW, "", "", fault)
    elif missing:
        fault = Fault(
            f"has {len(months) - len(missing)} of 12 months; missing: {', '.join(missing)}",
            "give all months of the year, or none",
        )
        problems.add(HEADER_ROW, "", "", fault)
