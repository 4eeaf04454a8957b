"""How a budget file is to be understood: from its name, or from flags; never from both where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from domain.budget_file_name import check_terms, parse_name
from domain.calendar import FiscalCalendar
from domain.errors import BadInput
from domain.process import LoadTerms

_FLAG_OF = {
    "customer": "--customer",
    "fiscal_year": "--year",
    "effective_on": "--from",
    "is_override": "--override",
    "option": "--option",
    "file_version": "--file-version",
}


class Flags(NamedTuple):
    """As given; None for what was left out."""

    customer: str | None = None
    fiscal_year: int | None = None
    is_new: bool | None = None
    effective_on: str | None = None
    is_override: bool | None = None
    option: str | None = None
    file_version: str | None = None

    def given(self) -> dict[str, object]:
        return {name: value for name, value in self._asdict().items() if value is not None}


def terms_of(file_name: str, flags: Flags, calendar: FiscalCalendar) -> LoadTerms:
    """Raises BadInput where name and flags leave anything open, or contradict each other or the calendar."""
    terms = _of_flags(file_name, flags, calendar) if flags.given() else parse_name(file_name)
    check_terms(terms, calendar)
    return terms


def _of_flags(file_name: str, flags: Flags, calendar: FiscalCalendar) -> LoadTerms:
    try:
        named = parse_name(file_name)
    except BadInput:
        return _of_flags_alone(file_name, flags, calendar)
    differing = [
        _difference(name, value, getattr(named, name))
        for name, value in flags.given().items()
        if getattr(named, name) != value
    ]
    if differing:
        raise BadInput(
            f"The file's name {file_name!r} and the flags contradict each other: {'; '.join(differing)}. "
            "Leave the flags out, or give the file a name that says nothing.",
            code="ConflictingTerms",
        )
    return named


def _of_flags_alone(file_name: str, flags: Flags, calendar: FiscalCalendar) -> LoadTerms:
    is_override = bool(flags.is_override)
    if flags.is_new is False and is_override:
        raise BadInput("A file is either a change or an override: give --change or --override, not both.")
    missing = [] if flags.fiscal_year else ["--year"]
    if not flags.is_new and not flags.effective_on:
        missing.append("--from")
    if flags.is_new is None and not is_override:
        missing.append("one of --new, --change or --override")
    if missing:
        raise BadInput(
            f"The name {file_name!r} does not say how to load the file, so the flags must: {_listed(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing. For example: "
            "--year 2026 --new, or --year 2026 --change --from 2026-07-01.",
            code="MissingTerms",
        )
    assert flags.fiscal_year is not None  # or it would be missing
    first_day: date = calendar.first_month_of(flags.fiscal_year).first_day
    return LoadTerms(
        customer=flags.customer or file_name.rpartition(".")[0] or file_name,
        fiscal_year=flags.fiscal_year,
        is_new=bool(flags.is_new),
        effective_on=flags.effective_on or first_day.isoformat(),
        is_override=is_override,
        option=flags.option or LoadTerms.model_fields["option"].default,
        file_version=flags.file_version or LoadTerms.model_fields["file_version"].default,
    )


def _difference(name: str, flag: object, named: object) -> str:
    if name == "is_new":
        return f"{'--new' if flag else '--change'} is given and the name says isNew={_said(named)}"
    return f"{_FLAG_OF[name]} says {_said(flag)} and the name {_said(named)}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
