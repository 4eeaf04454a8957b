"""The parts of a workbook (XLSX, a ZIP archive of XML), behind limits: what is small may still unpack to gigabytes.

Everything is judged by what the archive declares before any of it is unpacked, and Python's reader never gives out more
than was declared.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from domain.budget_file_problem import Fault

WORKBOOK_BYTES_MAX = 50_000_000
"""Bytes of the file; 200,000 products with all columns need about half of it."""
MEMBERS_MAX = 500
"""Files in the archive."""
MEMBER_BYTES_MAX = 400_000_000
"""Bytes of one of them, unpacked; only ever streamed."""
UNPACKED_BYTES_MAX = 500_000_000
"""Bytes of all of them, unpacked."""
RATIO_MAX = 100
"""Times that unpacking may multiply a file; a sheet of equal amounts comes to about 60."""
RATIO_FREE_BYTES = 1_000_000
"""Bytes unpacked up to which the ratio does not matter."""
PART_BYTES_MAX = 4_000_000
"""Bytes of a part that is read as a whole: the list of sheets, the styles."""
PART_TAGS_MAX = 200_000
"""Tags in such a part."""

CONTENT_TYPES = "[Content_Types].xml"
ZIP_START, OLE_START = b"PK", b"\xd0\xcf\x11\xe0"
_ZIP_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1
_STRICT = b"purl.oclc.org/ooxml/spreadsheetml"
_RESAVE = "open it in a spreadsheet program and save it as .xlsx again, or as CSV UTF-8"
_SMALLER = "check that it is a budget file, with one row a product, or save it as CSV UTF-8"

DAMAGE = (
    BadZipFile, zlib.error, EOFError, ExpatError, ParseError, ValueError, KeyError, TypeError, AttributeError,
    IndexError, OSError, OverflowError, NotImplementedError, RecursionError,
)  # fmt: skip
"""What reading a damaged workbook may raise. Not `Exception`: a cancellation of the activity must come through."""


class UnreadableWorkbook(Exception):
    """The file as a whole cannot be read."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@contextmanager
def damage_told() -> Iterator[None]:
    """Whatever a damaged workbook raises becomes an UnreadableWorkbook."""
    try:
        yield
    except DAMAGE as error:
        raise unreadable(f"is a damaged workbook ({type(error).__name__})", _RESAVE) from error


def unreadable(problem: str, remedy: str = _RESAVE) -> UnreadableWorkbook:
    return UnreadableWorkbook(Fault(problem, remedy))


class Archive:
    """An archive that keeps within the limits. Raises UnreadableWorkbook otherwise."""

    def __init__(self, data: bytes) -> None:
        if data.startswith(OLE_START):
            raise unreadable("is an old Excel workbook (.xls), or one with a password")
        if len(data) > WORKBOOK_BYTES_MAX:
            raise unreadable(f"has {len(data):,} bytes; a workbook may have {WORKBOOK_BYTES_MAX:,}", _SMALLER)
        if data.count(_ZIP_ENTRY) > MEMBERS_MAX:  # before a list of them is made
            raise unreadable(f"holds more than {MEMBERS_MAX} files in one", _SMALLER)
        with damage_told():
            self._zip = ZipFile(io.BytesIO(data))
        self.members = {info.filename: info for info in self._zip.infolist()}
        if len(self.members) < len(self._zip.infolist()):
            raise unreadable("is a damaged workbook (two files in it have the same name)")
        for info in self.members.values():
            _check(info)
        unpacked = sum(info.file_size for info in self.members.values())
        if unpacked > UNPACKED_BYTES_MAX:
            raise unreadable(f"unpacks to {unpacked:,} bytes; at most {UNPACKED_BYTES_MAX:,} are read", _SMALLER)

    def open(self, name: str) -> IO[bytes]:
        """For streaming."""
        with damage_told():
            return self._zip.open(self.members[name])

    def part(self, name: str) -> bytes:
        """A small part, whole."""
        with damage_told():
            info = self.members[name]
            if info.file_size > PART_BYTES_MAX:
                raise unreadable(
                    f"has a part {name!r} of {info.file_size:,} bytes; at most {PART_BYTES_MAX:,} are read"
                )
            data = self._zip.read(info)
        if data.count(b"<") > PART_TAGS_MAX:
            raise unreadable(f"has more than {PART_TAGS_MAX:,} tags in its part {name!r}")
        if _STRICT in data:
            raise unreadable("is a workbook in the form 'Strict Open XML'", "save it as an ordinary Excel workbook")
        return data


def _check(info: ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise unreadable("is protected by a password", "save it without one")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise unreadable("is packed in a way that workbooks are not")
    size = info.file_size
    if size > MEMBER_BYTES_MAX or (size > RATIO_FREE_BYTES and size > RATIO_MAX * max(info.compress_size, 1)):
        raise unreadable(f"unpacks from {info.compress_size:,} bytes to {size:,}, as budget files do not", _SMALLER)
