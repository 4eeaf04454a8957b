"""What is known of a billing period's reports: their versions in order, and what the newest ones say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from psycopg import Cursor
from psycopg.rows import dict_row

from domain.calendar import Month
from domain.charge_type import CHARGE_TYPES, ChargeGroup
from domain.cost import InvoiceState
from domain.cost_metric import DEFAULT_METRIC, CostMetric
from domain.money import total
from views.cost_models import (
    AccountChange,
    ChargeTypeChange,
    ChargeTypeTotal,
    CostPeriodDetail,
    CostVersion,
    MetricTotals,
)
from views.models import tidy

_VERSIONS = """
SELECT v.*, p.shown_version = v.report_version AS is_shown, p.fiscal_year, p.report_version AS newest
FROM cost_versions v JOIN cost_periods p USING (billing_period, payer_account_id)
WHERE v.billing_period = %s ORDER BY v.position"""
_ACCOUNT = """
SELECT payer_account_id, report_version, account_id, before, after, first_changed, last_changed
FROM cost_restatements WHERE billing_period = %s AND account_id = %s"""
_METRIC = "SELECT metric FROM cost_metrics WHERE fiscal_year <= %s ORDER BY fiscal_year DESC LIMIT 1"

Totals = Mapping[CostMetric, Mapping[str, Decimal]]
"""By metric and charge type."""


def history(cursor: Cursor[Any], period: Month, account_id: str = "") -> tuple[CostVersion, ...]:
    """All versions of all payers in order of import; with what each has changed of one account, if one is named."""
    rows = _versions(cursor, period)
    changes = _changes_of(cursor, period, account_id) if account_id else {}
    totals = {(row["payer_account_id"], row["report_version"]): _totals(row) for row in rows}
    return tuple(_version(row, totals, changes) for row in rows)


def period_detail(cursor: Cursor[Any], period: Month) -> CostPeriodDetail | None:
    """None where nothing was imported."""
    newest = [row for row in _versions(cursor, period) if row["report_version"] == row["newest"]]
    newest.sort(key=lambda row: row["payer_account_id"])
    if not newest:
        return None
    currency = newest[0]["currency"]
    found = cursor.execute(_METRIC, [newest[0]["fiscal_year"]]).fetchone()
    by_type = _added(_totals(row) for row in newest)
    unclassified: dict[str, int] = {}
    for row in newest:
        for name, lines in row["unclassified"].items():
            unclassified[name] = unclassified.get(name, 0) + lines
    return CostPeriodDetail(
        billing_period=period,
        currency=currency,
        metric=CostMetric(found[0]) if found else DEFAULT_METRIC,
        payers=tuple(row["payer_account_id"] for row in newest),
        versions=tuple(row["report_version"] for row in newest),
        charges=_charges(by_type, currency),
        totals=_sums(by_type, currency),
        upfront=tidy(total([row["upfront"] for row in newest]), currency),
        true_up=tidy(total([row["true_up"] for row in newest]), currency),
        unclassified=dict(sorted(unclassified.items())),
        split_lines=sum(row["split_lines"] for row in newest),
        invoices=tuple(InvoiceState.model_validate(one) for row in newest for one in row["invoices"]),
        is_final=all(row["is_final"] for row in newest),
    )


def _versions(cursor: Cursor[Any], period: Month) -> list[dict[str, Any]]:
    with cursor.connection.cursor(row_factory=dict_row) as rows:
        return rows.execute(_VERSIONS, [period.first_day]).fetchall()


def _version(
    row: Mapping[str, Any],
    totals: Mapping[tuple[str, str], Totals],
    changes: Mapping[tuple[str, str], tuple[AccountChange, ...]],
) -> CostVersion:
    payer, currency = row["payer_account_id"], row["currency"]
    key, before = (payer, row["report_version"]), (payer, row["replaced"])
    fields = {name: row[name] for name in CostVersion.model_fields if name in row}
    return CostVersion.model_validate(
        fields
        | {
            "billing_period": Month.of(row["billing_period"]),
            "totals": _sums(totals[key], currency),
            "changes": _differences(totals[before], totals[key], currency) if before in totals else (),
            "upfront": tidy(row["upfront"], currency),
            "true_up": tidy(row["true_up"], currency),
            "adjustment": row["booked_in"] is not None,
            "booked_in": Month.of(row["booked_in"]) if row["booked_in"] else None,
            "accounts": changes.get(key, ()),
        }
    )


def _changes_of(
    cursor: Cursor[Any], period: Month, account_id: str
) -> dict[tuple[str, str], tuple[AccountChange, ...]]:
    return {
        (payer, version): (
            AccountChange(
                account_id=account,
                before=_by_metric(before),
                after=_by_metric(after),
                first_changed=first,
                last_changed=last,
            ),
        )
        for payer, version, account, before, after, first, last in cursor.execute(
            _ACCOUNT, [period.first_day, account_id]
        )
    }


def _by_metric(amounts: Mapping[str, str]) -> MetricTotals:
    return {CostMetric(metric): Decimal(amount) for metric, amount in amounts.items()}


def _totals(row: Mapping[str, Any]) -> Totals:
    return {
        metric: {charge_type: Decimal(amount) for charge_type, amount in row["totals"][metric].items()}
        for metric in CostMetric
    }


def _added(several: Iterable[Totals]) -> Totals:
    found: dict[CostMetric, dict[str, Decimal]] = {metric: {} for metric in CostMetric}
    for one in several:
        for metric, totals in one.items():
            for charge_type, amount in totals.items():
                found[metric][charge_type] = total([found[metric].get(charge_type, Decimal(0)), amount])
    return found


def _sums(totals: Totals, currency: str) -> MetricTotals:
    return {metric: tidy(total(list(of_type.values())), currency) for metric, of_type in totals.items()}


def _differences(before: Totals, after: Totals, currency: str) -> tuple[ChargeTypeChange, ...]:
    names = sorted({name for totals in (before, after) for of_type in totals.values() for name in of_type})
    zero = Decimal(0)
    found = []
    for name in names:
        changed = {
            metric: total([after[metric].get(name, zero), -before[metric].get(name, zero)]) for metric in CostMetric
        }
        if any(changed.values()):
            tidied = {metric: tidy(amount, currency) for metric, amount in changed.items()}
            found.append(ChargeTypeChange(charge_type=name, difference=tidied))
    return tuple(found)


def _charges(totals: Totals, currency: str) -> tuple[ChargeTypeTotal, ...]:
    """In the order of the groups; a charge type of before there was a closed table of them is unclassified, too."""
    groups = list(ChargeGroup)
    names = {name for of_type in totals.values() for name in of_type}
    found = [(CHARGE_TYPES.get(name, ChargeGroup.UNCLASSIFIED), name) for name in names]
    return tuple(
        ChargeTypeTotal(
            group=group,
            charge_type=name,
            totals={metric: tidy(totals[metric].get(name, Decimal(0)), currency) for metric in CostMetric},
        )
        for group, name in sorted(found, key=lambda one: (groups.index(one[0]), one[1]))
    )
