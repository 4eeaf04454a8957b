"""Manifests of Data Exports, and where every layout of AWS has its manifests and parts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_columns_focus import FOCUS_1_0_COLUMNS, FOCUS_1_2_COLUMNS
from activities.cost_manifest import (
    Address,
    Manifest,
    current_manifests,
    folder_period,
    is_pointer,
    parse_manifest,
    part_address,
)
from domain.calendar import Month
from domain.errors import DamagedReport
from domain.report_format import ReportFormat
from tests.support.cost_reports import MadeReport

OVERWRITTEN = Address("s3://replica/x/e/metadata/BILLING_PERIOD=2026-05/e-Manifest.json")
ID = "0d1e5f2a-1111-4222-8333-444455556666"
EXECUTION = f"20260601T031500Z-{ID}"
KEPT = Address(f"s3://replica/x/e/metadata/BILLING_PERIOD=2026-05/{EXECUTION}/e-Manifest.json")
CUR_2 = [column.name for column in CUR_COLUMNS.required]
FOCUS_1_0 = [column.name for column in FOCUS_1_0_COLUMNS.required]
FOCUS_1_2 = [column.name for column in FOCUS_1_2_COLUMNS.columns]


def export(address: Address = OVERWRITTEN, columns: list[str] = CUR_2, **changes: Any) -> Manifest:
    fields = {
        "executionId": ID,
        "exportArn": f"arn:aws:bcm-data-exports:us-east-1:999999999999:export/e-{ID}",
        "exportName": "e",
        "billingPeriod": {"start": "2026-05-01T00:00:00.000Z", "end": "2026-06-01T00:00:00.000Z"},
        "columns": [{"name": name, "type": "string"} for name in columns],
        "dataFiles": ["s3://written-to/p/e/data/BILLING_PERIOD=2026-05/e-00001.snappy.parquet"],
    } | changes
    kept = {name: value for name, value in fields.items() if value is not None}
    return parse_manifest(json.dumps(kept).encode(), address)


def test_a_manifest_of_an_export_says_name_period_execution_payer_and_keys_without_their_bucket() -> None:
    manifest = export()
    assert (manifest.report.source, manifest.report.version) == ("e", ID)
    assert (manifest.report.billing_period, manifest.report.payer_account_id) == (Month(2026, 5), "999999999999")
    assert (manifest.format, manifest.content) == (ReportFormat.CUR_2, "parquet")
    assert manifest.keys == ("p/e/data/BILLING_PERIOD=2026-05/e-00001.snappy.parquet",)
    assert set(manifest.columns) == set(CUR_2)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (CUR_2, ReportFormat.CUR_2),
        ([name.upper() for name in CUR_2], ReportFormat.CUR_2),
        ([*CUR_2, "product", "resource_tags", "discount"], ReportFormat.CUR_2),
        (FOCUS_1_0, ReportFormat.FOCUS_1_0),
        ([name.upper() for name in FOCUS_1_0], ReportFormat.FOCUS_1_0),
        (FOCUS_1_2, ReportFormat.FOCUS_1_2),
        ([*FOCUS_1_0, "SubAccountType"], ReportFormat.FOCUS_1_2),
    ],
)
def test_which_table_was_exported_is_told_by_the_columns(columns: list[str], expected: ReportFormat) -> None:
    assert export(columns=columns).format is expected


@pytest.mark.parametrize("spelled", ["lineItem/UsageAccountId", "line_item/usage_account_id"])
@pytest.mark.parametrize("content", ["Parquet", "application/x-parquet"])
def test_a_legacy_manifest_of_parquet_parts(spelled: str, content: str) -> None:
    made = MadeReport()
    columns = [dict(zip(("category", "name"), name.split("/"), strict=True)) for name in made.columns]
    if "_" in spelled:
        columns = [
            {"category": category, "name": name.removeprefix(f"{category}_")}
            for name in (column.name for column in CUR_COLUMNS.required)
            for category in [next(each for each in ("line_item", "bill") if name.startswith(each))]
        ]
    fields = made.fields() | {
        "columns": columns,
        "contentType": content,
        "compression": "Parquet",
        "reportKeys": ["cur/made/made/year=2026/month=5/made-00001.snappy.parquet"],
    }
    manifest = parse_manifest(json.dumps(fields).encode(), Address("/r/made/made/year=2026/month=5/made-Manifest.json"))
    assert (manifest.format, manifest.content) == (ReportFormat.CUR, "parquet")


def test_name_and_period_come_from_the_arn_and_the_folder_where_the_manifest_does_not_say_them() -> None:
    report = export(exportName=None, billingPeriod=None).report
    assert (report.source, report.billing_period) == ("e", Month(2026, 5))
    assert export(billingPeriod="2026-05").report.billing_period == Month(2026, 5)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"executionId": None}, "it has no executionId"),
        ({"exportArn": None}, "it has no exportArn"),
        ({"exportArn": "arn:aws:s3:::b"}, "exportArn is 'arn:aws:s3:::b', which is not the ARN of an export"),
        ({"dataFiles": []}, "it has no dataFiles"),
        ({"dataFiles": ["p/e/data/1.parquet"]}, "dataFiles has 'p/e/data/1.parquet', which is not s3://bucket/key"),
        ({"dataFiles": ["s3://b/e/../1.parquet"]}, "dataFiles has 'e/../1.parquet', which is not the key of a file"),
        ({"dataFiles": ["s3://b/a.parquet", "s3://c/a.parquet"]}, "dataFiles names a part twice, whose cost would"),
        ({"dataFiles": ["s3://b/a.parquet", "s3://b/a.csv.gz"]}, "its parts are CSV and Parquet, and must be the same"),
        ({"dataFiles": ["s3://b/a.csv"]}, "it names 'a.csv', and only .csv.gz and .parquet can be read"),
        ({"reportKeys": ["a"]}, "it has reportKeys, as legacy reports have, and dataFiles, as exports have"),
        (
            {"billingPeriod": {"start": "2026-06-01T00:00:00.000Z"}},
            "it is of 2026-06, and its folder is that of 2026-05",
        ),
        ({"billingPeriod": "soon"}, "billingPeriod.start is 'soon', which is not the first of a month"),
        ({"columns": ["line_item_usage_account_id"]}, "there is no column line_item_product_code"),
        ({"columns": FOCUS_1_0[:-1]}, "there is no column ServiceName"),
        ({"columns": [*CUR_2, *FOCUS_1_0]}, "the columns of a Cost and Usage Report and of FOCUS"),
        ({"columns": [*CUR_2, CUR_2[0].upper()]}, "there are 2 columns line_item_usage_account_id"),
    ],
)
def test_a_manifest_of_an_export_that_cannot_be_used_says_why(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DamagedReport) as caught:
        export(**changes)
    assert caught.value.message.startswith(f"The manifest {OVERWRITTEN} cannot be used: ")
    assert complaint in caught.value.message
    assert caught.value.code == "BadManifest"


def test_a_legacy_manifest_with_the_columns_of_focus_is_not_believed() -> None:
    fields = MadeReport().fields() | {"columns": [{"name": name} for name in FOCUS_1_0]}
    with pytest.raises(DamagedReport, match="it is the manifest of a legacy report and has the columns of FOCUS"):
        parse_manifest(json.dumps(fields).encode(), Address("/r/20260501-20260601/r-Manifest.json"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (OVERWRITTEN, True),
        (KEPT, True),
        ("/e/metadata/billing_period=2026-05/e-Manifest.json", True),
        ("metadata/BILLING_PERIOD=2026-05/e-Manifest.json", True),
        ("/e/metadata/BILLING_PERIOD=2026-05/e-Metadata.json", False),
        ("/e/metadata/BILLING_PERIOD=2026-05/a/b/e-Manifest.json", False),
        ("/e/data/BILLING_PERIOD=2026-05/e-Manifest.json", False),
        ("/e/metadata/e-Manifest.json", False),
    ],
)
def test_manifests_of_exports_are_told_by_their_folders(address: str, expected: bool) -> None:
    assert is_pointer(address) is expected


def test_the_newest_execution_of_each_period_and_export_is_the_current_one() -> None:
    def at(export: str, period: str, execution: str) -> Address:
        return Address(f"s3://b/{export}/metadata/BILLING_PERIOD={period}/{execution}{export}-Manifest.json")

    older, newest = f"2026-06-01T03:15:00.000Z-{'f' + ID[1:]}/", f"2026-06-02T03:15:00.000Z-{ID}/"
    addresses = [
        at("e", "2026-05", older),
        at("e", "2026-05", newest),
        at("e", "2026-05", f"{ID}/"),  # without a time
        at("e", "2026-05", ""),  # from before executions were kept
        at("e", "2026-06", older),
        at("other", "2026-05", older),
        at("same", "2026-05", f"20260601T000000Z-{ID}/"),
        at("same", "2026-05", f"20260601T000000Z-{ID[:-1]}7/"),  # at the same time: the greater id
        Address("s3://b/cur/r/20260501-20260601/r-Manifest.json"),
    ]
    expected = sorted(addresses[place] for place in (1, 4, 5, 7, 8))
    assert current_manifests(addresses) == current_manifests(addresses[::-1]) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (OVERWRITTEN, Month(2026, 5)),
        (KEPT, Month(2026, 5)),
        ("/r/r/year=2026/month=5/r-Manifest.json", Month(2026, 5)),
        ("/r/20260501-20260601/r-Manifest.json", Month(2026, 5)),
        ("/e/metadata/BILLING_PERIOD=2026-13/e-Manifest.json", None),
        ("/e/e-Manifest.json", None),
    ],
)
def test_the_period_that_a_folder_is_named_after(address: str, expected: Month | None) -> None:
    assert folder_period(address) == expected


@pytest.mark.parametrize(
    ("manifest", "key", "expected"),
    [
        (
            OVERWRITTEN,
            "p/e/data/BILLING_PERIOD=2026-05/1.parquet",
            "s3://replica/x/e/data/BILLING_PERIOD=2026-05/1.parquet",
        ),
        (
            KEPT,
            f"p/e/data/BILLING_PERIOD=2026-05/{EXECUTION}/1.parquet",
            f"s3://replica/x/e/data/BILLING_PERIOD=2026-05/{EXECUTION}/1.parquet",
        ),
        (
            "/local/metadata/billing_period=2026-05/e-Manifest.json",
            "e/data/BILLING_PERIOD=2026-05/1.parquet",
            "/local/data/BILLING_PERIOD=2026-05/1.parquet",
        ),
        (
            "metadata/BILLING_PERIOD=2026-05/e-Manifest.json",
            "data/BILLING_PERIOD=2026-05/1.parquet",
            "data/BILLING_PERIOD=2026-05/1.parquet",
        ),
        ("/d/r/year=2026/month=5/m.json", "cur/r/r/year=2026/month=5/1.parquet", "/d/r/year=2026/month=5/1.parquet"),
    ],
)
def test_parts_are_found_beside_their_manifest(manifest: str, key: str, expected: str) -> None:
    assert part_address(Address(manifest), key) == expected


@pytest.mark.parametrize(
    ("manifest", "key"),
    [
        (OVERWRITTEN, "p/e/data/BILLING_PERIOD=2026-06/1.parquet"),
        (OVERWRITTEN, "p/e/metadata/BILLING_PERIOD=2026-05/1.parquet"),
        (OVERWRITTEN, "p/e/data/BILLING_PERIOD=2026-05"),
        (KEPT, "p/e/data/BILLING_PERIOD=2026-05/1.parquet"),
        (KEPT, f"p/e/data/BILLING_PERIOD=2026-05/20260601T000000Z-{ID}/1.parquet"),
        ("/d/r/year=2026/month=5/m.json", "cur/r/r/year=2025/month=5/1.parquet"),
    ],
)
def test_a_part_of_another_period_or_execution_is_not_looked_for(manifest: str, key: str) -> None:
    with pytest.raises(DamagedReport, match="which is not in its own folder"):
        part_address(Address(manifest), key)
