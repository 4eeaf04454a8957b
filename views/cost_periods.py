"""Billing periods by payer: which version is in force, which one is shown, how far AWS has invoiced; and the metrics
that budgets are compared with."""

from __future__ import annotations

from pydantic_core import to_json

from domain.cost import PeriodImported, is_final
from domain.cost_metric import DEFAULT_METRIC, CostMetric
from domain.decision import RecordedEvent
from domain.money import plain, total
from views.batch import Batch, Projection
from views.spend_tables import METRIC_CHOICES, PERIODS, PeriodRow
from views.tables import Json


def wants(batch: Batch, _: RecordedEvent, fact: PeriodImported) -> None:
    batch.rows(PERIODS).want(fact.billing_period.first_day, fact.payer_account_id)


def fold(batch: Batch, event: RecordedEvent, fact: PeriodImported) -> None:
    rows = batch.rows(PERIODS)
    before = rows.get(fact.billing_period.first_day, fact.payer_account_id)
    batch.changes.imported.append((fact, before.report_version if before else ""))
    final = is_final(fact.invoices)
    first_final = before.final_version if before else ""
    shown = (before.shown_version if before else "") if fact.is_booked else fact.report_version
    rows.put(
        PeriodRow(
            billing_period=fact.billing_period.first_day,
            payer_account_id=fact.payer_account_id,
            fiscal_year=batch.organization.calendar.fiscal_year_of(fact.billing_period),
            source=fact.source,
            report_version=fact.report_version,
            shown_version=shown,
            format=fact.format,
            currency=fact.currency,
            lines=fact.lines,
            totals=totals_of(fact),
            total=total(list(fact.totals.values())),
            is_final=final,
            final_version=first_final or (fact.report_version if final else ""),
            versions=(before.versions if before else 0) + 1,
            imported_at=event.recorded_at,
        )
    )


def metric_of(_batch: Batch, _fiscal_year: int) -> CostMetric:
    return DEFAULT_METRIC


def totals_of(fact: PeriodImported) -> Json:
    """By metric; versions of before there was more than one have the same in all of them."""
    by_metric = {metric.value: fact.metric_totals.get(metric, fact.totals) for metric in CostMetric}
    return Json(
        to_json(
            {
                metric: {charge_type: plain(amount) for charge_type, amount in totals.items()}
                for metric, totals in by_metric.items()
            }
        ).decode()
    )


PROJECTION = Projection((PERIODS, METRIC_CHOICES), (PeriodImported,), wants, fold)
