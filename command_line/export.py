"""`allot export`: figures in a file, for whoever may take them, and recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple
from uuid import UUID, uuid5

import typer

from command_line.acting import working
from command_line.decisions import carry_out
from command_line.output import moment, show
from command_line.session import Session, month, node_path
from command_line.works import Step, progress_shown
from domain.calendar import FISCAL_YEAR_MAX, FISCAL_YEAR_MIN
from domain.cost_metric import CostMetric
from domain.decision import Accepted, Persona
from domain.errors import BadInput
from domain.export import ExportFormat, ExportKind, ExportRequest, FinishExport, StartExport
from domain.hierarchy import NodePath
from domain.money import figure, plain
from views.export_tables import Row
from views.exports import OpenExport, Totals

NAMESPACE = UUID("a3c7f1de-52b8-5a5e-8f0e-0c9a7b1d2e64")
ABOUT_SUFFIX = ".about.json"
"""Of the file beside a CSV file, which has no room for what is not a row."""
OWN = 0o600
"""Mode of the files: whoever took them may pass them on, and nobody else reads them meanwhile."""
EXPORTERS = (Persona.FINANCIAL_ADMIN, Persona.VENDOR_MANAGER, Persona.BU_OWNER)
"""Whose nodes are exported where none is named. Whether they may is decided where the export is recorded."""

What = Annotated[
    ExportKind,
    typer.Argument(
        metavar="WHAT",
        help="rollup: every node, account and workload with what was planned and spent. daily: what each workload, "
        "account and product has spent on each day.",
    ),
]
To = Annotated[Path, typer.Option("--to", metavar="FILE", help="Where to write it; nothing there is overwritten.")]
Format = Annotated[
    ExportFormat | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="csv, xlsx or parquet; default: by the name of the file.",
        case_sensitive=False,
    ),
]
Node = Annotated[
    str | None,
    typer.Option("--node", metavar="NODE", help="Path of a node; default: all that you may export."),
]
Year = Annotated[
    int | None,
    typer.Option(
        "--year",
        "--fiscal-year",
        metavar="YEAR",
        min=FISCAL_YEAR_MIN,
        max=FISCAL_YEAR_MAX,
        help="Fiscal year, named by the year it ends in; default: this one.",
    ),
]
Period = Annotated[str | None, typer.Option("--period", metavar="YYYY-MM", help="This month alone.")]
Account = Annotated[str | None, typer.Option("--account", metavar="ID", help="The spend of this account alone.")]
Workload = Annotated[str, typer.Option("--workload", metavar="NAME", help="The spend of this workload alone.")]
Metric = Annotated[
    CostMetric | None,
    typer.Option(
        "--metric",
        metavar="METRIC",
        help="unblended, amortized, net_unblended or net_amortized; default: with which budgets are compared.",
    ),
]


class File(NamedTuple):
    """One that is written and not yet handed over."""

    paths: tuple[Path, ...]
    """The main one first."""
    sha256: str
    size_bytes: int
    totals: Totals
    position: int
    currency: str


@working
def export(
    session: Session,
    what: What,
    to: To,
    node: Node = None,
    year: Year = None,
    period: Period = None,
    account: Account = None,
    workload: Workload = "",
    metric: Metric = None,
    chosen: Format = None,
) -> None:
    """Write figures into a file: CSV, XLSX or Parquet. Who took what is recorded."""
    billing_period = month(period, "--period") if period else None
    if year is None and billing_period:
        year = session.organization.calendar.fiscal_year_of(billing_period)
    _check_place(to)
    fiscal_year = session.fiscal_year(year)
    with session.views() as views:
        metric = metric or views.cost_metric(fiscal_year)
    request = ExportRequest(
        what=what,
        format=chosen or _format_of(to),
        fiscal_year=fiscal_year,
        node=node_path(node) if node else _own_node(session),
        billing_period=billing_period,
        account_id=account,
        workload=workload,
        metric=metric,
    )
    _export(session, request, to)


def _format_of(to: Path) -> ExportFormat:
    try:
        return ExportFormat(to.suffix.removeprefix(".").lower())
    except ValueError:
        raise BadInput(
            f"{to.name} does not say its format: name it .csv, .xlsx or .parquet, or give --format."
        ) from None


def _own_node(session: Session) -> NodePath:
    """What the person may export, where that is one node; else the organization, which is refused and recorded."""
    with session.views() as views:
        person = views.person(session.person())
        held = views.held(person.person_id, session.today(), EXPORTERS) if person else ()
    if len(held) > 1:
        raise BadInput(f"You hold {' and '.join(map(str, held))}: say which one to export, by --node.")
    return held[0] if held else NodePath.ROOT


def _export(session: Session, request: ExportRequest, to: Path) -> None:
    """Nothing is read before it is known that the person may, and nothing is handed over before it is recorded."""
    start = StartExport(**session.shared(), request=request)
    carry_out(session, start)
    with TemporaryDirectory(dir=to.parent, prefix=".allot-export-") as directory:
        with progress_shown() as step:
            file = _written(session, request, Path(directory) / to.name, step)
        outcome = carry_out(session, _finish(session, start, file))
        for path in reversed(file.paths):  # the main file comes last: where it is, all is
            path.chmod(OWN)
            path.replace(to.parent / path.name)
    data = {
        "export_id": start.command_id,
        "file": str(to),
        **dict(request),
        "currency": file.currency,
        **file.totals._asdict(),
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "position": file.position,
    }
    show(data, session.as_json, lambda: _told(to, file, outcome, start.command_id))


def _check_place(to: Path) -> None:
    """Raises BadInput where no file can be written, before anything is asked for."""
    if not to.parent.is_dir():
        raise BadInput(f"There is no folder {to.parent}: make it, or write elsewhere with --to.")
    for path in (to, to.with_name(to.name + ABOUT_SUFFIX)):
        if path.exists() or path.is_symlink():
            raise BadInput(f"There is a {path} already: nothing is overwritten. Remove it, or write elsewhere.")


def _written(session: Session, request: ExportRequest, path: Path, step: Step) -> File:
    # pyarrow and xlsxwriter take half a second to load, which no other command should wait for.
    from command_line import export_files  # noqa: PLC0415

    with session.views() as views, views.export(request, session.organization.calendar) as export:
        if request.format is ExportFormat.XLSX:
            export_files.check_rows(export.count(), request.format)
        paths = export_files.write(
            path,
            path.with_name(path.name + ABOUT_SUFFIX),
            request.format,
            export.columns,
            _watched(export, step),
            export.currency,
            lambda: about(export, session),
        )
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return File(paths, sha256, path.stat().st_size, export.totals, export.position, export.currency)


def _watched(export: OpenExport, step: Step) -> Iterator[Sequence[Row]]:
    done = 0
    for rows in export.batches():
        yield rows
        step("Rows written", done := done + len(rows), 0)


def about(export: OpenExport, session: Session) -> dict[str, str]:
    """What stands in the file about itself."""
    request, totals = export.request, export.totals
    whole = totals.report is not None
    return {
        "export": str(session.new_command_id()),
        "what": request.what.value,
        "node": str(request.node),
        "fiscal_year": str(request.fiscal_year),
        "billing_period": str(request.billing_period or "all"),
        "account": request.account_id or "all",
        "workload": request.workload or "all",
        "metric": request.metric.value,
        "currency": export.currency,
        "log_position": str(export.position),
        "written_at": moment(datetime.now(UTC)),
        "rows": str(totals.rows),
        "total": plain(totals.total),
        "of_it_unallocated": plain(totals.unallocated),
        "report_total": "not in the scope of this export" if totals.report is None else plain(totals.report),
        "reconciled": "yes: the rows add up to the cost reports, to the last digit"
        if whole
        else "yes: the rows add up to what the views show of this scope, to the last digit",
    }


def _finish(session: Session, start: StartExport, file: File) -> FinishExport:
    """Another file of the same export is another command; the same file is the same."""
    return FinishExport(
        **{**session.shared(), "command_id": uuid5(NAMESPACE, f"{start.command_id}/{file.sha256}")},
        export_id=start.command_id,
        rows=file.totals.rows,
        total=file.totals.total,
        position=file.position,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
    )


def _told(to: Path, file: File, outcome: Accepted, export_id: UUID) -> list[str]:
    totals, currency = file.totals, file.currency
    unallocated = f", of it unallocated {figure(totals.unallocated, currency)}" if totals.unallocated else ""
    against = "the cost reports" if totals.report is not None else "what the views show of it"
    return [
        f"{to}: {totals.rows:,} rows, {currency} {figure(totals.total, currency)}{unallocated}; equal to {against}.",
        f"SHA-256 {file.sha256}, as of log position {file.position}. Recorded: `allot audit {export_id}`.",
    ]
