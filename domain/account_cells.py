"""What stands in a cell about an account: an id, a type, a product, a share; or what is wrong, and what is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.account_table import Line
from domain.allocation import PERCENT_DECIMALS, WHOLE_PERCENT, AccountType
from domain.budget_file import is_email
from domain.budget_file_problem import Fault, Problems
from domain.calendar import YEAR_MAX, YEAR_MIN
from domain.decision import NOTE_CHARS_MAX, plain_line, plain_text
from domain.expected_account import ACCOUNT_NAME_CHARS_MAX
from domain.hierarchy import PRODUCT_LEVEL, NodePath

ACCOUNT_ID_DIGITS = 12
TYPES_REMEDY = f"write one of {', '.join(AccountType)}"
PATH_EXAMPLE = "Retail/Digital/Web/Checkout"
_PATH_REMEDY = f"write its path, such as {PATH_EXAMPLE}, with / inside a name as %2F"
_PERCENT_REMEDY = f"write a number such as 60 or 33.3333, with at most {PERCENT_DECIMALS} decimals"
_TEXT_COLUMN_REMEDY = "format the column as text in the spreadsheet, and write all 12 digits, such as 001234567890"
_DIGITS = re.compile(r"\d+", re.ASCII)
_SCIENTIFIC = re.compile(r"[\d.,]+[eE][+-]?\d+", re.ASCII)
_PERCENT = re.compile(r"(\d{1,3})(?:\.(\d+))? ?%?", re.ASCII)
_WITH_COMMA = re.compile(r"\d+,\d+ ?%?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(slots=True)
class Cells:
    """The cells of one line; what is wrong with them is added to the problems of the file."""

    line: Line
    problems: Problems
    faulty: bool = False

    def read[T](self, column: str, read: Callable[[str], T | Fault]) -> T | None:
        """What the cell holds; None where that is wrong."""
        found = read(self.line.cells[column])
        if isinstance(found, Fault):
            self.refuse(column, found)
            return None
        return found

    def refuse(self, column: str, fault: Fault) -> None:
        self.faulty = True
        self.problems.add(self.line.row, column, self.line.cells[column], fault)


def read_account_id(text: str) -> str | Fault:
    if _DIGITS.fullmatch(text):
        if len(text) == ACCOUNT_ID_DIGITS:
            return text
        lost = "; a spreadsheet may have dropped zeros in front" if len(text) < ACCOUNT_ID_DIGITS else ""
        return Fault(f"has {len(text)} digits and not {ACCOUNT_ID_DIGITS}{lost}", _TEXT_COLUMN_REMEDY)
    if _SCIENTIFIC.fullmatch(text):
        return Fault("is in scientific notation, which has lost digits", _TEXT_COLUMN_REMEDY)
    return Fault(
        "is not an account id" if text else "is missing", "write the 12 digits of the account, and nothing else"
    )


def read_type(text: str) -> AccountType | Fault:
    if found := _TYPES.get(_bare(text)):
        return found
    return Fault("is not a type of account" if text else "is missing", TYPES_REMEDY)


def _bare(text: str) -> str:
    """As it is compared: `pre production` is as good as `Pre-Production`."""
    return text.lower().replace("-", "").replace("_", "").replace(" ", "")


_TYPES = {_bare(account_type): account_type for account_type in AccountType}


def read_product(text: str) -> NodePath | Fault:
    """A path of a product; whether it is one of the budget is not known here."""
    if not text:
        return Fault("is missing", _PATH_REMEDY)
    try:
        path = NodePath.parse(text)
    except ValueError as error:
        return Fault(f"is not a path of the hierarchy: {error}", _PATH_REMEDY)
    if path.level != PRODUCT_LEVEL:
        return Fault(f"has {path.level} of the {PRODUCT_LEVEL} names in a product's path", _PATH_REMEDY)
    return path


def read_percent(text: str) -> Decimal | Fault:
    """Exact, above 0 and at most 100."""
    match = _PERCENT.fullmatch(text)
    if match is None:
        if _WITH_COMMA.fullmatch(text):
            return Fault("has a comma", f"write {text.replace(',', '.')}, with a point before decimals")
        return Fault("is not a percentage" if text else "is missing", _PERCENT_REMEDY)
    whole, decimals = match[1], match[2] or ""
    if len(decimals) > PERCENT_DECIMALS:
        return Fault(f"has {len(decimals)} decimals", _PERCENT_REMEDY)
    percent = Decimal(f"{whole}.{decimals}" if decimals else whole)
    if not 0 < percent <= WHOLE_PERCENT:
        return Fault("is not above 0 and at most 100", "leave out a product that has no share")
    return percent


def read_optional_percent(text: str) -> Decimal | Fault | None:
    return read_percent(text) if text else None


def read_day(text: str) -> date | Fault | None:
    """An ISO date; None for an empty cell."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not YEAR_MIN <= day.year <= YEAR_MAX:
        return Fault("is not a day", "write it as YYYY-MM-DD, such as 2026-05-01, or leave the cell empty")
    return day


def read_note(text: str) -> str | Fault:
    if len(text) > NOTE_CHARS_MAX:
        return Fault(f"has {len(text):,} characters", f"at most {NOTE_CHARS_MAX:,} are kept")
    try:
        return plain_text(text)
    except ValueError as error:
        return Fault(f"cannot be a note: {error}", "write it as plain text")


def read_email(text: str) -> str | Fault:
    """Empty for an empty cell."""
    if text and not is_email(text):
        return Fault("is not an e-mail address", "write the one that the account is requested with")
    return text


def read_name(text: str) -> str | Fault:
    """Empty for an empty cell."""
    if len(text) > ACCOUNT_NAME_CHARS_MAX:
        return Fault(f"has {len(text):,} characters", f"an account's name has at most {ACCOUNT_NAME_CHARS_MAX}")
    try:
        return plain_line(text)
    except ValueError as error:
        return Fault(f"cannot be a name: {error}", "write the name that the account is requested with")
