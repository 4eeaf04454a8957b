"""What a command prints: tables for people, JSON for machines, notes on stderr.

Names come from files, AWS and people: nothing of them may steer the terminal, so control characters are shown and
never sent, and text is never read as markup.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel
from rich import box
from rich.console import Console, ConsoleRenderable, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from domain.hierarchy import NodePath
from domain.model import TextValue
from domain.money import decimals_of, plain

PIPE_COLUMNS = 200
"""Width where nobody has a terminal: tables go to a file or another program and are not cut."""
GAP = 2
"""Between two columns."""
FOLDED_COLUMNS_MIN = 20
"""Width below which text is not folded: better that the terminal wraps the whole line."""
TIME_FORMAT = "%Y-%m-%d %H:%M:%S UTC"


class Column(NamedTuple):
    """A column of a table; figures stand to the right."""

    title: str
    right: bool = False
    fold: bool = False
    """Whether long text may go over several lines."""


class Styled(NamedTuple):
    """A row that looks different."""

    cells: Sequence[object]
    style: str


type Row = Sequence[object] | Styled


def figures(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title, right=True) for title in titles)


def safe(text: object) -> str:
    """The text with every character written out that moves the cursor, turns text round or cannot be seen.

    ESC becomes `\\x1b`.
    """
    return "".join(_shown(character) for character in str(text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def console(*, stderr: bool = False) -> Console:
    """Made when it is used, so that it writes to wherever the stream leads now."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else max(PIPE_COLUMNS, shutil.get_terminal_size().columns)
    return Console(stderr=stderr, width=width, highlight=False, emoji=False)


class WholeTable(Group):
    """A table below its title, and the width that it needs so that nothing in it is cut."""

    def __init__(self, title: str, content: Table, width_min: int) -> None:
        super().__init__(Text(safe(title), style="bold", no_wrap=True, overflow="ignore"), content)
        self.width_min = width_min


def table(title: str, columns: Sequence[Column], rows: Iterable[Row], total: Row | None = None) -> WholeTable:
    """A table of texts; each of them is made safe."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, GAP - 1), pad_edge=False, show_edge=False)
    lines = [(_cells(row), row.style if isinstance(row, Styled) else "") for row in rows]
    if total is not None:
        lines.append((_cells(total), "bold"))
    widths = []
    for place, column in enumerate(columns):
        widest = max([len(column.title), *(_width(cells[place]) for cells, _ in lines)])
        widths.append(min(widest, FOLDED_COLUMNS_MIN) if column.fold else widest)
        made.add_column(
            escape(safe(column.title)),
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            min_width=widths[-1],
            overflow="fold",
        )
    for place, (cells, style) in enumerate(lines):
        made.add_row(*cells, style=style, end_section=total is not None and place == len(lines) - 2)
    return WholeTable(title, made, sum(widths) + GAP * (len(widths) - 1))


def _width(cell: Text) -> int:
    return max(line.cell_len for line in cell.split(allow_blank=True))


def _cells(row: Row) -> list[Text]:
    cells = row.cells if isinstance(row, Styled) else row
    return [cell if isinstance(cell, Text) else Text(safe(cell)) for cell in cells]


def money(amount: Decimal | None, currency: str) -> str:
    """For people: `1,234.56`, rounded to the currency's decimals; empty for no amount."""
    if amount is None:
        return ""
    text = f"{amount:,.{decimals_of(currency)}f}"
    return text if text.strip("-0.,") else text.removeprefix("-")


def moment(when: datetime | None) -> str:
    return when.strftime(TIME_FORMAT) if when else ""


def age(passed: timedelta) -> str:
    """In the largest unit that says something: 3 d, 5 h, 12 min, 40 s."""
    seconds = max(0, round(passed.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def persona_words(persona: str) -> str:
    """`portfolio owner`, `BU owner`"""
    return persona.replace("_", " ").replace("bu ", "BU ")


def place(node: NodePath, labels: Sequence[str]) -> str:
    """A node in the organization's own words: `Business Unit Retail › Department Digital`."""
    return " › ".join(f"{label} {name}" for label, name in zip(labels, node.parts, strict=False)) or "All"


def show(data: Mapping[str, Any], as_json: bool, people: Callable[[], Iterable[ConsoleRenderable | str]]) -> None:
    """Prints a command's answer on stdout: the data as one JSON document, or what is made for people."""
    if as_json:
        print(json.dumps(plain_data(data), indent=2), flush=True)
        return
    for part in people():
        if isinstance(part, str):
            console().print(Text(safe(part)), soft_wrap=True)
        else:
            print_whole(console(), part)


def print_whole(screen: Console, part: ConsoleRenderable) -> None:
    """A figure is never cut: where a table does not fit, the terminal wraps its lines."""
    if isinstance(part, WholeTable):
        screen.width = max(screen.width, part.width_min)
    screen.print(part)


def note(text: str, style: str = "") -> None:
    """A line on stderr: progress, warnings, errors."""
    lines = "\n".join(safe(line) for line in text.splitlines())
    console(stderr=True).print(Text(lines, style=style), soft_wrap=True)


def plain_data(value: Any) -> Any:
    """As JSON: amounts as text with all digits that the views give them, `26000.00` and not `26000`.

    Times are in ISO 8601, and whatever has a text form is written by that.
    """
    match value:
        case None | bool() | int():
            return value
        case Decimal():
            return plain(value)
        case Enum():
            return value.value
        case str():
            return value
        case datetime() | date():
            return value.isoformat()
        case UUID() | TextValue():
            return str(value)
        case BaseModel():
            return {name: plain_data(getattr(value, name)) for name in type(value).model_fields}
        case Mapping():
            return {str(key): plain_data(item) for key, item in value.items()}
        case tuple() if hasattr(value, "_asdict"):
            return {name: plain_data(item) for name, item in value._asdict().items()}
        case list() | tuple() | set() | frozenset():
            return [plain_data(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form here; a float would have lost digits")
