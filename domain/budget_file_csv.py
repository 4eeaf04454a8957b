"""RFC 4180 to the letter, and a little tolerance: lines may end with LF or CRLF, and the last one need not end.

Python's own reader is lenient (it takes `a"b` and guesses) and stops at the first error; here a stray quote is an error
of its row, and reading goes on at the next line. Lines are decoded one by one, so a large file is never held twice.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from domain.budget_file_problem import Fault, column_letter

RECORD_CHARS_MAX = 100_000
"""Characters of one record; a quote that is never closed must not swallow the file."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Possessive (++, *+), so that no cell, however odd, makes it try again and again.
_CELL = re.compile(r'(?:"((?:[^"]++|"")*+)"|([^",\r\n]*+))(,|\Z)')
_CLOSED = re.compile(r'"(?:[^"]++|"")*+"')
_TOO_LONG_FAULT = Fault(f"is longer than {RECORD_CHARS_MAX:,} characters", "check whether lines end with LF or CRLF")
_LINE_END_FAULT = Fault("holds a carriage return that ends no line", "end lines with LF or CRLF")
_QUOTE_REMEDY = (
    'put a cell that holds a quote, comma or line break in quotes, and write a quote in it twice, as in "5"" disk"'
)


class Record(NamedTuple):
    """One row, of whatever kind of file; its cells, or why they cannot be told."""

    row: int
    cells: list[str]
    fault: Fault | None = None
    excerpt: str = ""
    wrong: tuple[tuple[int, Fault], ...] = ()
    """Cells that have a value, but not one that can be a text: their place in the row, and why."""


class NotUtf8(ValueError):
    """Raised on the first byte that is not UTF-8: whatever follows cannot be trusted either."""

    def __init__(self, row: int, offset: int, byte: int) -> None:
        super().__init__(f"byte {offset}")
        self.row, self.offset, self.byte = row, offset, byte


class _Lines:
    """The lines of a file as text, with a place to put lines back."""

    def __init__(self, data: bytes) -> None:
        self._lines = io.BytesIO(data)  # shares the memory of the bytes
        self._offset = self._lines.seek(len(BYTE_ORDER_MARK)) if data.startswith(BYTE_ORDER_MARK) else 0
        self._again: deque[str] = deque()

    def next(self, row: int) -> str:
        """Empty at the end."""
        if self._again:
            return self._again.popleft()
        line = self._lines.readline()
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotUtf8(row, self._offset + error.start, line[error.start]) from None
        self._offset += len(line)
        return text

    def put_back(self, lines: list[str]) -> None:
        self._again.extendleft(reversed(lines))


def records(data: bytes) -> Iterator[Record]:
    """All rows, empty ones included; raises NotUtf8."""
    lines = _Lines(data)
    row = 0
    while line := lines.next(row + 1):
        row += 1
        if len(line) > RECORD_CHARS_MAX:
            yield Record(row, [], _TOO_LONG_FAULT, line)
        elif '"' in line:
            yield _quoted(row, line, lines)
        elif "\r" in (line := line.removesuffix("\n").removesuffix("\r")):
            yield Record(row, [], _LINE_END_FAULT, line)
        else:
            yield Record(row, line.split(","))


def _quoted(row: int, first: str, lines: _Lines) -> Record:
    """A row with quotes, which may run over several lines: it is complete when their number is even."""
    taken = [first]
    chars, quotes = len(first), first.count('"')
    while quotes % 2 and chars <= RECORD_CHARS_MAX and (line := lines.next(row + len(taken))):
        taken.append(line)
        chars += len(line)
        quotes += line.count('"')
    # A quote that closes nowhere is looked for where it stands, in the first line.
    text = first if quotes % 2 else "".join(taken)
    cells, fault = _split(text.removesuffix("\n").removesuffix("\r"))
    if fault is None:
        return Record(row, cells)
    # The quote was no quoting: the lines after the first are rows of their own.
    lines.put_back(taken[1:])
    return Record(row, [], fault, first.rstrip("\r\n"))


def _split(text: str) -> tuple[list[str], Fault | None]:
    cells: list[str] = []
    at = 0
    while match := _CELL.match(text, at):
        quoted, bare, end = match.groups()
        cells.append(bare if quoted is None else quoted.replace('""', '"'))
        if not end:
            return cells, None
        at = match.end()
    column = column_letter(len(cells))
    if text[at] == '"' and not _CLOSED.match(text, at):
        return cells, Fault(f"has a quote in column {column} that is not closed", _QUOTE_REMEDY)
    return cells, Fault(f"has a stray quote in column {column}", _QUOTE_REMEDY)
