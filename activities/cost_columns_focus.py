"""The columns of FOCUS, as AWS's Data Exports have them ("FOCUS 1.0 / 1.2 with AWS columns").

Names are those of the specification, the same in CSV and Parquet; `x_` marks those that AWS adds.
"""

from __future__ import annotations

from activities.cost_columns import Column, ColumnTable, Kind


def _required(name: str, kind: Kind, use: str) -> Column:
    return Column(name, name, kind, True, use)


def _optional(name: str, use: str) -> Column:
    return Column(name, name, Kind.TEXT, False, use)


_COMMON = (
    _required("SubAccountId", Kind.TEXT, "the account"),
    _required("BillingAccountId", Kind.TEXT, "must be the organization's payer"),
    _required("BillingCurrency", Kind.TEXT, "must be the organization's currency"),
    _required("ChargeCategory", Kind.TEXT, "the charge type"),
    _required("ChargePeriodStart", Kind.TIME, "the day, in UTC"),
    _required("BilledCost", Kind.MONEY, "unblended and net unblended cost, which FOCUS has after discounts only"),
    _required("EffectiveCost", Kind.MONEY, "amortized and net amortized cost"),
    _required("ServiceName", Kind.TEXT, "the service, where there is no code"),
    _optional("ChargeClass", "Correction: a charge type of its own. Absent: no line is one"),
    _optional("ChargeFrequency", "One-Time purchases of commitments were paid upfront. Absent: none were"),
    _optional("CommitmentDiscountId", "the same"),
    _optional("x_ServiceCode", "the service, by the code that the CUR uses. Absent or empty: ServiceName"),
    _optional("x_UsageType", "names a resource without an id. Absent: empty"),
    _optional("x_Operation", "names a resource without an id. Absent: empty"),
    _optional("ResourceId", "the resource. Absent: lines have none"),
    _optional("ProviderName", "AWS or AWS Marketplace. Absent: nothing counts as Marketplace"),
)
_TAGS, _TAG_PREFIXES = "Tags", ("tags/", "tags_")

FOCUS_1_0_COLUMNS = ColumnTable(_COMMON, _TAGS, _TAG_PREFIXES)
FOCUS_1_2_COLUMNS = ColumnTable(
    (*_COMMON, _optional("InvoiceId", "tells that AWS has invoiced. Absent: the month is not final")),
    _TAGS,
    _TAG_PREFIXES,
)

ONLY_FROM_1_2 = ("InvoiceId", "BillingAccountType", "SubAccountType", "PricingCurrency", "ServiceSubcategory")
"""Columns by which a report of 1.2 is told from one of 1.0 (they came with 1.1 and 1.2)."""
