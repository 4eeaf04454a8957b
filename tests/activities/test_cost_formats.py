"""The same month in every format that AWS delivers, against figures worked out by hand (cost_fixtures)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_columns_focus import FOCUS_1_2_COLUMNS
from activities.cost_lines import Part, lines_sql
from activities.cost_readers import SAFE_SETTINGS
from domain.charge_type import CHARGE_TYPES
from domain.money import total
from domain.report_format import ReportFormat
from tests.support.cost_months import (
    FIGURES,
    Values,
    cur_month,
    export_csv,
    focus_month,
    legacy_csv,
    parquet,
)

CUR, CUR_2, FOCUS_1_0, FOCUS_1_2 = ReportFormat
Write = Callable[[Path, Sequence[Values]], Path]

CUR_FILES: dict[str, tuple[ReportFormat, str, Write]] = {
    "legacy CSV": (CUR, "csv.gz", legacy_csv),
    "legacy Parquet": (CUR, "parquet", partial(parquet, table=CUR_COLUMNS, flat=True)),
    "CUR 2.0 CSV, maps": (CUR_2, "csv.gz", partial(export_csv, table=CUR_COLUMNS)),
    "CUR 2.0 CSV, flat": (CUR_2, "csv.gz", partial(export_csv, table=CUR_COLUMNS, flat=True)),
    "CUR 2.0 Parquet, maps": (CUR_2, "parquet", partial(parquet, table=CUR_COLUMNS)),
    "CUR 2.0 Parquet, flat": (CUR_2, "parquet", partial(parquet, table=CUR_COLUMNS, flat=True)),
    "CUR 2.0 Parquet, decimals": (CUR_2, "parquet", partial(parquet, table=CUR_COLUMNS, money=pa.decimal128(30, 14))),
    "CUR 2.0 Parquet, texts": (CUR_2, "parquet", partial(parquet, table=CUR_COLUMNS, money=pa.string())),
}
FOCUS_FILES: dict[str, tuple[ReportFormat, str, Write]] = {
    "FOCUS 1.0 CSV": (FOCUS_1_0, "csv.gz", partial(export_csv, table=FOCUS_1_2_COLUMNS)),
    "FOCUS 1.0 Parquet": (FOCUS_1_0, "parquet", partial(parquet, table=FOCUS_1_2_COLUMNS)),
    "FOCUS 1.2 CSV": (FOCUS_1_2, "csv.gz", partial(export_csv, table=FOCUS_1_2_COLUMNS)),
    "FOCUS 1.2 Parquet": (FOCUS_1_2, "parquet", partial(parquet, table=FOCUS_1_2_COLUMNS)),
}
FILES = CUR_FILES | FOCUS_FILES

# Added up by hand over may-cur.txt, the pod left out, which repeats what i-1 costs.
UNBLENDED = NET_UNBLENDED = Decimal("702.29000001629")
AMORTIZED = Decimal("119.99000001629")
UPFRONT, TRUE_UP = Decimal("584.00"), Decimal("-1.70")
NET_AMORTIZED = Decimal("178.22000001629")
CHARGED = {  # unblended, by charge type
    "Usage": "10.0000000181",
    "SavingsPlanCoveredUsage": "4",
    "SavingsPlanNegation": "-4",
    "SavingsPlanRecurringFee": "1.50",
    "SavingsPlanUpfrontFee": "365",
    "DiscountedUsage": "0",
    "RIFee": "0.30",
    "Fee": "267.50",  # 255.50 for the reservation, 12 for a domain
    "FlatRateSubscription": "20",
    "Support": "100",
    "Marketplace": "30",
    "Tax": "4.20",
    "Credit": "-5",
    "Refund": "-38.50",  # 36.50 of the savings plan
    "BundledDiscount": "-0.50",
    "Discount": "-0.25",
    "RiVolumeDiscount": "-0.10",
    "SppDiscount": "-0.05",
    "EdpDiscount": "-59.08",
    "PrivateRateDiscount": "-0.50000000181",
    "unclassified": "7.77",
}


def canonical(parts: Sequence[Path], report_format: ReportFormat, threads: int = 2) -> list[dict[str, Any]]:
    files = [Part(path.name, path) for path in parts]
    with duckdb.connect(config={"threads": threads, "preserve_insertion_order": False, **SAFE_SETTINGS}) as connection:
        found = connection.execute(lines_sql(files, report_format, parallel=True))
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def written(kind: str, folder: Path, lines: Sequence[Values] | None = None) -> list[dict[str, Any]]:
    report_format, suffix, write = FILES[kind]
    if lines is None:
        lines = [entry.values for entry in (focus_month() if report_format.is_focus else cur_month())]
    return canonical([write(folder / f"part.{suffix}", lines)], report_format)


def added_up(lines: Sequence[dict[str, Any]], figure: str) -> Decimal:
    return total([line[figure] for line in lines if not line["is_split"]])


@pytest.mark.parametrize("kind", CUR_FILES)
def test_each_line_of_a_cost_and_usage_report_comes_to_what_was_worked_out_by_hand(kind: str, tmp_path: Path) -> None:
    lines = {line["line_item"]: line for line in written(kind, tmp_path)}
    expected = {entry.name: entry for entry in cur_month()}
    assert lines.keys() == expected.keys()
    for name, entry in expected.items():
        assert (name, lines[name]["charge_type"]) == (name, entry.charge_type)
        found = tuple(lines[name][figure] for figure in FIGURES)
        assert (name, found) == (name, entry.figures)
        assert lines[name]["day"] == date.fromisoformat(entry.values["line_item_usage_start_date"][:10])
    assert not any(line["is_bad"] for line in lines.values())


@pytest.mark.parametrize("kind", CUR_FILES)
def test_a_months_totals_are_the_same_in_every_kind_of_cost_and_usage_report(kind: str, tmp_path: Path) -> None:
    lines = written(kind, tmp_path)
    totals = [added_up(lines, figure) for figure in FIGURES]
    assert totals == [UNBLENDED, AMORTIZED, NET_UNBLENDED, NET_AMORTIZED, UPFRONT, TRUE_UP]
    assert AMORTIZED + UPFRONT + TRUE_UP == UNBLENDED
    by_type = {
        charge_type: added_up([line for line in lines if line["charge_type"] == charge_type], "unblended")
        for charge_type in {line["charge_type"] for line in lines}
    }
    assert by_type == {charge_type: Decimal(amount) for charge_type, amount in CHARGED.items()}


@pytest.mark.parametrize("kind", FOCUS_FILES)
def test_each_line_of_focus_comes_to_what_was_worked_out_by_hand(kind: str, tmp_path: Path) -> None:
    def key(line: dict[str, Any]) -> tuple[Any, ...]:
        return line["service"], line["charge_type"], line["day"].day, *(line[figure] for figure in FIGURES)

    expected = Counter(
        (e.values["x_ServiceCode"], e.charge_type, int(e.values["ChargePeriodStart"][8:10]), *e.figures)
        for e in focus_month()
    )
    lines = written(kind, tmp_path)
    assert Counter(map(key, lines)) == expected
    assert not any(line["is_bad"] or line["is_split"] for line in lines)


@pytest.mark.parametrize("kind", FOCUS_FILES)
def test_focus_agrees_with_the_same_months_cost_and_usage_report_after_discounts(kind: str, tmp_path: Path) -> None:
    focus, cur = written(kind, tmp_path / "focus"), written("legacy CSV", tmp_path / "cur")
    assert added_up(focus, "unblended") == added_up(cur, "net_unblended") == NET_UNBLENDED
    assert added_up(focus, "amortized") == added_up(cur, "net_amortized") == NET_AMORTIZED
    # The savings plan's 328.50 - 32.85 and the reservation's 229.95; 0.90 and 0.63 of them are used up in the month.
    assert (added_up(focus, "upfront"), added_up(focus, "true_up")) == (Decimal("525.60"), Decimal("-1.53"))
    for day in range(1, 32):  # and day by day
        of_day = [[line for line in lines if line["day"].day == day] for lines in (focus, cur)]
        assert added_up(of_day[0], "unblended") == added_up(of_day[1], "net_unblended")


@pytest.mark.parametrize("kind", FILES)
def test_who_pays_for_what_is_the_same_in_every_format(kind: str, tmp_path: Path) -> None:
    lines = written(kind, tmp_path)
    assert {(line["account"], line["payer"], line["currency"]) for line in lines} == {
        ("000000000042", "999999999999", "USD")
    }
    (usage,) = [line for line in lines if line["resource_id"] == "i-1"]
    assert (usage["usage_type"], usage["operation"]) == ("BoxUsage:m5.large", "RunInstances")
    # Names of columns in Parquet are in lower case, so that the tag's own case is lost where it is a column.
    name = "name" if "flat" in kind or kind == "legacy Parquet" else "Name"
    tags = {key.lower() if name == "name" else key: value for key, value in json.loads(usage["tags"]).items()}
    assert tags == {name: "Shop", "team": "web"}
    assert {line["tags"] for line in lines if line["resource_id"] != "i-1"} == {""}
    invoiced = kind != "FOCUS 1.0 CSV" and kind != "FOCUS 1.0 Parquet"  # which have no column for it
    assert (usage["has_invoice"], usage["invoice_id"]) == (invoiced, "1234" if invoiced else "")
    entities = {line["billing_entity"] for line in lines if line["charge_type"] == "Marketplace"}
    assert entities == {"AWS Marketplace"}


@pytest.mark.parametrize("kind", CUR_FILES)
def test_the_kind_of_bill_and_the_principal_are_told(kind: str, tmp_path: Path) -> None:
    lines = {line["line_item"]: line for line in written(kind, tmp_path)}
    assert {lines[name]["bill_type"] for name in ("usage", "tax")} == {"Anniversary"}
    assert (lines["sp-upfront"]["bill_type"], lines["refund"]["bill_type"]) == ("Purchase", "Refund")
    assert lines["tiny"]["principal"] == "arn:aws:iam::000000000042:role/batch"


def test_the_fixture_has_every_line_item_type_and_the_month_every_charge_type_of_a_report() -> None:
    found = {entry.charge_type for entry in [*cur_month(), *focus_month()]}
    assert found == set(CHARGE_TYPES)


@pytest.mark.parametrize("kind", FILES)
def test_a_month_without_lines(kind: str, tmp_path: Path) -> None:
    report_format, suffix, write = FILES[kind]
    entries = focus_month() if report_format.is_focus else cur_month()
    path = write(tmp_path / f"part.{suffix}", [entries[0].values])
    if suffix == "parquet":
        import pyarrow.parquet as pq

        pq.write_table(pq.read_table(path).slice(0, 0), path)
    else:
        import gzip

        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).splitlines(keepends=True)[0]))
    assert canonical([path], report_format) == []
