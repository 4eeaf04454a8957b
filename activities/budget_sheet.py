"""A sheet of a workbook as a stream of rows, in memory that does not depend on its size.

openpyxl is not asked to do this: of 50,000 products it makes fifteen seconds where this takes two or three, it believes
the dimensions that a sheet declares, gives nothing for a formula that was never calculated, and has no limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import IO, NamedTuple
from xml.parsers import expat

from activities.budget_archive import damage_told, unreadable

TAGS_MAX = 40_000_000
"""In one part: 200,000 rows of 20 cells with a formula and a value each have 25 million."""
STRINGS_MAX = 1_000_000
"""Different texts of a workbook."""
TEXT_CHARS_MAX = 32_767
"""Characters of a cell; also Excel's limit."""
ROWS_MAX = 1_048_576
COLUMNS_MAX = 16_384
"""A sheet's own limits; rows without a value are passed over."""
MERGED_TOLD_MAX = 3
_CHUNK_BYTES = 65_536
_LETTERS = re.compile(r"[A-Z]{1,3}")

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SHEET, _ROW, _CELL, _VALUE, _FORMULA, _TEXT, _PHONETIC, _MERGED, _STRINGS, _STRING = (
    f"{_MAIN} {name}" for name in ("worksheet", "row", "c", "v", "f", "t", "rPh", "mergeCell", "sst", "si")
)


class Cell(NamedTuple):
    """A cell that has a value, or should have one."""

    column: int
    """0 for A."""
    type: str
    """n number, s shared text, str, inlineStr, b boolean, e error, d date (ISO 8601)."""
    style: int
    text: str
    formula: bool = False
    valued: bool = True
    """False for a formula that was never calculated."""


class Row(NamedTuple):
    number: int
    cells: list[Cell]


class _Part:
    """Reads XML in pieces; no document types, so no entities either."""

    root: str

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ", intern={})
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = _no_document_type
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self.ended
        self._parser.CharacterDataHandler = self._characters
        self._chars = 0
        self._text: list[str] = []
        """Of the value that is being read."""
        self._collecting = False
        self._phonetic = 0
        """How deep in a text that only says how another is pronounced."""

    def _begin(self, name: str, _attributes: dict[str, str]) -> None:
        if name != self.root:
            raise unreadable("is a damaged workbook (a part of it is something else)")
        self._parser.StartElementHandler = self.began

    def _characters(self, text: str) -> None:
        if not self._collecting or self._phonetic:
            return
        self._chars += len(text)
        if self._chars > TEXT_CHARS_MAX:
            raise unreadable(f"has a cell with more than {TEXT_CHARS_MAX:,} characters")
        self._text.append(text)

    def feed(self, stream: IO[bytes]) -> Iterator[None]:
        """Pauses after each piece."""
        tags = 0
        with damage_told():
            while chunk := stream.read(_CHUNK_BYTES):
                tags += chunk.count(b"<")
                if tags > TAGS_MAX:
                    raise unreadable(f"has more than {TAGS_MAX:,} tags in one part", "save it as CSV UTF-8")
                self._parser.Parse(chunk, False)
                yield
            self._parser.Parse(b"", True)
        yield

    def began(self, name: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def ended(self, name: str) -> None:
        raise NotImplementedError


class SharedStrings(_Part):
    """The texts that cells refer to by number."""

    root = _STRINGS

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def began(self, name: str, attributes: dict[str, str]) -> None:
        if name == _STRING:
            if len(self.texts) >= STRINGS_MAX:
                raise unreadable(f"has more than {STRINGS_MAX:,} different texts", "save it as CSV UTF-8")
            self._text, self._chars = [], 0
        elif name == _TEXT:
            self._collecting = True  # a text of several runs comes in pieces
        elif name == _PHONETIC:
            self._phonetic += 1

    def ended(self, name: str) -> None:
        if name == _TEXT:
            self._collecting = False
        elif name == _STRING:
            self.texts.append("".join(self._text))
        elif name == _PHONETIC:
            self._phonetic -= 1


class Sheet(_Part):
    """The rows that hold something, in order."""

    root = _SHEET

    def __init__(self) -> None:
        super().__init__()
        self.merged: list[str] = []
        """Ranges of merged cells, the first of them; known at the end."""
        self.merged_count = 0
        self._rows: list[Row] = []
        self._cells: list[Cell] = []
        self._row = 0
        self._column = -1
        self._type, self._style, self._formula, self._valued = "n", 0, False, False

    def rows(self, stream: IO[bytes]) -> Iterator[Row]:
        """Raises UnreadableWorkbook."""
        for _ in self.feed(stream):
            ready, self._rows = self._rows, []
            yield from ready

    def began(self, name: str, attributes: dict[str, str]) -> None:
        if name == _CELL:
            self._begin_cell(attributes)
        elif name in (_VALUE, _TEXT):
            self._collecting = self._valued = True
        elif name == _FORMULA:
            self._formula = True
        elif name == _ROW:
            number = int(attributes.get("r", self._row + 1))
            if not self._row < number <= ROWS_MAX:
                raise unreadable("is a damaged workbook (its rows are out of order)")
            self._row, self._column, self._cells = number, -1, []
        elif name == _PHONETIC:
            self._phonetic += 1
        elif name == _MERGED:
            self.merged_count += 1
            self.merged += [attributes["ref"]] if len(self.merged) < MERGED_TOLD_MAX else []

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r")
        column = self._column + 1 if reference is None else column_of(reference.rstrip("0123456789"))
        if not self._column < column < COLUMNS_MAX:
            raise unreadable("is a damaged workbook (its cells are out of order)")
        self._column = column
        self._type, self._style = attributes.get("t", "n"), int(attributes.get("s", 0))
        self._formula = self._valued = False
        self._text, self._chars = [], 0

    def ended(self, name: str) -> None:
        if name == _CELL:
            text = self._text[0] if len(self._text) == 1 else "".join(self._text)
            if text or self._formula:
                valued = bool(text) or (self._valued and self._type == "str")
                self._cells.append(Cell(self._column, self._type, self._style, text, self._formula, valued))
        elif name in (_VALUE, _TEXT):
            self._collecting = False
        elif name == _ROW and self._cells:
            self._rows.append(Row(self._row, self._cells))
        elif name == _PHONETIC:
            self._phonetic -= 1


@lru_cache(COLUMNS_MAX)
def column_of(letters: str) -> int:
    """A is 0, AA 26. Raises ValueError."""
    if not _LETTERS.fullmatch(letters):
        raise ValueError(f"{letters[:10]!r} is no column")
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _no_document_type(*_: object) -> None:
    raise unreadable("declares a document type, as workbooks do not")
