"""The month of the fixtures, in every format that AWS delivers."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from activities.cost_columns import ColumnTable, Kind
from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_columns_focus import FOCUS_1_2_COLUMNS
from domain.report_format import ReportFormat
from embedded.process import ROOT
from tests.support.cost_reports import PAYER

FIXTURES = ROOT / "tests" / "activities" / "cost_fixtures"
FIGURES = ("unblended", "amortized", "net_unblended", "net_amortized", "upfront", "true_up")
TAG = "tag."

Values = dict[str, str]


@dataclass(frozen=True)
class Entry:
    """A line of a fixture: what the report says, and what it must come to."""

    name: str
    values: Values
    """By the names of SQL or FOCUS; tags by `tag.` and their key."""
    charge_type: str
    figures: tuple[Decimal, ...]
    """In the order of FIGURES."""


def cur_month() -> list[Entry]:
    found = []
    for (name, day, type_, service, unblended, net), expected, others in _lines(FIXTURES / "may-cur.txt"):
        charge_type, amortized, net_amortized, upfront, true_up = expected
        values = {
            "identity_line_item_id": name,
            "line_item_usage_account_id": "000000000042",
            "bill_payer_account_id": PAYER,
            "line_item_currency_code": "USD",
            "line_item_usage_start_date": f"2026-05-{day}T23:00:00Z",
            "line_item_line_item_type": type_,
            "line_item_product_code": service,
            "line_item_unblended_cost": unblended,
            "line_item_net_unblended_cost": net,
            "bill_billing_entity": "AWS",
            "bill_bill_type": "Anniversary",
        }
        figures = (unblended, amortized, net, net_amortized, upfront, true_up)
        found.append(Entry(name, values | others, charge_type, tuple(map(Decimal, figures))))
    return found


def focus_month() -> list[Entry]:
    found = []
    for (name, day, category, frequency, service, billed, effective), expected, others in _lines(
        FIXTURES / "may-focus.txt"
    ):
        charge_type, upfront, true_up = expected
        values = {
            "ResourceId": "",
            "ChargeDescription": name,
            "SubAccountId": "000000000042",
            "BillingAccountId": PAYER,
            "BillingCurrency": "USD",
            "ChargePeriodStart": f"2026-05-{day}T23:00:00Z",
            "ChargeCategory": category,
            "ChargeFrequency": frequency,
            "ServiceName": f"Name of {service}",
            "x_ServiceCode": service,
            "BilledCost": billed,
            "EffectiveCost": effective,
            "ProviderName": "AWS",
        }
        figures = (billed, effective, billed, effective, upfront, true_up)
        found.append(Entry(name, values | others, charge_type, tuple(map(Decimal, figures))))
    return found


def _lines(path: Path) -> list[tuple[list[str], list[str], Values]]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    parts = [line.split("|") for line in lines]
    return [(said.split(), expected.split(), _others(rest)) for said, expected, rest in parts]


def _others(text: str) -> Values:
    """Blanks are written as underscores in values."""
    pairs = (item.split("=", 1) for item in text.split())
    return {key: value.replace("_", " ") for key, value in pairs}


def table_of(report_format: ReportFormat) -> ColumnTable:
    return FOCUS_1_2_COLUMNS if report_format.is_focus else CUR_COLUMNS


def columns_of(lines: Sequence[Values], table: ColumnTable) -> list[str]:
    """Required columns and those that some line fills, as in a report whose columns differ from month to month."""
    filled = {name for values in lines for name, value in values.items() if value}
    return [column.name for column in table.columns if column.required or column.name in filled]


def tags_of(values: Mapping[str, str]) -> Values:
    return {key.removeprefix(TAG): value for key, value in values.items() if key.startswith(TAG)}


def tag_keys(lines: Sequence[Values]) -> list[str]:
    return sorted({key for values in lines for key in tags_of(values)})


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    return path


def legacy_csv(path: Path, lines: Sequence[Values]) -> Path:
    columns, tags = columns_of(lines, CUR_COLUMNS), tag_keys(lines)
    header = [CUR_COLUMNS.by_name[name].csv for name in columns] + [f"resourceTags/user:{key}" for key in tags]
    rows = [[v.get(name, "") for name in columns] + [v.get(TAG + key, "") for key in tags] for v in lines]
    return write_csv(path, header, rows)


def export_csv(path: Path, lines: Sequence[Values], table: ColumnTable, *, flat: bool = False) -> Path:
    """CUR 2.0 or FOCUS: tags as JSON text or, flat, as a column each."""
    columns, tags = columns_of(lines, table), tag_keys(lines)
    prefix = "user_" if table is CUR_COLUMNS else ""
    if flat:
        header = [*columns, *(f"{table.tag_map}_{prefix}{key}" for key in tags)]
        rows = [[v.get(name, "") for name in columns] + [v.get(TAG + key, "") for key in tags] for v in lines]
        return write_csv(path, header, rows)
    header = [*columns, table.tag_map]
    rows = [
        [v.get(name, "") for name in columns] + [json.dumps({prefix + k: t for k, t in tags_of(v).items()})]
        for v in lines
    ]
    return write_csv(path, header, rows)


def parquet(
    path: Path, lines: Sequence[Values], table: ColumnTable, *, flat: bool = False, money: pa.DataType | None = None
) -> Path:
    """Tags as a map or, flat, as a column each; money as DOUBLE unless another type is given."""
    columns: dict[str, pa.Array[Any]] = {}
    for name in columns_of(lines, table):
        columns[name] = _array([values.get(name) or None for values in lines], table.by_name[name.lower()].kind, money)
    prefix = "user_" if table is CUR_COLUMNS else ""
    if flat:
        for key in tag_keys(lines):
            values = pa.array([v.get(TAG + key) for v in lines], pa.string())
            columns[f"{table.tag_map}_{prefix}{key}".lower()] = values
    else:
        maps = [[(prefix + key, value) for key, value in tags_of(v).items()] for v in lines]
        columns[table.tag_map] = pa.array(maps, pa.map_(pa.string(), pa.string()))
        columns["product"] = pa.array([[("region", "eu-west-1")]] * len(lines), pa.map_(pa.string(), pa.string()))
        columns["discount"] = pa.array([[("edp_discount", 0.1)]] * len(lines), pa.map_(pa.string(), pa.float64()))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def _array(values: Sequence[str | None], kind: Kind, money: pa.DataType | None) -> pa.Array[Any]:
    if kind is Kind.MONEY:
        if money is None or money == pa.float64():
            return pa.array([None if v is None else float(v) for v in values], pa.float64())
        if money == pa.string():
            return pa.array(values, money)
        return pa.array([None if v is None else Decimal(v) for v in values], money)
    if kind is Kind.TIME:
        times = [None if v is None else datetime.fromisoformat(v).astimezone(UTC) for v in values]
        return pa.array([None if t is None else t.replace(tzinfo=None) for t in times], pa.timestamp("ms"))
    return pa.array(values, pa.string())
