"""How a person writes workloads and their estimates: names, months, monthly amounts by component."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from command_line.session import month
from domain.calendar import Month
from domain.errors import BadInput
from domain.money import exact, plain
from domain.workload import WORKLOAD_MONTHS_MAX, Amounts, Component, workload_name

FILE_BYTES_MAX = 65_536
"""Bytes of a file with the monthly amounts of all components."""
HEAD = ("component", "month", "amount")

WorkloadArgument = Annotated[str, typer.Argument(metavar="WORKLOAD", help="Name of the workload, as it was created.")]
Monthly = Annotated[
    list[str] | None,
    typer.Option(
        "--monthly",
        metavar="COMPONENT=AMOUNT",
        help=f"The same amount in every month, for one of {', '.join(Component)}; repeat it for others.",
    ),
]
InFile = Annotated[Path | None, typer.Option("--file", help="CSV file with the columns component, month, amount.")]


def name_of(text: str) -> str:
    """Raises BadInput for what is no name."""
    try:
        return workload_name(text)
    except ValueError as error:
        raise BadInput(f"{text!r}: {error}.") from None


def estimate(
    monthly: list[str] | None, file: Path | None, launch: Month, end: Month
) -> dict[Component, dict[Month, Decimal]]:
    """As it was given. Raises BadInput, which names what is wrong."""
    if bool(monthly) == (file is not None):
        raise BadInput("Say what it is to cost in one way: --monthly COMPONENT=AMOUNT, or --file.")
    if file is not None:
        return _from_file(file)
    months = [launch]
    while months[-1] < end:
        months.append(months[-1].plus(1))
    found: dict[Component, dict[Month, Decimal]] = {}
    for text in monthly or []:
        name, _, amount = text.partition("=")
        component = _component(name, "--monthly")
        if component in found:
            raise BadInput(f"--monthly: {component} is there twice.")
        found[component] = dict.fromkeys(months, _amount(amount, f"--monthly {component}"))
    return found


def as_file(amounts: Amounts) -> str:
    """The text of a file that `--file` takes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for component in Component:
        for of, amount in sorted(amounts.get(component, {}).items()):
            writer.writerow((component.value, str(of), plain(amount)))
    return text.getvalue()


def blank(launch: Month, end: Month) -> Mapping[Component, Mapping[Month, Decimal]]:
    """An estimate of nothing, to be filled in."""
    months = [launch]
    while months[-1] < end and len(months) < WORKLOAD_MONTHS_MAX:
        months.append(months[-1].plus(1))
    return {component: dict.fromkeys(months, Decimal(0)) for component in Component}


def _from_file(file: Path) -> dict[Component, dict[Month, Decimal]]:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise BadInput(f"{file} is larger than {FILE_BYTES_MAX:,} bytes, too large for an estimate.")
        rows = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{file} cannot be read: {error}.") from None
    found: dict[Component, dict[Month, Decimal]] = {}
    for number, row in enumerate(rows, start=1):
        if not any(cell.strip() for cell in row) or (number == 1 and row[0].strip().lower() == HEAD[0]):
            continue
        where = f"{file}, line {number}"
        if len(row) != len(HEAD):
            raise BadInput(f"{where}: expected component, month and amount, such as database,2026-05,1234.50.")
        months = found.setdefault(_component(row[0], where), {})
        of = month(row[1], where)
        if of in months:
            raise BadInput(f"{where}: {row[0].strip()} in {of} is there twice.")
        months[of] = _amount(row[2], where)
    if not found:
        raise BadInput(f"{file} holds no amount.")
    return found


def _component(text: str, where: str) -> Component:
    try:
        return Component(text.strip().lower())
    except ValueError:
        raise BadInput(f"{where}: {text!r} is no component; these are: {', '.join(Component)}.") from None


def _amount(text: str, where: str) -> Decimal:
    try:
        return exact(text.strip())
    except ValueError as error:
        raise BadInput(f"{where}: {error}; {text!r} was given.") from None
