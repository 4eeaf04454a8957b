"""The columns of the Cost and Usage Report, legacy and 2.0.

Names are those of AWS's dictionaries (Data Exports user guide). Legacy reports have a column only in months that need
it; exports have the columns that somebody selected.
"""

from __future__ import annotations

from activities.cost_columns import Column, ColumnTable, Kind, sql_name


def _column(csv: str, kind: Kind, use: str, *, required: bool = False) -> Column:
    return Column(sql_name(*csv.split("/")), csv, kind, required, use)


def _text(csv: str, use: str) -> Column:
    return _column(csv, Kind.TEXT, use)


def _money(csv: str, use: str) -> Column:
    return _column(csv, Kind.MONEY, use)


REQUIRED = (
    _column("lineItem/UsageAccountId", Kind.TEXT, "the account", required=True),
    _column("lineItem/ProductCode", Kind.TEXT, "the service", required=True),
    _column("lineItem/LineItemType", Kind.TEXT, "the charge type", required=True),
    _column("lineItem/UsageStartDate", Kind.TIME, "the day, in UTC", required=True),
    _column("lineItem/UnblendedCost", Kind.MONEY, "unblended cost", required=True),
    _column("lineItem/CurrencyCode", Kind.TEXT, "must be the organization's currency", required=True),
    _column("bill/PayerAccountId", Kind.TEXT, "must be the organization's payer", required=True),
)
OPTIONAL = (
    _text("identity/LineItemId", "helps a person to find a line; no key. Absent: lines have no name in messages"),
    _text("bill/BillingEntity", "AWS or AWS Marketplace. Absent: nothing counts as Marketplace"),
    _text("bill/BillType", "kind of bill: Anniversary, Purchase, Refund. Absent: one kind"),
    _text("bill/InvoiceId", "tells that AWS has invoiced. Absent: the month is not final"),
    _text("lineItem/ResourceId", "the resource. Absent: lines have none"),
    _text("lineItem/IamPrincipal", "who used a service without resources (CUR 2.0). Absent: not known"),
    _text("lineItem/UsageType", "names a resource without an id. Absent: empty"),
    _text("lineItem/Operation", "names a resource without an id. Absent: empty"),
    _text("lineItem/LineItemDescription", "tells refunds of savings plans. Absent: no refund is one"),
    _text(
        "splitLineItem/ParentResourceId",
        "not empty: the line splits another one's cost and is left out. Absent: told by the operation",
    ),
    _text("reservation/ReservationARN", "a fee with one was paid upfront. Absent: no fee was"),
    _money("lineItem/NetUnblendedCost", "net unblended cost. Absent or empty: unblended cost"),
    _money("savingsPlan/SavingsPlanEffectiveCost", "amortized cost of covered usage. Absent: see below"),
    _money("savingsPlan/TotalCommitmentToDate", "less used commitment: amortized cost of the recurring fee"),
    _money("savingsPlan/UsedCommitment", "see total commitment. Empty: zero"),
    _money("savingsPlan/AmortizedUpfrontCommitmentForBillingPeriod", "true-up. Absent or empty: zero"),
    _money("savingsPlan/RecurringCommitmentForBillingPeriod", "with the net one: the discount on unused commitment"),
    _money("savingsPlan/NetSavingsPlanEffectiveCost", "net amortized cost. Absent or empty: before discounts"),
    _money("savingsPlan/NetAmortizedUpfrontCommitmentForBillingPeriod", "the discount on unused commitment"),
    _money("savingsPlan/NetRecurringCommitmentForBillingPeriod", "the discount on unused commitment. Absent: none"),
    _money("reservation/EffectiveCost", "amortized cost of discounted usage. Absent: see below"),
    _money("reservation/UnusedAmortizedUpfrontFeeForBillingPeriod", "amortized cost of the fee. Empty: zero"),
    _money("reservation/UnusedRecurringFee", "amortized cost of the fee. Empty: zero"),
    _money("reservation/AmortizedUpfrontFeeForBillingPeriod", "true-up. Absent or empty: zero"),
    _money("reservation/NetEffectiveCost", "net amortized cost. Absent or empty: before discounts"),
    _money("reservation/NetUnusedAmortizedUpfrontFeeForBillingPeriod", "the same"),
    _money("reservation/NetUnusedRecurringFee", "the same"),
)

CUR_COLUMNS = ColumnTable(
    (*REQUIRED, *OPTIONAL), tag_map="resource_tags", tag_prefixes=("resourcetags/", "resource_tags_", "resource_tags/")
)
"""Of the legacy report (CSV and Parquet) and of CUR 2.0 (CSV and Parquet, tags as a map or as columns)."""
