from __future__ import annotations

import json
from typing import Any

import pytest

from activities.cost_manifest import (
    COLUMNS_MAX,
    MANIFEST_BYTES_MAX,
    NAME_CHARS_MAX,
    PARTS_MAX,
    Address,
    is_pointer,
    parse_manifest,
    part_address,
)
from domain.calendar import Month
from domain.errors import DamagedReport
from tests.support.cost_reports import COLUMNS, MadeReport

ADDRESS = Address("s3://replica/cur/made/20260501-20260601/made-Manifest.json")
UNTOUCHED = ". Nothing was imported, and what was there is untouched."


def parse(**changes: Any) -> Any:
    return parse_manifest(json.dumps(MadeReport(manifest=changes).fields()).encode(), ADDRESS)


def test_a_manifest_says_report_period_version_payer_and_parts() -> None:
    manifest = parse()
    assert manifest.report.source == "made"
    assert manifest.report.billing_period == Month(2026, 5)
    assert manifest.report.version == "assembly-1"
    assert manifest.report.payer_account_id == "999999999999"
    assert manifest.keys == ("cur/made/20260501-20260601/assembly-1/made-00001.csv.gz",)
    assert len(manifest.content_hash) == 64


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"assemblyId": None}, "it has no assemblyId"),
        ({"assemblyId": " "}, "it has no assemblyId"),
        ({"assemblyId": "a\nb"}, f"assemblyId is 'a\\nb': more than {NAME_CHARS_MAX} characters, or unprintable ones"),
        ({"account": "12"}, "account is '12', which is not an account id of 12 digits"),
        ({"reportName": None}, "it has no reportName"),
        ({"billingPeriod": None}, "it has no start"),
        ({"billingPeriod": "May"}, "it has no start"),
        (
            {"billingPeriod": {"start": "20260502T000000.000Z"}},
            "billingPeriod.start is '20260502T000000.000Z', which is not the first of a month",
        ),
        (
            {"billingPeriod": {"start": "20261301T000000.000Z"}},
            "billingPeriod.start is '20261301T000000.000Z', which is not a month",
        ),
        ({"compression": "ZIP"}, "compression is 'ZIP', and parts of csv.gz have gzip"),
        (
            {"contentType": "application/x-parquet"},
            "contentType is 'application/x-parquet', and parts of csv.gz have text/csv",
        ),
        ({"charset": "latin-1"}, "charset is 'latin-1', and only UTF-8 can be read"),
        ({"columns": []}, "it has no columns"),
        ({"columns": ["lineItem/UnblendedCost"]}, "columns are not objects with category and name"),
        (
            {"columns": [{"category": "lineItem", "name": "UnblendedCost"}]},
            "there is no column lineItem/UsageAccountId",
        ),
        (
            {"columns": [{"category": "a", "name": "b"}] * (COLUMNS_MAX + 1)},
            "it has 20,001 columns, and at most 20,000 are read",
        ),
        ({"reportKeys": []}, "it has no reportKeys"),
        ({"reportKeys": None}, "it has no reportKeys"),
        ({"reportKeys": [1]}, "reportKeys has '1', which is not the key of a file"),
        ({"reportKeys": ["a/../../etc/passwd"]}, "reportKeys has 'a/../../etc/passwd', which is not the key of a file"),
        ({"reportKeys": ["a", "a"]}, "reportKeys names a part twice, whose cost would count twice"),
        (
            {"reportKeys": [f"part-{n}" for n in range(PARTS_MAX + 1)]},
            "it has 2,001 reportKeys, and at most 2,000 are read",
        ),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DamagedReport) as caught:
        parse(**changes)
    assert caught.value.message == f"The manifest {ADDRESS} cannot be used: {complaint}{UNTOUCHED}"
    assert caught.value.code == "BadManifest"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        (b" " * (MANIFEST_BYTES_MAX + 1), "it is larger than 20,000,000 bytes"),
    ],
)
def test_a_manifest_that_is_no_json_object(content: bytes, complaint: str) -> None:
    with pytest.raises(DamagedReport, match=complaint):
        parse_manifest(content, ADDRESS)


def test_the_largest_manifest_is_read() -> None:
    content = json.dumps(MadeReport().fields()).encode()
    assert parse_manifest(content.ljust(MANIFEST_BYTES_MAX), ADDRESS).report.source == "made"


def test_required_columns_are_found_in_any_order_and_case() -> None:
    manifest = MadeReport(columns=[name.upper() for name in reversed(COLUMNS)])
    assert parse_manifest(json.dumps(manifest.fields()).encode(), ADDRESS).keys


def test_a_column_that_is_there_twice_is_not_guessed() -> None:
    columns = [*MadeReport().fields()["columns"], {"category": "lineItem", "name": "unblendedCost"}]
    with pytest.raises(DamagedReport, match="there are 2 columns lineItem/UnblendedCost"):
        parse(columns=columns)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/data/r/20260501-20260601/r-Manifest.json", True),
        ("20260501-20260601/r-Manifest.json", True),
        ("r/r/year=2026/month=5/r-Manifest.json", True),
        ("/data/r/20260501-20260601/0d1e/r-Manifest.json", False),
        ("/data/r/20260501-20260601/r-00001.csv.gz", False),
        ("/data/r/r-Manifest.json", False),
    ],
)
def test_only_the_manifest_of_a_period_is_a_pointer(address: str, expected: bool) -> None:
    assert is_pointer(address) is expected


@pytest.mark.parametrize(
    ("manifest", "key", "expected"),
    [
        # As AWS wrote it, in another bucket.
        ("s3://replica/cur/r/20260501-20260601/m.json", "cur/r/20260501-20260601/a/1.gz", "/a/1.gz"),
        # Below another prefix, in the layout that is overwritten.
        ("s3://replica/finops/aws/r/20260501-20260601/m.json", "cur/r/20260501-20260601/1.gz", "/1.gz"),
        # In a folder that holds the period alone, under a key that names it twice.
        ("/data/20260501-20260601/m.json", "20260501-20260601/r/20260501-20260601/a/1.gz", "/a/1.gz"),
    ],
)
def test_parts_lie_below_the_folder_of_their_manifest(manifest: str, key: str, expected: str) -> None:
    assert part_address(Address(manifest), key) == manifest.rpartition("/")[0] + expected


@pytest.mark.parametrize("key", ["cur/r/20260601-20260701/a/1.gz", "1.gz", "cur/r/20260501-20260601"])
def test_a_part_of_another_folder_is_not_looked_for(key: str) -> None:
    with pytest.raises(DamagedReport, match="which is not in its own folder 20260501-20260601"):
        part_address(Address("s3://replica/cur/r/20260501-20260601/m.json"), key)
