"""Billing periods by payer: their versions and what each has changed, how far AWS has invoiced; and the metrics that
budgets are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg.sql import SQL
from pydantic_core import to_json

from domain.calendar import Month
from domain.cost import PeriodImported, is_final
from domain.cost_metric import CostMetric
from domain.decision import RecordedEvent
from domain.metric_choice import MetricChosen
from domain.money import plain, total
from domain.restatement import AccountRestated
from views.batch import Batch, Projection, missing
from views.spend_tables import (
    METRIC_CHOICES,
    PERIODS,
    RESTATEMENTS,
    VERSIONS,
    MetricRow,
    PeriodRow,
    RestatementRow,
    VersionRow,
)
from views.tables import Json

CostFact = PeriodImported | AccountRestated | MetricChosen


def wants(batch: Batch, _: RecordedEvent, fact: CostFact) -> None:
    match fact:
        case PeriodImported():
            period, payer = fact.billing_period.first_day, fact.payer_account_id
            batch.rows(PERIODS).want(period, payer)
            batch.rows(VERSIONS).want(period, payer, fact.report_version)
        case AccountRestated():
            period, payer = fact.billing_period.first_day, fact.payer_account_id
            batch.rows(VERSIONS).want(period, payer, fact.to_version)
            batch.rows(RESTATEMENTS).want(period, fact.account_id, payer, fact.to_version)
        case MetricChosen():
            batch.rows(METRIC_CHOICES).want(fact.fiscal_year)


def fold(batch: Batch, event: RecordedEvent, fact: CostFact) -> None:
    match fact:
        case PeriodImported():
            _import(batch, event, fact)
        case AccountRestated():
            _restate(batch, event, fact)
        case MetricChosen():
            batch.rows(METRIC_CHOICES).put(
                MetricRow(fact.fiscal_year, fact.metric.value, fact.note, event.actor, event.recorded_at)
            )
            known = batch.changes.measured_from
            batch.changes.measured_from = min(fact.fiscal_year, known) if known is not None else fact.fiscal_year


def _import(batch: Batch, event: RecordedEvent, fact: PeriodImported) -> None:
    rows, first_day = batch.rows(PERIODS), fact.billing_period.first_day
    before = rows.get(first_day, fact.payer_account_id)
    replaced = before.report_version if before else ""
    batch.changes.imported.append((fact, replaced))
    final = is_final(fact.invoices)
    first_final = before.final_version if before else ""
    shown = before.shown_version if before else ""
    row = PeriodRow(
        billing_period=first_day,
        payer_account_id=fact.payer_account_id,
        fiscal_year=batch.organization.calendar.fiscal_year_of(fact.billing_period),
        source=fact.source,
        report_version=fact.report_version,
        shown_version=shown if fact.is_booked else fact.report_version,
        format=fact.format,
        currency=fact.currency,
        lines=fact.lines,
        totals=_totals(fact),
        total=total(list(fact.totals.values())),
        is_final=final,
        final_version=first_final or (fact.report_version if final else ""),
        versions=(before.versions if before else 0) + 1,
        imported_at=event.recorded_at,
    )
    rows.put(row)
    batch.rows(VERSIONS).put(_version(event, fact, row, replaced))


def _version(event: RecordedEvent, fact: PeriodImported, row: PeriodRow, replaced: str) -> VersionRow:
    return VersionRow(
        billing_period=row.billing_period,
        payer_account_id=row.payer_account_id,
        report_version=row.report_version,
        ordinal=row.versions,
        replaced=replaced,
        source=row.source,
        manifest_hash=fact.manifest_hash,
        format=row.format,
        engine=fact.engine,
        currency=row.currency,
        lines=row.lines,
        rows=fact.rows,
        totals=row.totals,
        upfront=fact.upfront,
        true_up=fact.true_up,
        unclassified=_json(fact.unclassified),
        split_lines=fact.split_lines,
        invoices=_json(fact.invoices),
        is_final=row.is_final,
        booked_in=_first_day(fact.booked_in),
        restated=0,
        position=event.position,
        imported_at=row.imported_at,
    )


def _restate(batch: Batch, event: RecordedEvent, fact: AccountRestated) -> None:
    versions, period = batch.rows(VERSIONS), fact.billing_period.first_day
    version = versions.get(period, fact.payer_account_id, fact.to_version)
    if version is None:
        raise missing(event, f"version {fact.to_version} of {fact.billing_period}")
    versions.put(version._replace(restated=version.restated + 1))
    batch.rows(RESTATEMENTS).put(
        RestatementRow(
            billing_period=period,
            account_id=fact.account_id,
            payer_account_id=fact.payer_account_id,
            report_version=fact.to_version,
            replaced=fact.from_version,
            before=_json(_plain(fact.before)),
            after=_json(_plain(fact.after)),
            first_changed=fact.first_changed,
            last_changed=fact.last_changed,
            adjustment=fact.adjustment,
            booked_in=_first_day(fact.booked_in),
            recorded_at=event.recorded_at,
        )
    )


def choices(batch: Batch) -> dict[int, CostMetric]:
    """From which fiscal year on budgets are compared with which metric, by the rows that are stored."""
    query = SQL("SELECT fiscal_year, metric FROM {}").format(METRIC_CHOICES.named(batch.generation))
    return {year: CostMetric(metric) for year, metric in batch.cursor.execute(query)}


def _totals(fact: PeriodImported) -> Json:
    """By metric; versions of before there was more than one have the same in all of them."""
    by_metric = {metric.value: fact.metric_totals.get(metric, fact.totals) for metric in CostMetric}
    return _json({metric: _plain(totals) for metric, totals in by_metric.items()})


def _plain(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: plain(amount) for name, amount in amounts.items()}


def _json(value: Any) -> Json:
    return Json(to_json(value).decode())


def _first_day(month: Month | None) -> date | None:
    return month.first_day if month else None


PROJECTION = Projection(
    (PERIODS, VERSIONS, RESTATEMENTS, METRIC_CHOICES), (PeriodImported, AccountRestated, MetricChosen), wants, fold
)
