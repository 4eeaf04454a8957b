"""How a budget file is to be understood: from its name, read from the right, or from the same values given as flags.

Customer_2026_true_2026-01-01_false_Budget_v1.csv
customer (may hold _), fiscal year, isNew, start date, isOverride, option, version
"""

from __future__ import annotations

import re
from datetime import date

from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN, YEAR_MAX, YEAR_MIN, FiscalCalendar, Month
from domain.errors import BadInput
from domain.hierarchy import node_name_problem
from domain.process import FILE_NAME_CHARS_MAX, LoadTerms

EXAMPLE = "Customer_2026_true_2026-01-01_false_Budget_v1.csv"
EXTENSIONS = (".csv", ".xlsx")
EXTENSIONS_OF_OTHERS = (".xls", ".xlsm", ".xlsb", ".ods")

_PARTS_AFTER_CUSTOMER = 6
_YEAR = re.compile(r"\d{4}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_VERSION = re.compile(r"v\d{1,6}(\.\d{1,6})*", re.ASCII | re.IGNORECASE)


def parse_name(file_name: str) -> LoadTerms:
    """Raises BadInput that names each wrong part, its value and what would be right."""
    if len(file_name) > FILE_NAME_CHARS_MAX:
        raise _wrong(file_name[:FILE_NAME_CHARS_MAX], [f"it has more than {FILE_NAME_CHARS_MAX} characters"])
    if file_name.lower().endswith(EXTENSIONS_OF_OTHERS):
        raise _wrong(file_name, ["it is a workbook of another kind; save it as .xlsx or as CSV UTF-8"])
    extension = next((known for known in EXTENSIONS if file_name.lower().endswith(known)), None)
    if extension is None:
        raise _wrong(file_name, ["it does not end in .csv or .xlsx"])
    parts = file_name[: -len(extension)].rsplit("_", _PARTS_AFTER_CUSTOMER)
    if len(parts) <= _PARTS_AFTER_CUSTOMER:
        raise _wrong(file_name, [f"it has {len(parts)} of {_PARTS_AFTER_CUSTOMER + 1} parts, which stand between _"])
    customer, year, is_new, start, is_override, option, version = parts
    checks = (
        _text_problem("customer", customer),
        _year_problem(year),
        _flag_problem("isNew", is_new),
        _date_problem(start),
        _flag_problem("isOverride", is_override),
        _text_problem("option", option),
        _version_problem(version),
    )
    if found := [problem for problem in checks if problem]:
        raise _wrong(file_name, found)
    return LoadTerms(
        customer=customer,
        fiscal_year=int(year),
        is_new=_is_true(is_new),
        effective_on=start,
        is_override=_is_true(is_override),
        option=option,
        file_version=version,
    )


def check_terms(terms: LoadTerms, calendar: FiscalCalendar) -> date:
    """The day from which the load takes effect, or BadInput where the terms contradict the fiscal year.

    The first load of a year takes effect on the year's first day, whatever day of the year is given; a change takes
    effect on the given day, which is the first of a month.
    """
    checks = (
        _text_problem("customer", terms.customer),
        _date_problem(terms.effective_on),
        _text_problem("option", terms.option),
        _version_problem(terms.file_version),
    )
    if found := [problem for problem in checks if problem]:
        raise BadInput(f"The file cannot be loaded like that: {'; '.join(found)}.", code="WrongTerms")
    months = calendar.months(terms.fiscal_year)
    start = date.fromisoformat(terms.effective_on)
    if not months[0].first_day <= start <= months[-1].last_day:
        raise BadInput(
            f"The start date {start} is not in fiscal year {terms.fiscal_year}, which runs from "
            f"{months[0].first_day} to {months[-1].last_day}: correct the date or the year.",
            code="YearMismatch",
        )
    if terms.is_new:
        return months[0].first_day
    if start.day != 1:
        first, second = Month.of(start), Month.of(start).plus(1)
        raise BadInput(
            f"The start date {start} is not the 1st of a month: a change takes effect on "
            f"{first.first_day} or {second.first_day}, for instance.",
            code="NotFirstOfMonth",
        )
    return start


def _wrong(file_name: str, problems: list[str]) -> BadInput:
    return BadInput(
        f"The file name {file_name!r} does not say how to load the file: {'; '.join(problems)}. "
        f"A name reads {EXAMPLE}; the same values can be given as flags instead, such as --year 2026 --new.",
        code="WrongFileName",
    )


def _text_problem(part: str, text: str) -> str | None:
    """Customer and option are shown and stored, so they follow the rules for names."""
    problem = node_name_problem(text)
    return f"{part} is {text!r}, which {problem}" if problem else None


def _year_problem(text: str) -> str | None:
    if _YEAR.fullmatch(text) and FISCAL_YEAR_MIN <= int(text) <= FISCAL_YEAR_MAX:
        return None
    return f"year is {text!r}; write a year from {FISCAL_YEAR_MIN} to {FISCAL_YEAR_MAX}"


def _flag_problem(part: str, text: str) -> str | None:
    return None if text.lower() in ("true", "false") else f"{part} is {text!r}; write true or false"


def _date_problem(text: str) -> str | None:
    try:
        if _DATE.fullmatch(text) and YEAR_MIN <= date.fromisoformat(text).year <= YEAR_MAX:
            return None
    except ValueError:
        pass  # such as 2026-02-30
    return f"start date is {text!r}; write a day as YYYY-MM-DD, such as 2026-01-01"


def _version_problem(text: str) -> str | None:
    return None if _VERSION.fullmatch(text) else f"version is {text!r}; write v and a number, such as v1"


def _is_true(text: str) -> bool:
    return text.lower() == "true"
