"""`allot cost show` and `history` as tables: what a period's reports say, and what each version has changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import ConsoleRenderable
from rich.text import Text

from command_line.output import Column, WholeTable, figures, moment, money, table
from domain.charge_type import UNCLASSIFIED
from domain.cost import InvoiceState
from domain.cost_metric import CostMetric
from domain.money import Money
from views.cost_models import CostPeriodDetail, CostVersion

TITLES = {metric: metric.value.replace("_", " ").capitalize() for metric in CostMetric}
VERSION_CHARS = 12
"""Of a version's id, as far as people compare ids."""


def period_shown(detail: CostPeriodDetail) -> list[ConsoleRenderable | str]:
    parts: list[ConsoleRenderable | str] = [_charges(detail), ""]
    if detail.unclassified:
        lines = ", ".join(f"{name} ({count:,} lines)" for name, count in detail.unclassified.items())
        parts += [Text(f"Unclassified: {lines}. Their cost is counted, under {UNCLASSIFIED}.", style="yellow"), ""]
    parts += [_identity(detail)]
    if detail.split_lines:
        parts += [f"{detail.split_lines:,} lines of split cost allocation repeat the cost of others and are left out."]
    parts += ["", f"Budgets of this year are compared with {detail.metric.replace('_', ' ')} cost."]
    parts += ["", *_bills(detail.invoices, is_final=detail.is_final)]
    return parts


def _charges(detail: CostPeriodDetail) -> WholeTable:
    rows = [
        (one.group, one.charge_type, *(money(one.totals[metric], detail.currency) for metric in CostMetric))
        for one in detail.charges
    ]
    whole = ("Total", "", *(money(detail.totals[metric], detail.currency) for metric in CostMetric))
    payers = ", ".join(detail.payers)
    return table(
        f"{detail.billing_period}, {detail.currency}, payer {payers}, version {', '.join(detail.versions)}",
        (Column("Group"), Column("Charge type"), *figures(*TITLES.values())),
        rows,
        whole,
    )


def _identity(detail: CostPeriodDetail) -> Text:
    def exact(metric: CostMetric) -> str:
        return str(Money(detail.totals[metric], detail.currency))

    terms = (
        f"amortized {exact(CostMetric.AMORTIZED)} + upfront {Money(detail.upfront, detail.currency)} + true-up "
        f"{Money(detail.true_up, detail.currency)} = unblended {exact(CostMetric.UNBLENDED)}"
    )
    if not detail.difference:
        return Text(f"To the last digit: {terms}.", style="green")
    return Text(f"Not equal by {Money(detail.difference, detail.currency)}: {terms}.", style="yellow")


def _bills(invoices: Sequence[InvoiceState], *, is_final: bool) -> list[ConsoleRenderable | str]:
    if not invoices:
        return ["Of this report it is not known what AWS has invoiced."]
    rows = [
        (
            bill.billing_entity,
            bill.bill_type,
            f"{bill.lines:,}",
            f"{bill.lines_without_invoice:,}",
            "final" if bill.is_final else "open",
            ", ".join(bill.invoice_ids),
        )
        for bill in invoices
    ]
    columns = (
        Column("Billing entity"),
        Column("Bill"),
        *figures("Lines", "Not invoiced"),
        Column(""),
        Column("Invoices", fold=True),
    )
    said = "AWS has invoiced what was used: final." if is_final else "AWS has not invoiced all that was used."
    return [table(f"Invoices. {said}", columns, rows)]


def history_shown(versions: Sequence[CostVersion]) -> list[ConsoleRenderable | str]:
    parts: list[ConsoleRenderable | str] = [_versions(versions)]
    for version in versions:
        if version.changes:
            parts += ["", _changes(version)]
    if accounts := [(version, account) for version in versions for account in version.accounts]:
        columns = (Column("Version"), Column("Account"), Column("Days"), Column("Metric"), *figures("Before", "After"))
        rows = [
            (
                _short(version),
                account.account_id,
                f"{account.first_changed} to {account.last_changed}",
                metric.value,
                money(account.before[metric], version.currency),
                money(account.after[metric], version.currency),
            )
            for version, account in accounts
            for metric in account.before
        ]
        parts += ["", table("What changed of the account", columns, rows)]
    parts += ["", *_bills(versions[-1].invoices, is_final=versions[-1].is_final)]
    return parts


def _versions(versions: Sequence[CostVersion]) -> WholeTable:
    columns = (
        Column("Payer"),
        Column("Version"),
        Column("Imported at"),
        Column("Format"),
        Column("Engine"),
        *figures("Lines", "Rows", *TITLES.values(), "Restated accounts"),
        Column(""),
    )
    rows = [
        (
            version.payer_account_id,
            version.report_version,
            moment(version.imported_at),
            version.format,
            version.engine,
            f"{version.lines:,}",
            f"{version.rows:,}",
            *(money(version.totals[metric], version.currency) for metric in CostMetric),
            f"{version.restated:,}",
            _standing(version),
        )
        for version in versions
    ]
    first = versions[0]
    return table(f"Versions of {first.billing_period}, {first.currency}", columns, rows)


def _standing(version: CostVersion) -> str:
    said = []
    if version.adjustment:
        said.append(f"adjustment, booked in {version.booked_in}")
    if version.is_final:
        said.append("final")
    if version.is_shown:
        said.append("shown")
    return ", ".join(said)


def _changes(version: CostVersion) -> WholeTable:
    rows = [
        (change.charge_type, *(money(change.difference[metric], version.currency) for metric in CostMetric))
        for change in version.changes
    ]
    return table(
        f"What {_short(version)} changed, {version.currency}",
        (Column("Charge type"), *figures(*TITLES.values())),
        rows,
    )


def _short(version: CostVersion) -> str:
    name = version.report_version
    return name if len(name) <= VERSION_CHARS else f"{name[:VERSION_CHARS]}…"
