"""Actual spend of a billing period, as imported from a cost report (product rules, section 7).

Cost rows are measurements and no events; the ledger keeps which version of a report is in force and its exact totals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from domain.account import ORGANIZATION_STREAM, AwsOrganization
from domain.calendar import MONTHS_OF_YEAR, Month
from domain.closing import ClosedMonths, closing_stream
from domain.cost_metric import CostMetric
from domain.decision import (
    Action,
    Authority,
    Command,
    Context,
    Decision,
    Event,
    Fact,
    Rule,
    States,
    Stream,
)
from domain.errors import DamagedReport, Refusal
from domain.hierarchy import NodePath
from domain.model import Model
from domain.money import COST_DECIMALS, EXACT, Amount, plain, total
from domain.people import require

CHARGE_TYPES_MAX = 100
"""Different charge types in one report; AWS documents about 20."""

INVOICE_IDS_MAX = 20
"""Kept of each kind of bill."""
INVOICE_STATES_MAX = 50
UNCLASSIFIED_TYPES_MAX = 50
ANNIVERSARY = "Anniversary"
"""Bill type of what was used in a month."""
MARKETPLACE_ENTITY = "AWS Marketplace"

ROUNDING_RULE = f"exact, at most {COST_DECIMALS} decimals"
"""Of versions imported before each line was rounded: one with more decimals stopped the import."""


class ReportVersion(Model):
    """One delivered version of a cost report for one billing period: the key by which it is imported once."""

    source: str
    """Report name, as in the manifest."""
    billing_period: Month
    version: str
    """Assembly id (legacy CUR) or execution id (Data Exports)."""
    payer_account_id: str


class InvoiceState(Model):
    """How far AWS has invoiced one kind of bill of a period; each has invoices of its own."""

    billing_entity: str
    """Such as AWS or AWS Marketplace."""
    bill_type: str
    """Such as Anniversary, Purchase or Refund."""
    lines: int
    lines_without_invoice: int
    """None left: final, as AWS defines it."""
    invoice_ids: tuple[str, ...] = ()
    """The first of them, in order; at most INVOICE_IDS_MAX."""

    @property
    def is_final(self) -> bool:
        return self.lines_without_invoice == 0


class PeriodImported(Fact):
    """A report version was read whole and its rows are stored; the period's figures come from it now."""

    fact_name: ClassVar[str] = "cost.PeriodImported"
    source: str
    billing_period: Month
    report_version: str
    payer_account_id: str
    manifest_hash: str
    """SHA-256 of the manifest's bytes, hexadecimal."""
    currency: str
    lines: int
    """Line items of the report."""
    rows: int
    """Rows stored: account × service × charge type × day."""
    totals: dict[str, Amount]
    """Unblended cost by charge type, to the last digit, the same in the report and in the rows."""
    rounding: str = ROUNDING_RULE
    format: str = "CUR"
    """Of the report: CUR, CUR 2.0, FOCUS 1.0 or FOCUS 1.2."""
    metric_totals: dict[str, dict[str, Amount]] = {}
    """The other metrics, by charge type; none in versions imported before there was more than one."""
    upfront: Amount = Decimal(0)
    """Paid in advance for commitments in this period: in unblended, and not in amortized cost."""
    true_up: Amount = Decimal(0)
    """What this period uses up of advance payments, negative: in amortized cost, and not in unblended."""
    rows_hash: str = ""
    """SHA-256 of the stored rows in order; the same for the same report, however it was read."""
    unclassified: dict[str, int] = {}
    """Lines by line item type that is in no table of ours; their cost is under the charge type `unclassified`."""
    split_lines: int = 0
    """Lines of split cost allocation, which repeat the cost of others and are left out."""
    invoices: tuple[InvoiceState, ...] = ()
    engine: str = "DuckDB"
    detail: str = ""
    """Where the detail by resource and day is, below the cost mart; none in versions imported before there was one."""
    booked_in: Month | None = None
    """Of an adjustment, which is what comes after AWS had invoiced the period, or after the month was closed: the first
    month from the period on that was not closed. Where that is another month, the period's figures stay as they are,
    and the difference to the payer's version before is part of the figures of that month."""

    @property
    def is_booked(self) -> bool:
        """Whether its difference counts for another month."""
        return self.booked_in not in (None, self.billing_period)


def is_final(invoices: Sequence[InvoiceState]) -> bool:
    """Whether AWS has invoiced what was used in the period, whatever day it is: bills of the marketplace, of purchases
    and of refunds have invoices of their own."""
    usage = [bill for bill in invoices if bill.bill_type == ANNIVERSARY and bill.billing_entity != MARKETPLACE_ENTITY]
    return bool(usage) and all(bill.is_final for bill in usage)


class ImportedVersion(NamedTuple):
    """What is remembered of each version."""

    report_version: str
    rows: int = 0
    booked_in: Month | None = None
    """As its fact says."""


@dataclass(frozen=True, slots=True)
class PayerPeriod:
    """One payer's part of a period."""

    versions: tuple[ImportedVersion, ...] = ()
    """In order of import; the last one is in force."""
    invoices: tuple[InvoiceState, ...] = ()
    """As the version in force says."""
    was_final: bool = False
    """Whether AWS had invoiced it by this version or an earlier one: whatever changes then is an adjustment."""
    shown_version: str = ""
    """Whose rows are the period's own figures: the newest version whose difference is not booked in another month."""

    def before(self, report_version: str) -> ImportedVersion | None:
        """The version that this one has replaced."""
        names = [version.report_version for version in self.versions]
        place = names.index(report_version)
        return self.versions[place - 1] if place else None

    @property
    def needed(self) -> frozenset[str]:
        """Versions whose rows the views are computed from, now and in a rebuild: rows of others may be cleaned up."""
        names = [version.report_version for version in self.versions]
        kept = {self.shown_version, *names[-1:]}
        for place, version in enumerate(self.versions):
            if version.booked_in is not None:
                kept.update(names[max(0, place - 1) : place + 1])
        return frozenset(kept - {""})


@dataclass(frozen=True, slots=True)
class CostPeriod:
    """Which report versions a period's figures come from, one for each payer."""

    imported: tuple[str, ...] = ()
    """All versions, in order of import."""
    payers: Mapping[str, PayerPeriod] = field(default_factory=dict)

    @property
    def report_version(self) -> str:
        """The newest one, of whichever payer."""
        return self.imported[-1] if self.imported else ""

    def of(self, payer_account_id: str) -> PayerPeriod:
        return self.payers.get(payer_account_id, PayerPeriod())


def evolve(period: CostPeriod, fact: PeriodImported) -> CostPeriod:
    before = period.of(fact.payer_account_id)
    payer = PayerPeriod(
        versions=(*before.versions, ImportedVersion(fact.report_version, fact.rows, fact.booked_in)),
        invoices=fact.invoices,
        was_final=before.was_final or is_final(fact.invoices),
        shown_version=before.shown_version if fact.is_booked else fact.report_version,
    )
    return CostPeriod((*period.imported, fact.report_version), {**period.payers, fact.payer_account_id: payer})


def period_stream(billing_period: Month) -> Stream:
    return Stream("cost", str(billing_period))


class ImportPeriod(Command):
    """States what was read, and what was stored; accepted only where both add up to the same."""

    kind: Literal["cost.ImportPeriod"] = "cost.ImportPeriod"
    report: ReportVersion
    manifest_hash: str
    currencies: tuple[str, ...]
    """All that occur in the report; empty for a report without lines."""
    payers: tuple[str, ...]
    lines: int
    rows: int
    totals_in: Annotated[dict[str, Amount], Field(max_length=CHARGE_TYPES_MAX)]
    """By charge type, summed over the report's lines."""
    totals_out: Annotated[dict[str, Amount], Field(max_length=CHARGE_TYPES_MAX)]
    """By charge type, summed over the stored rows."""
    rounding: str = ROUNDING_RULE
    format: str = "CUR"
    metric_totals: Annotated[dict[str, dict[str, Amount]], Field(max_length=len(CostMetric))] = {}
    """Summed over the report's lines, and the same over the stored rows."""
    metric_totals_out: Annotated[dict[str, dict[str, Amount]], Field(max_length=len(CostMetric))] = {}
    upfront: Amount = Decimal(0)
    true_up: Amount = Decimal(0)
    rows_hash: str = ""
    unclassified: Annotated[dict[str, int], Field(max_length=UNCLASSIFIED_TYPES_MAX)] = {}
    split_lines: int = 0
    invoices: Annotated[tuple[InvoiceState, ...], Field(max_length=INVOICE_STATES_MAX)] = ()
    engine: str = "DuckDB"
    detail: str = ""

    @property
    def subject(self) -> Stream:
        return period_stream(self.report.billing_period)


def decide_import(states: States, command: ImportPeriod, context: Context) -> Decision:
    authority = require_importer(context)
    period: CostPeriod = states[command.subject]
    if command.report.version in period.imported:
        return Decision(message=f"Version {command.report.version} was imported already; nothing changed.")
    check_currency(command.currencies, context.organization.currency)
    organization: AwsOrganization = states[ORGANIZATION_STREAM]
    check_payer(command, context.organization.payer_account_id or organization.management_account_id)
    booked_in = _booked_in(states, command, context)
    if command.totals_in != command.totals_out or command.metric_totals != command.metric_totals_out:
        raise DamagedReport(
            f"The stored rows of {command.report.billing_period} do not add up to the report: "
            f"{_listed(command.totals_out)} against {_listed(command.totals_in)}. Nothing was imported.",
            code="NotReconciled",
        )
    fact = _imported(command, context, booked_in)
    return Decision([Event(command.subject, fact)], _summary(fact), authority)


def _booked_in(states: States, command: ImportPeriod, context: Context) -> Month | None:
    """Where an adjustment counts; None for what is none."""
    month = command.report.billing_period
    period: CostPeriod = states[command.subject]
    first_open = _first_open(states, month, context)
    if first_open == month and not period.of(command.report.payer_account_id).was_final:
        return None
    assert first_open is not None  # all streams that this asks for were read
    return first_open


def _first_open(states: States, month: Month, context: Context) -> Month | None:
    """The first month from this one on that is not closed; None where the states do not reach so far."""
    while (stream := _closing_of(month, context)) in states:
        closed: ClosedMonths = states[stream]
        if month not in closed:
            return month
        month = month.plus(1)
    return None


def _closing_of(month: Month, context: Context) -> Stream:
    return closing_stream(context.organization.calendar.fiscal_year_of(month))


def require_importer(context: Context) -> Authority:
    """Raises Forbidden for whoever may not import cost reports."""
    return require(context, Action.IMPORT_COST, NodePath.ROOT)


def check_currency(currencies: Sequence[str], expected: str) -> None:
    """Raises Refusal where a report holds another currency than the organization's."""
    if others := sorted(set(currencies) - {expected}):
        raise Refusal(
            f"The report is in {', '.join(others)}, but budgets are in {expected}: import a report in {expected}.",
            code="OtherCurrency",
        )


def check_payer(command: ImportPeriod, expected: str) -> None:
    """Raises Refusal where the report is of another payer; anything goes while none is known.

    `expected` may list several, by comma; each report is of one of them alone.
    """
    ours, payer = payers_listed(expected), command.report.payer_account_id
    if ours and (others := sorted({*command.payers, payer} - set(ours))):
        raise Refusal(
            f"The report is of payer {', '.join(others)}, but this organization is paid by {', '.join(ours)}: "
            "check the source, or set ALLOT_PAYER_ACCOUNT_ID.",
            code="OtherPayer",
        )
    if len(ours) > 1 and (others := sorted(set(command.payers) - {payer})):
        raise Refusal(
            f"The report is of payer {payer}, but has lines of payer {', '.join(others)}: import the report of each "
            "payer by itself.",
            code="SeveralPayers",
        )


def payers_listed(text: str) -> tuple[str, ...]:
    """The account ids of a list by comma, each once."""
    return tuple(dict.fromkeys(payer for part in text.split(",") if (payer := part.strip())))


def _imported(command: ImportPeriod, context: Context, booked_in: Month | None) -> PeriodImported:
    return PeriodImported(
        source=command.report.source,
        billing_period=command.report.billing_period,
        report_version=command.report.version,
        payer_account_id=command.report.payer_account_id,
        manifest_hash=command.manifest_hash,
        currency=context.organization.currency,
        lines=command.lines,
        rows=command.rows,
        totals=dict(sorted(command.totals_in.items())),
        rounding=command.rounding,
        format=command.format,
        metric_totals={
            metric: dict(sorted(totals.items())) for metric, totals in sorted(command.metric_totals.items())
        },
        upfront=command.upfront,
        true_up=command.true_up,
        rows_hash=command.rows_hash,
        unclassified=dict(sorted(command.unclassified.items())),
        split_lines=command.split_lines,
        invoices=command.invoices,
        engine=command.engine,
        detail=command.detail,
        booked_in=booked_in,
    )


def _summary(fact: PeriodImported) -> str:
    whole, month = total(list(fact.totals.values())), fact.billing_period
    told = f"Imported {month}: {fact.lines:,} lines, {fact.currency} {plain(whole.normalize(EXACT)) if whole else 0}."
    if fact.is_booked:
        return f"{told} {month} is closed, so what this version changes is an adjustment in {fact.booked_in}."
    if fact.booked_in:
        return f"{told} AWS had invoiced {month} before, so what this version changes is an adjustment."
    return told


def _listed(totals: dict[str, Amount]) -> str:
    return ", ".join(f"{charge_type} {plain(amount)}" for charge_type, amount in sorted(totals.items())) or "nothing"


def _reads(command: ImportPeriod, context: Context) -> Sequence[Stream]:
    month = command.report.billing_period
    return (
        command.subject,
        ORGANIZATION_STREAM,
        _closing_of(month, context),
        _closing_of(month.plus(MONTHS_OF_YEAR), context),
    )


def _reads_more(states: States, command: ImportPeriod, context: Context) -> Sequence[Stream]:
    """Years of closed months; the first open one is rarely far away."""
    month = command.report.billing_period
    if _first_open(states, month, context) is not None:
        return ()
    while (stream := _closing_of(month, context)) in states:
        month = month.plus(MONTHS_OF_YEAR)
    return (stream,)


RULES: dict[type[Command], Rule] = {ImportPeriod: Rule(_reads, decide_import, _reads_more)}
FACTS: tuple[type[Fact], ...] = (PeriodImported,)
