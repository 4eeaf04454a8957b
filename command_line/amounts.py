"""How a person writes twelve monthly amounts: spread evenly, as a list, or in a file."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from domain.calendar import MONTHS_OF_YEAR, Month
from domain.errors import BadInput
from domain.money import Money, exact

FILE_BYTES_MAX = 65_536
"""Bytes of a file with twelve amounts."""

Even = Annotated[bool, typer.Option("--even", help="Spread the annual budget evenly, to the last cent.")]
Listed = Annotated[
    str | None,
    typer.Option("--amounts", metavar="A,B,…", help="Twelve amounts, from the fiscal year's first month on."),
]
InFile = Annotated[Path | None, typer.Option("--file", help="CSV file with two columns: month (YYYY-MM) and amount.")]


def evenly(annual: Money, months: tuple[Month, ...], fixed: dict[Month, Decimal]) -> dict[Month, Decimal]:
    """Closed months keep what was approved; the others share what is left."""
    free = [month for month in months if month not in fixed]
    left = annual
    for amount in fixed.values():
        left -= Money(amount, annual.currency)
    if not free or left.amount < 0:
        raise BadInput(
            f"The closed months hold {annual - left} of {annual}: nothing can be spread over the others evenly. "
            "Give the amounts by --amounts or --file."
        )
    shares = left.split([Decimal(1)] * len(free))
    spread = {month: share.amount for month, share in zip(free, shares, strict=True)}
    return {month: fixed.get(month, spread.get(month, Decimal(0))) for month in months}


def from_list(text: str, months: tuple[Month, ...]) -> dict[Month, Decimal]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != len(months):
        raise BadInput(
            f"--amounts needs {MONTHS_OF_YEAR} amounts with commas between them, for {months[0]} to {months[-1]}; "
            f"{len(parts)} were given. Write 1234.50, without a comma for thousands."
        )
    return {month: _amount(part, str(month)) for month, part in zip(months, parts, strict=True)}


def from_file(file: Path) -> dict[Month, Decimal]:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise BadInput(f"{file} is larger than {FILE_BYTES_MAX:,} bytes, too large for twelve amounts.")
        rows = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{file} cannot be read: {error}.") from None
    spread: dict[Month, Decimal] = {}
    for number, row in enumerate(rows, start=1):
        if not any(cell.strip() for cell in row) or (number == 1 and row[0].strip().lower() == "month"):
            continue
        if len(row) != 2:
            raise BadInput(f"{file}, line {number}: expected a month and an amount, such as 2026-05,1234.50.")
        try:
            month = Month.parse(row[0].strip())
        except ValueError as error:
            raise BadInput(f"{file}, line {number}: {error}.") from None
        if month in spread:
            raise BadInput(f"{file}, line {number}: {month} is there twice.")
        spread[month] = _amount(row[1].strip(), f"{file}, line {number}")
    if len(spread) != MONTHS_OF_YEAR:
        raise BadInput(f"{file} has {len(spread)} months; a schedule needs all {MONTHS_OF_YEAR}.")
    return spread


def _amount(text: str, where: str) -> Decimal:
    try:
        return exact(text)
    except ValueError as error:
        raise BadInput(f"{where}: {error}; {text!r} was given.") from None
