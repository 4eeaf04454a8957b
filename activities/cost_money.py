"""What a line costs in each metric: the CASEs that AWS publishes, over AWS's own column names.

Source: AWS's queries for the Cost and Usage Report (Cloud Intelligence Dashboards, summary_view; Well-Architected Labs,
amortized cost by charge type). Every column here is a DECIMAL(38, 12) already, and NULL where the report has no value:
COALESCE makes it the zero that AWS's sums take it for.

Over an organization's month, amortized + upfront + true_up = unblended.

Where a report lacks a column altogether, the cases that need it are left out and their lines count as they were
charged. So a report without commitments has the same amortized as unblended cost, and no money is lost.

`docs/cost-formats.md` shows the statements whole.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from activities.cost_dialect import COST_TYPE, Dialect
from domain.cost_metric import CostMetric

UPFRONT, TRUE_UP = "upfront", "true_up"

PRIVATE_DISCOUNT = "line_item_line_item_type IN ('EdpDiscount', 'PrivateRateDiscount')"
"""Lines of their own, and part of each line's net cost already."""
NET = "COALESCE(line_item_net_unblended_cost, line_item_unblended_cost)"


@dataclass(frozen=True, slots=True)
class Case:
    """Lines whose amortized cost is not what was charged."""

    when: str
    then: str
    """Amortized cost."""
    net: str
    """Net amortized cost."""
    needs: tuple[str, ...]
    """Columns without which these lines count as they were charged."""
    is_upfront: bool = False
    """Whether they are payments in advance."""
    true_up: str = ""
    """What the month uses up of such payments: a column."""


COMMITMENT_CASES = (
    Case(
        "line_item_line_item_type = 'SavingsPlanCoveredUsage'",
        "COALESCE(savings_plan_savings_plan_effective_cost, 0)",
        "COALESCE(savings_plan_net_savings_plan_effective_cost, savings_plan_savings_plan_effective_cost, 0)",
        ("savings_plan_savings_plan_effective_cost",),
    ),
    Case(
        "line_item_line_item_type = 'SavingsPlanRecurringFee'",
        # What was committed to and not used.
        "COALESCE(savings_plan_total_commitment_to_date, 0) - COALESCE(savings_plan_used_commitment, 0)",
        "",  # see _net_unused_commitment
        ("savings_plan_total_commitment_to_date", "savings_plan_used_commitment"),
        true_up="savings_plan_amortized_upfront_commitment_for_billing_period",
    ),
    Case("line_item_line_item_type = 'SavingsPlanNegation'", "0", "0", ("savings_plan_savings_plan_effective_cost",)),
    Case(
        "line_item_line_item_type = 'SavingsPlanUpfrontFee'",
        "0",
        "0",
        ("savings_plan_savings_plan_effective_cost",),
        is_upfront=True,
    ),
    Case(
        "line_item_line_item_type = 'DiscountedUsage'",
        "COALESCE(reservation_effective_cost, 0)",
        "COALESCE(reservation_net_effective_cost, reservation_effective_cost, 0)",
        ("reservation_effective_cost",),
    ),
    Case(
        "line_item_line_item_type = 'RIFee'",
        "COALESCE(reservation_unused_amortized_upfront_fee_for_billing_period, 0)"
        " + COALESCE(reservation_unused_recurring_fee, 0)",
        "COALESCE(reservation_net_unused_amortized_upfront_fee_for_billing_period,"
        " reservation_unused_amortized_upfront_fee_for_billing_period, 0)"
        " + COALESCE(reservation_net_unused_recurring_fee, reservation_unused_recurring_fee, 0)",
        ("reservation_unused_amortized_upfront_fee_for_billing_period", "reservation_unused_recurring_fee"),
        true_up="reservation_amortized_upfront_fee_for_billing_period",
    ),
    Case(
        "line_item_line_item_type = 'Fee' AND reservation_reservation_a_r_n <> ''",
        "0",
        "0",
        ("reservation_effective_cost", "reservation_reservation_a_r_n"),
        is_upfront=True,
    ),
    Case(
        "line_item_line_item_type = 'Refund' AND line_item_product_code = 'ComputeSavingsPlans'"
        " AND line_item_line_item_description LIKE 'Refund for one-time fee for Savings Plan ID%'",
        "0",
        "0",
        ("savings_plan_savings_plan_effective_cost", "line_item_line_item_description"),
        is_upfront=True,
    ),
)


def money_of_cur(columns: Collection[str], dialect: Dialect) -> dict[str, str]:
    """SQL of all metrics, upfront and true_up of a line, given which columns the report has."""
    cases = [case for case in COMMITMENT_CASES if all(name in columns for name in case.needs)]
    has_net = "line_item_net_unblended_cost" in columns
    net_of_discounts = [(PRIVATE_DISCOUNT, "COALESCE(line_item_net_unblended_cost, 0)")] if has_net else []
    net = [(case.when, case.net or _net_unused_commitment(case, columns, dialect)) for case in cases]
    net += [(PRIVATE_DISCOUNT, "0")] if has_net else []
    if not any("_net_" in name for name in columns):
        net = [(case.when, case.then) for case in cases]  # the same text as before discounts: engines add it up once
    otherwise = NET if has_net else "line_item_unblended_cost"
    upfront = [(case.when, "line_item_unblended_cost") for case in cases if case.is_upfront]
    true_up = [(case.when, f"-COALESCE({case.true_up}, 0)") for case in cases if case.true_up in columns]
    return {
        CostMetric.UNBLENDED: "line_item_unblended_cost",
        CostMetric.AMORTIZED: _case([(case.when, case.then) for case in cases], "line_item_unblended_cost"),
        CostMetric.NET_UNBLENDED: _case(net_of_discounts, otherwise),
        CostMetric.NET_AMORTIZED: _case(net, otherwise),
        UPFRONT: _case(upfront, "0"),
        TRUE_UP: _case(true_up, "0"),
    }


UPFRONT_OF_FOCUS = (
    "CASE WHEN ChargeCategory = 'Purchase' AND ChargeFrequency = 'One-Time' AND CommitmentDiscountId <> ''"
)
MONEY_OF_FOCUS = {
    CostMetric.UNBLENDED: "BilledCost",
    CostMetric.AMORTIZED: "EffectiveCost",
    CostMetric.NET_UNBLENDED: "BilledCost",
    CostMetric.NET_AMORTIZED: "EffectiveCost",
    UPFRONT: f"{UPFRONT_OF_FOCUS} THEN BilledCost - EffectiveCost ELSE 0 END",
    # Used commitments have the share of the upfront payment in their effective cost, recurring purchases have none of
    # theirs: what differs beside upfront payments is, over a month, what it uses up of them.
    TRUE_UP: f"{UPFRONT_OF_FOCUS} THEN 0 ELSE BilledCost - EffectiveCost END",
}
"""FOCUS has costs after discounts only, amortized by AWS itself."""


def _net_unused_commitment(case: Case, columns: Collection[str], dialect: Dialect) -> str:
    """AWS has no net column for unused commitment: it is discounted as the commitment of its line is."""
    prefix, period = "savings_plan_", "_commitment_for_billing_period"
    net_recurring, recurring = f"{prefix}net_recurring{period}", f"{prefix}recurring{period}"
    if net_recurring not in columns or recurring not in columns:
        return case.then
    net_commitment, commitment = net_recurring, recurring
    net_upfront, upfront = f"{prefix}net_amortized_upfront{period}", f"{prefix}amortized_upfront{period}"
    if net_upfront in columns and upfront in columns:
        net_commitment = f"({net_recurring} + COALESCE({net_upfront}, 0))"
        commitment = f"({recurring} + COALESCE({upfront}, 0))"
    return f"COALESCE({dialect.ratio(f'({case.then})', net_commitment, commitment)}, {case.then})"


def _case(branches: list[tuple[str, str]], otherwise: str) -> str:
    whens = [f"WHEN {when}\n        THEN {then}" for when, then in branches]
    text = "\n    ".join(["CASE", *whens, f"ELSE {otherwise} END"]) if branches else otherwise
    return f"CAST({text} AS {COST_TYPE})"
