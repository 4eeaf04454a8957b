"""What a report adds up to, line by line, and the proof that what is kept of it adds up to the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb

from activities.cost_damage import damaged
from activities.cost_grouping import METRICS
from domain.charge_type import UNCLASSIFIED
from domain.cost import INVOICE_IDS_MAX, INVOICE_STATES_MAX, UNCLASSIFIED_TYPES_MAX, InvoiceState
from domain.cost_metric import COST_SCALE, CostMetric
from domain.money import EXACT, plain

LINE_ROUNDING = f"each line once, to {COST_SCALE} decimals, half away from zero; sums are exact"
"""How costs became decimals, as it is recorded with each import."""
NAMES_MAX = 100
"""Currencies or payers of one report: all but one are refused anyway."""
NO_TYPE, OTHER_TYPES = "(none)", "(others)"
"""How a blank line item type is shown, and those of which there are too many to name."""

Totals = Mapping[str, Mapping[str, Decimal]]
"""By metric and charge type, in order, without the zeros at the end that stand for no digit of the report."""


@dataclass(frozen=True, slots=True)
class Control:
    """What the report adds up to, line by line."""

    lines: int
    rows: int
    """Account rows."""
    metric_totals: Totals
    """Of all metrics."""
    upfront: Decimal
    true_up: Decimal
    currencies: tuple[str, ...]
    payers: tuple[str, ...]
    unclassified: dict[str, int]
    """Lines by line item type that no table of ours has."""
    split_lines: int
    invoices: tuple[InvoiceState, ...]

    @property
    def totals(self) -> Mapping[str, Decimal]:
        """Unblended cost by charge type."""
        return self.metric_totals[CostMetric.UNBLENDED]

    @property
    def identity_gap(self) -> Decimal:
        """amortized + upfront + true-up − unblended: nothing, as far as the report says what commitments cost.

        It does not for some (AWS has no amortized cost of dedicated hosts), so a gap is told and not refused.
        """
        amortized = _whole(self.metric_totals[CostMetric.AMORTIZED])
        with_upfront = EXACT.add(EXACT.add(amortized, self.upfront), self.true_up)
        return EXACT.subtract(with_upfront, _whole(self.totals)).normalize(EXACT)


def without_unblended(totals: Totals) -> dict[str, dict[str, Decimal]]:
    """The other metrics."""
    return {metric: dict(sums) for metric, sums in totals.items() if metric != CostMetric.UNBLENDED}


def control_of(connection: duckdb.DuckDBPyConnection, rows: int) -> Control:
    """Of the table `control`, which has groups of lines."""
    ((lines, split_lines, upfront, true_up),) = connection.execute("""
        SELECT
            coalesce(sum(lines), 0), coalesce(sum(lines) FILTER (is_split), 0),
            coalesce(sum(upfront) FILTER (NOT is_split), 0), coalesce(sum(true_up) FILTER (NOT is_split), 0)
        FROM control
    """).fetchall()
    return Control(
        lines=int(lines),
        rows=rows,
        metric_totals=totals_of(connection, "(SELECT * FROM control WHERE NOT is_split)"),
        upfront=upfront.normalize(EXACT),
        true_up=true_up.normalize(EXACT),
        currencies=_names(connection, "currency"),
        payers=_names(connection, "payer"),
        unclassified=_unclassified(connection),
        split_lines=int(split_lines),
        invoices=_invoices(connection),
    )


def totals_of(connection: duckdb.DuckDBPyConnection, relation: str) -> Totals:
    """Of any relation with charge type and metrics."""
    sums = ", ".join(f"sum({metric})" for metric in METRICS)
    groups = connection.execute(f"SELECT charge_type, {sums} FROM {relation} GROUP BY ALL").fetchall()  # noqa: S608 - ours
    return {
        metric: trimmed({charge_type: sums[place] for charge_type, *sums in groups})
        for place, metric in enumerate(METRICS)
    }


def trimmed(totals: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """In order, without the zeros at the end."""
    return {charge_type: cost.normalize(EXACT) for charge_type, cost in sorted(totals.items())}


def require_equal(control: Control, kept: Totals, what: str) -> None:
    """Raises DamagedReport where what is kept differs from the report in any digit."""
    for metric, totals in control.metric_totals.items():
        if totals != kept[metric]:
            raise damaged(
                f"{what} do not add up to the report in {metric}: {_listed(kept[metric])} against {_listed(totals)}",
                "NotReconciled",
            )


def _names(connection: duckdb.DuckDBPyConnection, column: str) -> tuple[str, ...]:
    query = f"SELECT DISTINCT {column} FROM control ORDER BY 1 LIMIT {NAMES_MAX}"  # noqa: S608 - ours
    return tuple(name for (name,) in connection.execute(query).fetchall())


def _unclassified(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = connection.execute(
        "SELECT raw_type, CAST(sum(lines) AS BIGINT) FROM control WHERE charge_type = ? AND NOT is_split "
        "GROUP BY 1 ORDER BY 2 DESC, 1",
        [UNCLASSIFIED],
    ).fetchall()
    types: dict[str, int] = {}
    for place, (raw_type, lines) in enumerate(found):
        fits = len(found) <= UNCLASSIFIED_TYPES_MAX or place < UNCLASSIFIED_TYPES_MAX - 1
        name = (raw_type.strip() or NO_TYPE) if fits else OTHER_TYPES
        types[name] = types.get(name, 0) + lines
    return dict(sorted(types.items()))


def _invoices(connection: duckdb.DuckDBPyConnection) -> tuple[InvoiceState, ...]:
    found = connection.execute(f"""
        SELECT billing_entity, bill_type, sum(lines)::BIGINT, coalesce(sum(lines) FILTER (NOT has_invoice), 0)::BIGINT,
            coalesce(list_sort(list(DISTINCT invoice_id) FILTER (has_invoice)), [])[:{INVOICE_IDS_MAX}]
        FROM control GROUP BY 1, 2 ORDER BY 1, 2 LIMIT {INVOICE_STATES_MAX + 1}
    """).fetchall()  # noqa: S608 - ours
    if len(found) > INVOICE_STATES_MAX:
        raise damaged(
            f"The report has more than {INVOICE_STATES_MAX} kinds of bills, the most that are kept", "BadPart"
        )
    return tuple(
        InvoiceState(
            billing_entity=entity, bill_type=bill_type, lines=lines, lines_without_invoice=without, invoice_ids=ids
        )
        for entity, bill_type, lines, without, ids in found
    )


def _whole(totals: Mapping[str, Decimal]) -> Decimal:
    whole: Any = Decimal(0)
    for amount in totals.values():
        whole = EXACT.add(whole, amount)
    return Decimal(whole)


def _listed(totals: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{charge_type} {plain(amount)}" for charge_type, amount in totals.items()) or "nothing"
