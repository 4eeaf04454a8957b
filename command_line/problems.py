"""What is wrong in a file that somebody handed in: a table of the first problems, on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from command_line.output import Column, console, note, print_whole, table

PROBLEMS_SHOWN_MAX = 20
PROBLEM_FIELDS = ("row", "column", "value", "problem", "remedy")
_COLUMNS = (
    Column("Row", right=True),
    Column("Column"),
    Column("Value", fold=True),
    Column("What is wrong", fold=True),
    Column("What would be right", fold=True),
)


class Report(NamedTuple):
    """What a process has found wrong with a file."""

    file_name: str
    problems: int
    """All of them."""
    name: str
    """Of the list in the file store, which holds the first of them."""
    nothing_done: str
    """Such as `nothing was loaded`."""


def tell_problems(report: Report, problems: Sequence[Mapping[str, Any]], or_else: str = "") -> None:
    """The first of them; `or_else` names another way than --json to see more."""
    title = f"{report.file_name}: {report.problems:,} problem{'s' * (report.problems != 1)}; {report.nothing_done}"
    print_whole(console(stderr=True), table(title, _COLUMNS, _rows(problems)))
    if report.problems > PROBLEMS_SHOWN_MAX:
        note(
            f"These are the first {min(len(problems), PROBLEMS_SHOWN_MAX)} of {report.problems:,}. --json prints the "
            f"first {len(problems):,}{or_else}; they are kept as {report.name} in the file store."
        )


def _rows(problems: Sequence[Mapping[str, Any]]) -> Iterable[tuple[object, ...]]:
    """A problem of the whole file has no row: it is counted as row 0."""
    for problem in problems[:PROBLEMS_SHOWN_MAX]:
        yield tuple(problem.get(name) or "" for name in PROBLEM_FIELDS)
