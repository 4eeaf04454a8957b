"""Files that cannot be imported, of every kind: the message names the part and, of a line, its id, column and value."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from activities.cost_columns import ColumnTable
from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_columns_focus import FOCUS_1_2_COLUMNS
from activities.cost_lines import Part, explain, lines_sql
from activities.cost_readers import SAFE_SETTINGS
from domain.errors import DamagedReport
from domain.report_format import ReportFormat
from tests.support.cost_months import Values, cur_month, export_csv, focus_month, legacy_csv, parquet

CUR, CUR_2, FOCUS_1_0, FOCUS_1_2 = ReportFormat
UNTOUCHED = ". Nothing was imported, and what was there is untouched."
IN_CSV: dict[ReportFormat, Callable[[Path, Sequence[Values]], Path]] = {
    CUR: legacy_csv,
    CUR_2: partial(export_csv, table=CUR_COLUMNS),
    FOCUS_1_2: partial(export_csv, table=FOCUS_1_2_COLUMNS),
}


def damage(path: Path, report_format: ReportFormat) -> str:
    """What is said of a part, which must be bad in some line or not be readable."""
    with pytest.raises(DamagedReport) as caught:
        read([Part(path.name, path)], report_format)
    assert caught.value.message.endswith(UNTOUCHED)
    return caught.value.message.removesuffix(UNTOUCHED)


def read(parts: Sequence[Part], report_format: ReportFormat) -> None:
    """As an import does: whatever the engine says is explained."""
    with duckdb.connect(config=dict(SAFE_SETTINGS)) as connection:
        lines = lines_sql(parts, report_format, parallel=True)
        try:
            found = connection.execute(f"SELECT count(*) FILTER (is_bad) FROM ({lines})").fetchone()
            assert found != (0,)
        except duckdb.Error:
            pass
        explain(connection, parts, report_format, parallel=True)


def sound(report_format: ReportFormat) -> list[Values]:
    return [entry.values for entry in (focus_month() if report_format.is_focus else cur_month())]


@pytest.mark.parametrize(
    ("report_format", "column", "shown", "value", "complaint"),
    [
        (CUR, "line_item_unblended_cost", "lineItem/UnblendedCost", "1,5", "is not a number"),
        (CUR, "line_item_net_unblended_cost", "lineItem/NetUnblendedCost", "free", "is not a number"),
        (CUR, "savings_plan_used_commitment", "savingsPlan/UsedCommitment", "NaN", "is not a number"),
        (CUR, "reservation_effective_cost", "reservation/EffectiveCost", "1e26", "has more than 26 digits before the"),
        (CUR, "bill_invoice_id", "bill/InvoiceId", "a\x07b", "is not a text of at most 200 printable characters"),
        (CUR, "bill_billing_entity", "bill/BillingEntity", "x" * 201, "is not a text of at most 200 printable"),
        (CUR, "line_item_resource_id", "lineItem/ResourceId", "x" * 2049, "is not a text of at most 2,048 characters"),
        (CUR_2, "line_item_unblended_cost", "line_item_unblended_cost", "", "is not a number"),
        (CUR_2, "line_item_usage_start_date", "line_item_usage_start_date", "soon", "is not a time in UTC, such as"),
        (CUR_2, "bill_payer_account_id", "bill_payer_account_id", "123", "is not an account id of 12 digits"),
        (FOCUS_1_2, "BilledCost", "BilledCost", "ten", "is not a number"),
        (FOCUS_1_2, "EffectiveCost", "EffectiveCost", "", "is not a number"),
        (FOCUS_1_2, "SubAccountId", "SubAccountId", "51738928782", "is not an account id of 12 digits"),
        (FOCUS_1_2, "BillingCurrency", "BillingCurrency", "usd", "is not a currency code such as USD"),
        (FOCUS_1_2, "ChargePeriodStart", "ChargePeriodStart", "2026-05-01T00:00:00+02:00", "is not a time in UTC"),
        (FOCUS_1_2, "ChargeCategory", "ChargeCategory", "x" * 101, "is not a text of at most 100 printable"),
    ],
)
def test_a_bad_value_in_csv_is_named(
    report_format: ReportFormat, column: str, shown: str, value: str, complaint: str, tmp_path: Path
) -> None:
    lines = sound(report_format)
    lines[7] = lines[7] | {
        column: value,
        "identity_line_item_id": "bad-one",
        "ResourceId": lines[7].get("ResourceId", ""),
    }
    if report_format.is_focus:
        lines[7]["ResourceId"] = "bad-one"
    path = IN_CSV[report_format](tmp_path / "part.csv.gz", lines)
    message = damage(path, report_format)
    assert message.startswith(f"The part part.csv.gz cannot be imported: {shown} of line item 'bad-one")
    excerpt = value if len(value) <= 120 else value[:120] + "…"
    assert f" is {excerpt!r}, which {complaint}" in message


def spoilt(path: Path, column: str, values: pa.Array[Any], table: ColumnTable = CUR_COLUMNS) -> Path:
    """The month in Parquet with other values in a column."""
    lines = [entry.values for entry in (focus_month() if table is FOCUS_1_2_COLUMNS else cur_month())]
    whole = pq.read_table(parquet(path, lines, table))
    filled = pa.concat_arrays([values, pa.repeat(values[0], whole.num_rows - len(values))])
    pq.write_table(whole.set_column(whole.schema.get_field_index(column), column, filled), path)
    return path


@pytest.mark.parametrize(
    ("column", "values", "shown", "complaint"),
    [
        ("line_item_unblended_cost", [1.0, float("nan")], "nan", "is not a number"),
        ("line_item_unblended_cost", [1.0, float("inf")], "inf", "is not a number"),
        ("line_item_unblended_cost", [1.0, float("-inf")], "-inf", "is not a number"),
        ("line_item_unblended_cost", [1.0, None], "", "is not a number"),
        ("line_item_net_unblended_cost", [1.0, float("nan")], "nan", "is not a number"),
        ("line_item_unblended_cost", [1.0, 1e26], "1e+26", "has more than 26 digits before the point"),
        ("line_item_usage_account_id", ["000000000042", "42"], "42", "is not an account id of 12 digits"),
        ("line_item_usage_account_id", ["000000000042", None], "", "is not an account id of 12 digits"),
        ("line_item_currency_code", ["USD", "$"], "$", "is not a currency code such as USD"),
    ],
)
def test_a_bad_value_in_parquet_is_named(
    column: str, values: list[Any], shown: str, complaint: str, tmp_path: Path
) -> None:
    path = spoilt(tmp_path / "part.parquet", column, pa.array(values))
    assert damage(path, CUR_2) == (
        f"The part part.parquet cannot be imported: {column} of line item 'tiny' is {shown!r}, which {complaint}"
    )


def test_a_decimal_with_too_many_digits_is_named(tmp_path: Path) -> None:
    values = pa.array([Decimal(1), Decimal(10) ** 30], pa.decimal128(38, 2))
    path = spoilt(tmp_path / "p.parquet", "line_item_unblended_cost", values)
    assert "has more than 26 digits before the point" in damage(path, CUR_2)


@pytest.mark.parametrize(
    ("column", "values", "complaint"),
    [
        ("line_item_usage_account_id", pa.array([42]), "its column line_item_usage_account_id is BIGINT, and not text"),
        ("line_item_unblended_cost", pa.array([True]), "its column line_item_unblended_cost is BOOLEAN, and not money"),
        ("line_item_usage_start_date", pa.array([1]), "its column line_item_usage_start_date is BIGINT, and not time"),
        ("resource_tags", pa.array([1]), "its column resource_tags is BIGINT, and not tags"),
    ],
)
def test_a_column_of_a_type_that_is_of_no_use(column: str, values: Any, complaint: str, tmp_path: Path) -> None:
    path = spoilt(tmp_path / "part.parquet", column, values)
    assert damage(path, CUR_2) == f"The part part.parquet cannot be imported: {complaint}"


@pytest.mark.parametrize(
    "type_", [pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ms", tz="UTC"), pa.timestamp("us", tz="+02:00")]
)
def test_times_of_every_kind_are_taken_as_utc(type_: pa.TimestampType[Any, Any], tmp_path: Path) -> None:
    values = pa.array([datetime(2026, 5, 31, 23, tzinfo=UTC if type_.tz else None)], type_)
    path = spoilt(tmp_path / "part.parquet", "line_item_usage_start_date", values)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        query = f"SELECT DISTINCT CAST(day AS VARCHAR) FROM ({lines_sql([Part('p', path)], CUR_2, parallel=True)})"
        assert connection.execute(query).fetchall() == [("2026-05-31",)]


@pytest.mark.parametrize("table", [CUR_COLUMNS, FOCUS_1_2_COLUMNS])
def test_every_required_column_is_missed_by_name(table: ColumnTable, tmp_path: Path) -> None:
    report_format = FOCUS_1_2 if table is FOCUS_1_2_COLUMNS else CUR_2
    whole = pq.read_table(parquet(tmp_path / "part.parquet", sound(report_format), table))
    for column in table.required:
        pq.write_table(whole.drop_columns([column.name]), tmp_path / "part.parquet")
        message = damage(tmp_path / "part.parquet", report_format)
        assert message == f"The part part.parquet cannot be imported: there is no column {column.name}"


def test_files_that_are_of_another_kind_than_their_manifest_says(tmp_path: Path) -> None:
    cur = parquet(tmp_path / "cur.parquet", sound(CUR_2), CUR_COLUMNS)
    focus = parquet(tmp_path / "focus.parquet", sound(FOCUS_1_2), FOCUS_1_2_COLUMNS)
    said = "The part {} cannot be imported: it has the columns of {}, and its manifest is one of {}"
    assert damage(focus, CUR_2) == said.format("focus.parquet", "FOCUS", "CUR 2.0")
    assert damage(cur, FOCUS_1_0) == said.format("cur.parquet", "a Cost and Usage Report", "FOCUS 1.0")


def test_a_truncated_or_altered_parquet_file(tmp_path: Path) -> None:
    path = parquet(tmp_path / "part.parquet", sound(CUR_2), CUR_COLUMNS)
    content = path.read_bytes()
    told = "The part part.parquet cannot be read: it is truncated, or its Parquet is damaged"
    for size in (5, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        assert damage(path, CUR_2) == told
    path.write_bytes(b"PK" + content)
    assert damage(path, CUR_2) == "The part part.parquet is not Parquet: it does not begin like that"
    path.write_bytes(b"")
    assert damage(path, CUR_2) == "The part part.parquet is not Parquet: it does not begin like that"


def test_pages_of_parquet_that_were_altered_are_told_of_their_part(tmp_path: Path) -> None:
    path = parquet(tmp_path / "part.parquet", sound(CUR_2), CUR_COLUMNS)
    content = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(0).column(0).dictionary_page_offset
    assert start is not None
    content[start : start + 60] = b"\xff" * 60
    path.write_bytes(bytes(content))
    assert damage(path, CUR_2) == "The part part.parquet cannot be read: it is truncated, or its Parquet is damaged"


def test_a_csv_file_that_was_unpacked_is_read_like_one_that_was_not(tmp_path: Path) -> None:
    packed = legacy_csv(tmp_path / "part.csv.gz", sound(CUR))
    unpacked = tmp_path / "part.csv"
    unpacked.write_bytes(gzip.decompress(packed.read_bytes()))
    with duckdb.connect() as connection:
        query = "SELECT * FROM ({}) ORDER BY line_item"
        one, other = (
            connection.execute(query.format(lines_sql([Part("p", path)], CUR, parallel=True))).fetchall()
            for path in (packed, unpacked)
        )
    assert one == other


def test_what_parquet_says_of_the_range_of_its_values_is_not_believed(tmp_path: Path) -> None:
    """Without our settings a NaN among ones, which writers leave out of the range, is one: all are below two."""
    path = spoilt(tmp_path / "part.parquet", "line_item_unblended_cost", pa.array([1.0, float("nan")]))
    query = f"SELECT DISTINCT line_item_unblended_cost < 2 AS low FROM read_parquet('{path}') ORDER BY low"
    found = []
    for config in ({}, SAFE_SETTINGS):
        with duckdb.connect(config=dict(config)) as connection:
            found.append(connection.execute(query).fetchall())
    assert found == [[(True,)], [(False,), (True,)]]
