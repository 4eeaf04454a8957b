"""A file of people, checked whole: every line of it, or everything that is wrong with it.

Columns `email`, `name`, `persona` and `node`, in any order. Somebody may have several lines, one for each grant; a line
without a persona only adds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.budget_file import is_email
from domain.budget_file_csv import BYTE_ORDER_MARK, NotUtf8, Record, records
from domain.budget_file_problem import Fault, Problems, column_letter
from domain.decision import Grant, Persona, plain_line
from domain.hierarchy import LEVELS, NodePath
from domain.people import LEVEL_OF_PERSONA
from domain.people_import import ROWS_MAX
from domain.process import PERSON_NAME_CHARS_MAX

PEOPLE_FILE_BYTES_MAX = 10_000_000
EMAIL, NAME, PERSONA, NODE = COLUMNS = ("email", "name", "persona", "node")
PRIVATE = frozenset({EMAIL, NAME})
"""Columns whose values belong into no history and no event."""
HEADER_ROW = 1
_HEADER_REMEDY = f"row 1 is the header: {','.join(COLUMNS)}"
_PERSONAS_REMEDY = f"write one of {', '.join(Persona)}, or leave the cell empty to add the person only"
_NODE_REMEDY = "write its path, such as Retail/Digital/Web/Checkout, with / inside a name as %2F, or / for all"


class PersonLine(NamedTuple):
    """One good line."""

    row: int
    email: str
    name: str
    grant: Grant | None


class PeopleRead(NamedTuple):
    """What a file holds: its good lines, and what is wrong with the others. More may be found wrong with what is known
    of these people; only then is the answer whole."""

    lines: tuple[PersonLine, ...]
    problems: Problems


def read_people(data: bytes) -> PeopleRead:
    """Every line of the file."""
    problems = Problems()
    lines: list[PersonLine] = []
    if fault := _unreadable(data):
        problems.add_to_file(fault)
        return PeopleRead((), problems)
    try:
        _read(data, lines, problems)
    except NotUtf8 as error:
        fault = Fault(f"is not UTF-8 at byte {error.offset} of the file (0x{error.byte:02X})", "save it as CSV UTF-8")
        problems.add(error.row, "", "", fault)
    return PeopleRead(tuple(lines), problems)


def _unreadable(data: bytes) -> Fault | None:
    if len(data) > PEOPLE_FILE_BYTES_MAX:
        return Fault(f"has {len(data):,} bytes; at most {PEOPLE_FILE_BYTES_MAX:,} are allowed", "split it")
    if data.startswith(b"PK\x03\x04"):
        return Fault("is a workbook and not CSV", "save it as CSV UTF-8")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Fault("is UTF-16", "save it as CSV UTF-8")
    if not data.removeprefix(BYTE_ORDER_MARK).strip():
        return Fault("is empty", "it needs a header and a line for each person")
    return None


def _read(data: bytes, lines: list[PersonLine], problems: Problems) -> None:
    found = records(data)
    header = next(found)
    if header.fault:
        problems.add(header.row, "", "", header.fault)
        return
    places = _places(header.cells, problems)
    if problems.count:
        return
    reader = _Reader(places, lines, problems)
    for record in found:
        if not reader.read(record):
            break
    if not reader.seen:
        problems.add_to_file(Fault("has nobody below its header", "it needs a line for each person"))


def _places(cells: Sequence[str], problems: Problems) -> tuple[int, ...]:
    """Where the columns are, in our order."""
    names = [cell.strip().lower() for cell in cells]
    for index, name in enumerate(names):
        fault = None
        if name not in COLUMNS:
            fault = Fault("is not a column of a file of people" if name else "has no name", _HEADER_REMEDY)
        elif names.index(name) != index:
            fault = Fault(f"is in column {column_letter(names.index(name))} already", "keep one of the two columns")
        if fault:
            problems.add(HEADER_ROW, f"column {column_letter(index)}", cells[index], fault)
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        problems.add(HEADER_ROW, "", "", Fault(f"lacks {', '.join(missing)}", _HEADER_REMEDY))
    return () if problems.count else tuple(names.index(name) for name in COLUMNS)


@dataclass(slots=True)
class _Reader:
    """Reads line after line; what two of them must not say differently is remembered."""

    places: tuple[int, ...]
    lines: list[PersonLine]
    problems: Problems
    seen: int = 0
    first_of: dict[tuple[str, Grant | None], int] = field(default_factory=dict)
    names: dict[str, tuple[str, int]] = field(default_factory=dict)

    def read(self, record: Record) -> bool:
        """Whether to go on; each problem of the line is added."""
        cells = record.cells
        if record.fault is None and not "".join(cells).strip():
            return True
        self.seen += 1
        if self.seen > ROWS_MAX:
            self._add(
                record.row, "", "", f"is one more than {ROWS_MAX:,} lines, the most in one file", "split the file"
            )
            return False
        if record.fault:
            self.problems.add(record.row, "", record.excerpt, record.fault)
        elif len(cells) != len(self.places):
            problem = f"has {len(cells)} cells, and the header has {len(self.places)}"
            self._add(record.row, "", ",".join(cells), problem, "put a cell that holds a comma in quotes")
        else:
            self._check(record.row, *(cells[place].strip() for place in self.places))
        return True

    def _check(self, row: int, email: str, name: str, persona: str, node: str) -> None:
        before = self.problems.count
        if not is_email(email):
            problem = "is not an e-mail address" if email else "is missing"
            self._add(row, EMAIL, email, problem, "write one such as ann@example.com")
        self._check_name(row, email.lower(), name)
        grant = self._grant(row, persona, node)
        if self.problems.count > before:
            return
        if (first := self.first_of.setdefault((email.lower(), grant), row)) != row:
            what = "the same grant" if grant else "the same person without a grant"
            self._add(row, EMAIL, email, f"has {what} as row {first}", "leave one of the two lines out")
            return
        self.lines.append(PersonLine(row, email, name, grant))

    def _check_name(self, row: int, person: str, name: str) -> None:
        if not name:
            return
        try:
            plain_line(name)
        except ValueError as error:
            self._add(row, NAME, name, str(error), "write the name as others know it")
            return
        if len(name) > PERSON_NAME_CHARS_MAX:
            self._add(row, NAME, name, f"has {len(name)} characters", f"at most {PERSON_NAME_CHARS_MAX} are kept")
        other, first = self.names.setdefault(person, (name, row))
        if other != name:
            self._add(row, NAME, name, f"is another name than in row {first}", "give each person one name")

    def _grant(self, row: int, persona: str, node: str) -> Grant | None:
        if not persona:
            if node:
                self._add(row, PERSONA, "", "is missing, and a node is given", _PERSONAS_REMEDY)
            return None
        try:
            wanted = Persona(persona.lower())
        except ValueError:
            self._add(row, PERSONA, persona, "is not a persona", _PERSONAS_REMEDY)
            return None
        try:
            grant = Grant(wanted, NodePath.parse(node or "/"))
        except ValueError as error:
            self._add(row, NODE, node, f"is not a path of the hierarchy: {error}", _NODE_REMEDY)
            return None
        if grant.node.level != (level := LEVEL_OF_PERSONA[wanted]):
            right = f"write the path of a node of level {LEVELS[level - 1]}" if level else "leave it empty, or write /"
            self._add(row, NODE, node, "is not of the persona's level", f"{wanted}: {right}")
        return grant

    def _add(self, row: int, column: str, value: str, problem: str, remedy: str) -> None:
        self.problems.add(row, column, value, Fault(problem, remedy))
