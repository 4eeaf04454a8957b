"""What must hold of every line, and how its texts and numbers become decimals and dates."""

from __future__ import annotations

from string import ascii_uppercase
from typing import NamedTuple

from activities.cost_columns import Column, Kind
from activities.cost_dialect import COST_TYPE, Dialect
from activities.cost_source import Source, is_exact, is_float, is_text
from domain.calendar import YEAR_MAX, YEAR_MIN
from domain.cost_metric import COST_SCALE
from domain.money import AMOUNT_DIGITS_MAX
from domain.resource_key import RESOURCE_KEY_CHARS_MAX

ACCOUNT_DIGITS = 12
SERVICE_CHARS_MAX = 200
CHARGE_TYPE_CHARS_MAX = 100
NAME_CHARS_MAX = 200
"""Of billing entity, bill type and invoice id, which go into the ledger."""

ACCOUNTS = ("line_item_usage_account_id", "bill_payer_account_id", "SubAccountId", "BillingAccountId")
CURRENCIES = ("line_item_currency_code", "BillingCurrency")
CHARS_MAX = {
    "line_item_product_code": SERVICE_CHARS_MAX,
    "ServiceName": SERVICE_CHARS_MAX,
    "x_ServiceCode": SERVICE_CHARS_MAX,
    "line_item_line_item_type": CHARGE_TYPE_CHARS_MAX,
    "ChargeCategory": CHARGE_TYPE_CHARS_MAX,
    "bill_billing_entity": NAME_CHARS_MAX,
    "ProviderName": NAME_CHARS_MAX,
    "bill_bill_type": NAME_CHARS_MAX,
    "bill_invoice_id": NAME_CHARS_MAX,
    "InvoiceId": NAME_CHARS_MAX,
}
"""Texts by which money is added up: of printable characters only, because others would not be seen."""
RESOURCE_PARTS = (
    "line_item_resource_id",
    "line_item_iam_principal",
    "line_item_usage_type",
    "line_item_operation",
    "ResourceId",
    "x_UsageType",
    "x_Operation",
)

_NUMBER = r"'[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?'"


class Check(NamedTuple):
    """What must hold of every line, in SQL over the raw columns, and what is said where it does not (NULL is no)."""

    column: Column
    holds: str
    complaint: str


def checks_of(source: Source, dialect: Dialect) -> tuple[Check, ...]:
    """All checks of the columns that are there."""
    return tuple(check for column in source.columns for check in _checks(column, source, dialect))


def is_bad_sql(source: Source, dialect: Dialect) -> str:
    """Whether some check does not hold. One condition, because these are evaluated for every line."""
    return f"({' AND '.join(f'({check.holds})' for check in checks_of(source, dialect))}) IS NOT TRUE"


def money_sql(column: str, type_: str, dialect: Dialect) -> str:
    """A raw column as a decimal at the scale of costs; NULL where it is empty or no number."""
    if is_float(type_):
        # A FLOAT's own text is shorter than that of the DOUBLE it would become.
        return (
            dialect.money_of_double(column)
            if type_ == "DOUBLE"
            else f"TRY_CAST(CAST({column} AS VARCHAR) AS {COST_TYPE})"
        )
    return f"TRY_CAST({column} AS {COST_TYPE})"


def date_sql(column: str, type_: str, dialect: Dialect) -> str:
    """A raw column as a UTC date; NULL where it is none."""
    if is_text(type_):
        return f"CAST(TRY_CAST({column} AS TIMESTAMP) AS DATE)"
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return dialect.utc_date(column)
    return f"TRY_CAST({column} AS DATE)"


def _checks(column: Column, source: Source, dialect: Dialect) -> list[Check]:
    name, type_ = column.name, source.types[column.name]
    if column.kind is Kind.MONEY:
        return _money_checks(column, type_, dialect)
    if column.kind is Kind.TIME:
        return [_time_check(column, type_, dialect)]
    if name in ACCOUNTS:
        holds = f"length({name}) = {ACCOUNT_DIGITS} AND {dialect.only(name, '0123456789')}"
        return [Check(column, holds, f"is not an account id of {ACCOUNT_DIGITS} digits")]
    if name in CURRENCIES:
        holds = f"length({name}) = 3 AND {dialect.only(name, ascii_uppercase)}"
        return [Check(column, holds, "is not a currency code such as USD")]
    if chars_max := CHARS_MAX.get(name):
        plain = f"{name} IS NULL OR (length({name}) <= {chars_max} AND {dialect.is_printable(name)})"
        return [Check(column, plain, f"is not a text of at most {chars_max} printable characters")]
    if name in RESOURCE_PARTS:
        fits = f"{name} IS NULL OR (length({name}) <= {RESOURCE_KEY_CHARS_MAX} AND NOT {dialect.has_nul(name)})"
        return [Check(column, fits, f"is not a text of at most {RESOURCE_KEY_CHARS_MAX:,} characters")]
    return []


def _money_checks(column: Column, type_: str, dialect: Dialect) -> list[Check]:
    name = column.name
    complaint = f"has more than {AMOUNT_DIGITS_MAX - COST_SCALE} digits before the point"
    fits = Check(column, _unless_absent(column, f"{money_sql(name, type_, dialect)} IS NOT NULL"), complaint)
    if is_text(type_):
        is_number = dialect.matches(name, _NUMBER)
    elif is_float(type_):
        is_number = dialect.is_finite(name)
    else:
        assert is_exact(type_)
        is_number = f"{name} IS NOT NULL"
    return [Check(column, _unless_absent(column, is_number), "is not a number"), fits]


def _unless_absent(column: Column, holds: str) -> str:
    """A value that may be absent may be empty, too."""
    if column.required:
        return holds
    return f"CASE WHEN {column.name} IS NULL THEN true ELSE {holds} END"


def _time_check(column: Column, type_: str, dialect: Dialect) -> Check:
    name = column.name
    holds = f"year({date_sql(name, type_, dialect)}) BETWEEN {YEAR_MIN} AND {YEAR_MAX}"
    if is_text(type_):  # engines ignore the offset of a time, so only UTC may come in
        holds = f"({name} LIKE '%Z' OR {name} LIKE '%+00:00' OR length({name}) <= 19) AND {holds}"
    return Check(column, holds, "is not a time in UTC, such as 2026-06-01T00:00:00Z")
