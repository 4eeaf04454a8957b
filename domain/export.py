"""Exports: figures that leave Allot in a file, and who took them (product rules, sections 2 and 11).

An export is two decisions. It is started before anything is read, so that nobody reads what they may not take. It is
finished when the file is written and before anybody gets it, with the file's hash, so that every file that exists was
recorded, and any file is found again in the log. One stream per export (`export/{id}`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from domain.account_facts import AccountId
from domain.calendar import Month
from domain.cost_metric import DEFAULT_METRIC, CostMetric
from domain.decision import (
    Action,
    Authority,
    Command,
    Context,
    Decision,
    Event,
    Fact,
    LineText,
    PersonId,
    Rule,
    States,
    Stream,
)
from domain.errors import Forbidden, NotFound, Refusal
from domain.hierarchy import NodePath
from domain.model import Model
from domain.money import Amount, plain
from domain.people import require
from domain.schedule_commands import FiscalYear

WORKLOAD_CHARS_MAX = 200
FILES_MAX = 100
"""Files of one export: as many as one command was repeated with other figures each time."""
HASH_CHARS_SHOWN = 12


class ExportKind(StrEnum):
    ROLLUP = "rollup"
    """Every node, account and workload, with what was planned and spent."""
    DAILY = "daily"
    """What each workload, account and product has spent on each day."""


class ExportFormat(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"


class ExportRequest(Model):
    """Which figures, and in what form."""

    what: ExportKind
    format: ExportFormat
    fiscal_year: FiscalYear
    node: NodePath
    """Nothing beside or above it is in the file."""
    billing_period: Month | None = None
    """This month alone; the whole fiscal year without one."""
    account_id: AccountId | None = None
    """The spend of this account alone."""
    workload: Annotated[LineText, Field(max_length=WORKLOAD_CHARS_MAX)] = ""
    """The spend of this workload alone."""
    metric: CostMetric = DEFAULT_METRIC


class ExportFact(Fact):
    """What all facts of an export say: who takes what."""

    taken_by: PersonId
    what: ExportKind
    format: ExportFormat
    fiscal_year: int
    node: NodePath
    billing_period: Month | None = None
    account_id: str | None = None
    workload: str = ""
    metric: CostMetric = DEFAULT_METRIC


class Started(ExportFact):
    """Somebody may take these figures, and is about to."""

    fact_name: ClassVar[str] = "export.Started"


class Finished(ExportFact):
    """The file is written and handed over."""

    fact_name: ClassVar[str] = "export.Finished"
    rows: int
    total: Amount
    """Actual spend in the file, to the last digit."""
    currency: str
    position: int
    """Log position whose figures the file shows."""
    size_bytes: int
    sha256: str
    """Of the file, hexadecimal."""


@dataclass(frozen=True, slots=True)
class Export:
    """Who takes what, and the files that they got."""

    taken_by: PersonId | None = None
    request: ExportRequest | None = None
    files: tuple[str, ...] = ()
    """By their hashes."""


def evolve(export: Export, fact: Started | Finished) -> Export:
    match fact:
        case Started():
            return replace(export, taken_by=fact.taken_by, request=ExportRequest.model_validate(dict(fact)))
        case Finished():
            return replace(export, files=(*export.files, fact.sha256))


def export_stream(export_id: UUID) -> Stream:
    return Stream("export", str(export_id))


class StartExport(Command):
    """Asks to take figures; the export is known by this command's id."""

    kind: Literal["export.StartExport"] = "export.StartExport"
    request: ExportRequest

    @property
    def subject(self) -> Stream:
        return export_stream(self.command_id)


class FinishExport(Command):
    """States what was written, before anybody gets it."""

    kind: Literal["export.FinishExport"] = "export.FinishExport"
    export_id: UUID
    rows: Annotated[int, Field(ge=0)]
    total: Amount
    position: Annotated[int, Field(ge=0)]
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    @property
    def subject(self) -> Stream:
        return export_stream(self.export_id)


def decide_start(states: States, command: StartExport, context: Context) -> Decision:
    authority = _require(context, command.request)
    calendar = context.organization.calendar
    if (month := command.request.billing_period) and calendar.fiscal_year_of(month) != command.request.fiscal_year:
        raise Refusal(
            f"{month} is not in the fiscal year {command.request.fiscal_year}: name a month of that year, or none.",
            code="OtherYear",
        )
    if states[command.subject].request is not None:  # another command with the same id is told apart by the receipts
        return Decision(message="This export was started already; nothing changed.")
    fact = Started(taken_by=context.actor.person_id, **dict(command.request))
    return Decision([Event(command.subject, fact)], f"{_named(command.request)} may be exported.", authority)


def decide_finish(states: States, command: FinishExport, context: Context) -> Decision:
    export: Export = states[command.subject]
    if export.request is None:
        raise NotFound(
            f"There is no export {command.export_id}: start one with `allot export`, which finishes it, too.",
            code="UnknownExport",
        )
    if export.taken_by != context.actor.person_id:
        raise Forbidden(
            f"Export {command.export_id} was started by somebody else: only they finish it. Start one of your own.",
            code="OtherPerson",
        )
    authority = _require(context, export.request)
    if command.sha256 in export.files:
        return Decision(message="This file was recorded already; nothing changed.")
    if len(export.files) >= FILES_MAX:
        raise Refusal(
            f"Export {command.export_id} has {FILES_MAX} files already: start another one.", code="TooManyFiles"
        )
    fact = Finished(
        taken_by=context.actor.person_id,
        **dict(export.request),
        rows=command.rows,
        total=command.total,
        currency=context.organization.currency,
        position=command.position,
        size_bytes=command.size_bytes,
        sha256=command.sha256,
    )
    return Decision([Event(command.subject, fact)], _summary(fact), authority)


def _require(context: Context, request: ExportRequest) -> Authority:
    return require(context, Action.EXPORT_FINANCE, request.node)


def _named(request: ExportRequest) -> str:
    when = request.billing_period or request.fiscal_year
    return f"{request.what.capitalize()} of {request.node} for {when}"


def _summary(fact: Finished) -> str:
    return (
        f"Exported {fact.what} of {fact.node}: {fact.rows:,} rows, {fact.currency} {plain(fact.total)}, "
        f"SHA-256 {fact.sha256[:HASH_CHARS_SHOWN]}…, as of log position {fact.position}."
    )


def _reads(command: StartExport | FinishExport, _context: Context) -> Sequence[Stream]:
    return (command.subject,)


RULES: dict[type[Command], Rule] = {
    StartExport: Rule(_reads, decide_start),
    FinishExport: Rule(_reads, decide_finish),
}
FACTS: tuple[type[Fact], ...] = (Started, Finished)
