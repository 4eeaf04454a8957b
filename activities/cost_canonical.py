"""The canonical line: what every format is turned into, line by line, before anything is added up.

    account, payer, currency                text; accounts and payers have 12 digits
    service, charge_type, raw_type          charge_type is one of the closed table, raw_type is as in the report
    day                                     UTC date on which the usage starts
    resource_id, principal, usage_type, operation, tags          text, empty where there is none; tags: a JSON object
    unblended, amortized, net_unblended, net_amortized, upfront, true_up          DECIMAL(38, 12)
    billing_entity, bill_type, has_invoice, invoice_id
    is_split                                a line of split cost allocation: repeats the cost of others, only counted
    is_bad                                  some check of the line failed
    line_item                               for messages

Three statements, one within the other: `raw` has the report's values under the names of the column tables, `figures`
turns text and doubles into decimals once and checks them, and the outermost says what a line is and costs.
"""

from __future__ import annotations

from activities.cost_checks import date_sql, is_bad_sql, money_sql
from activities.cost_columns import Kind
from activities.cost_dialect import DUCKDB, Dialect
from activities.cost_money import MONEY_OF_FOCUS, money_of_cur
from activities.cost_source import Source
from domain.charge_type import (
    CORRECTION,
    CUR_LINE_ITEM_TYPES,
    FOCUS_CHARGE_CATEGORIES,
    MARKETPLACE,
    SUPPORT,
    UNCLASSIFIED,
    ChargeGroup,
)

SPLIT_OPERATIONS = ("EKSPod-EC2", "ECSTask-EC2")
"""Operations of split cost allocation, for reports without its columns."""
MARKETPLACE_ENTITY = "AWS Marketplace"
SPLIT_PARENT = "split_line_item_parent_resource_id"


def canonical_sql(raw: str, source: Source, dialect: Dialect = DUCKDB) -> str:
    """A query of canonical lines over a query of raw ones, which has the source's columns and `tag_map`, `tag_0`, …."""
    lines = line_expressions(source, dialect)
    columns = ", ".join(f"{expression} AS {name}" for name, expression in lines.items())
    tags = tags_text(source, dialect)
    return f"SELECT {columns}, {tags} AS tags, is_bad FROM ({_figures_sql(raw, source, dialect)}) AS figures"  # noqa: S608 - ours


def line_expressions(source: Source, dialect: Dialect = DUCKDB) -> dict[str, str]:
    """What a line is and costs, by canonical name, over the names of the column tables."""
    return _focus_lines(source) if source.report_format.is_focus else _cur_lines(source, dialect)


def _figures_sql(raw: str, source: Source, dialect: Dialect) -> str:
    selected = []
    for column in source.table.columns:
        if column.name not in source.places:
            absent = "CAST(NULL AS DECIMAL(38, 12))" if column.kind is Kind.MONEY else "''"
            selected.append(f"{absent} AS {column.name}")
        elif column.kind is Kind.MONEY:
            selected.append(f"{money_sql(column.name, source.types[column.name], dialect)} AS {column.name}")
        elif column.kind is Kind.TIME:
            selected.append(f"{date_sql(column.name, source.types[column.name], dialect)} AS {column.name}")
        else:
            selected.append(column.name)  # as it is, see DuckDb: what COALESCE makes of it is looked at for each line
    tags = [f"tag_{number}" for number in range(len(source.tags))] + ["tag_map"] * (source.tag_map is not None)
    return f"SELECT {', '.join([*selected, *tags])}, {is_bad_sql(source, dialect)} AS is_bad FROM ({raw}) AS raw"  # noqa: S608 - ours


def _cur_lines(source: Source, dialect: Dialect) -> dict[str, str]:
    # By the part's own columns: one without them must not bring in again what other lines cost already.
    has_parent = "split_line_item_parent_resource_id" in source.places
    by_operation = f"line_item_operation IN ({_listed(SPLIT_OPERATIONS)})"
    is_split = "split_line_item_parent_resource_id <> ''" if has_parent else by_operation
    return {
        "account": "line_item_usage_account_id",
        "payer": "bill_payer_account_id",
        "currency": "line_item_currency_code",
        "service": f"COALESCE(NULLIF(trim(line_item_product_code), ''), '{UNCLASSIFIED}')",
        "charge_type": _CUR_CHARGE_TYPE,
        "raw_type": _text("line_item_line_item_type"),
        "day": "line_item_usage_start_date",
        "resource_id": _text("line_item_resource_id"),
        "principal": _text("line_item_iam_principal"),
        "usage_type": _text("line_item_usage_type"),
        "operation": _text("line_item_operation"),
        **money_of_cur(source.report_columns, dialect),
        "billing_entity": _text("bill_billing_entity"),
        "bill_type": _text("bill_bill_type"),
        "has_invoice": "COALESCE(bill_invoice_id <> '', false)",
        "invoice_id": _text("bill_invoice_id"),
        "is_split": f"COALESCE({is_split}, false)",
        "line_item": _text("identity_line_item_id"),
    }


def _focus_lines(source: Source) -> dict[str, str]:
    invoice = "InvoiceId" if "InvoiceId" in source.places else "''"
    service = "COALESCE(NULLIF(trim(x_ServiceCode), ''), NULLIF(trim(ServiceName), ''))"
    return {
        "account": "SubAccountId",
        "payer": "BillingAccountId",
        "currency": "BillingCurrency",
        "service": f"COALESCE({service}, '{UNCLASSIFIED}')",
        "charge_type": _FOCUS_CHARGE_TYPE,
        "raw_type": _text("ChargeCategory"),
        "day": "ChargePeriodStart",
        "resource_id": _text("ResourceId"),
        "principal": "''",
        "usage_type": _text("x_UsageType"),
        "operation": _text("x_Operation"),
        **MONEY_OF_FOCUS,
        "billing_entity": _text("ProviderName"),
        "bill_type": "''",
        "has_invoice": f"COALESCE({invoice} <> '', false)",
        "invoice_id": _text(invoice),
        "is_split": "false",
        "line_item": _text("ResourceId"),
    }


def tags_text(source: Source, dialect: Dialect = DUCKDB) -> str:
    """The tags of a line, as JSON text."""
    if source.tag_map is not None:
        tags = dialect.tags_of_map("tag_map") if source.tags_are_map else dialect.tags_of_json("tag_map")
        return f"COALESCE({tags}, '')"
    if not source.tags:
        return "''"
    texts = [
        f"CASE WHEN tag_{number} <> '' THEN {dialect.json_text(_quoted(tag.key))} || ':' || "
        f"{dialect.json_text(f'tag_{number}')} END"
        for number, tag in enumerate(source.tags)
    ]
    joined = dialect.joined(texts)
    return f"COALESCE('{{' || NULLIF({joined}, '') || '}}', '')"


def _text(column: str) -> str:
    return f"COALESCE({column}, '')"


def _listed(texts: tuple[str, ...]) -> str:
    return ", ".join(_quoted(text) for text in texts)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _of_groups(types: dict[str, ChargeGroup], *groups: ChargeGroup) -> str:
    return _listed(tuple(name for name, group in types.items() if group in groups))


_CUR_PLAIN = _of_groups(CUR_LINE_ITEM_TYPES, ChargeGroup.USAGE, ChargeGroup.FEE)
_CUR_CHARGE_TYPE = f"""CASE
    WHEN (line_item_product_code LIKE 'AWSSupport%' OR line_item_product_code LIKE 'AWSDeveloperSupport%'
        OR line_item_product_code = 'OCBPremiumSupport') AND line_item_line_item_type IN ({_CUR_PLAIN})
        THEN '{SUPPORT}'
    WHEN bill_billing_entity = '{MARKETPLACE_ENTITY}' AND line_item_line_item_type IN ({_CUR_PLAIN})
        THEN '{MARKETPLACE}'
    WHEN line_item_line_item_type IN ({_listed(tuple(CUR_LINE_ITEM_TYPES))}) THEN line_item_line_item_type
    ELSE '{UNCLASSIFIED}' END"""

_FOCUS_CHARGE_TYPE = f"""CASE
    WHEN ChargeCategory IN ({_listed(tuple(FOCUS_CHARGE_CATEGORIES))}) AND ChargeClass = '{CORRECTION}'
        THEN '{CORRECTION}'
    WHEN ChargeCategory IN ('Usage', 'Purchase') AND (x_ServiceCode LIKE 'AWSSupport%'
        OR x_ServiceCode LIKE 'AWSDeveloperSupport%' OR x_ServiceCode = 'OCBPremiumSupport'
        OR ServiceName LIKE 'AWS Support%')
        THEN '{SUPPORT}'
    WHEN ChargeCategory IN ('Usage', 'Purchase') AND ProviderName = '{MARKETPLACE_ENTITY}' THEN '{MARKETPLACE}'
    WHEN ChargeCategory IN ({_listed(tuple(FOCUS_CHARGE_CATEGORIES))}) THEN ChargeCategory
    ELSE '{UNCLASSIFIED}' END"""
