"""The metrics in which a cost report tells what something cost, by the formulas that AWS publishes.

unblended      what was charged on the day, as on the invoice: purchases of commitments fall on the day they are made
amortized      commitments (reservations, savings plans) are spread over the usage that they pay for
net_unblended  unblended after private discounts
net_amortized  amortized after private discounts

A report without private discounts has no net columns: its net metrics are the same as those before discounts.
"""

from __future__ import annotations

from enum import StrEnum


class CostMetric(StrEnum):
    """Also the names of the columns wherever all four stand side by side."""

    UNBLENDED = "unblended"
    AMORTIZED = "amortized"
    NET_UNBLENDED = "net_unblended"
    NET_AMORTIZED = "net_amortized"


DEFAULT_METRIC = CostMetric.UNBLENDED
"""With which budgets are compared until the organization chooses another one."""

COST_SCALE = 12
"""Decimals to which the cost of each line is rounded, once, when it is read; all sums are exact from there on."""
