"""The month of the fixtures as AWS delivers it: a manifest and two parts, in the layout of their kind of report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from activities.cost_columns_cur import CUR_COLUMNS
from domain.report_format import ReportFormat
from tests.support.cost_months import Values, columns_of, cur_month, focus_month, table_of
from tests.support.cost_reports import PAYER

Versioning = Literal["CREATE_NEW_REPORT", "OVERWRITE_REPORT"]
Write = Callable[[Path, Sequence[Values]], Path]

NAME = "made"
EXECUTION = "0d1e5f2a-1111-4222-8333-444455556666"


def month_of(report_format: ReportFormat) -> list[Values]:
    return [entry.values for entry in (focus_month() if report_format.is_focus else cur_month())]


def deliver(
    root: Path,
    report_format: ReportFormat,
    suffix: str,
    write: Write,
    versioning: Versioning,
    version: str = EXECUTION,
    at: str = "20260602T031500Z",
) -> Path:
    """Below the root, where the bucket's keys would be. Answers with the manifest's path."""
    folder, manifest_folder = _folders(report_format, suffix, versioning, f"{at}-{version}", version)
    lines = month_of(report_format)
    parts = (lines[:9], lines[9:])
    keys = [f"{folder}/{NAME}-{number:05d}.{suffix}" for number, _ in enumerate(parts, 1)]
    for key, of_part in zip(keys, parts, strict=True):
        write(root / key, of_part)
    columns = columns_of(lines, table_of(report_format))
    if report_format is ReportFormat.FOCUS_1_0:
        columns.remove("InvoiceId")
    fields = (
        _legacy(columns, keys, suffix, version)
        if report_format is ReportFormat.CUR
        else _export(columns, keys, version)
    )
    manifest = root / manifest_folder / f"{NAME}-Manifest.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps(fields), encoding="utf-8")
    return manifest


def _folders(
    report_format: ReportFormat, suffix: str, versioning: Versioning, execution: str, version: str
) -> tuple[str, str]:
    """Of the parts, and of the manifest."""
    kept = versioning == "CREATE_NEW_REPORT"
    if report_format is not ReportFormat.CUR:
        period = "BILLING_PERIOD=2026-05" + (f"/{execution}" if kept else "")
        return f"exports/{NAME}/data/{period}", f"exports/{NAME}/metadata/{period}"
    if suffix == "parquet":
        folder = f"cur/{NAME}/{NAME}/year=2026/month=5"
        return folder, folder
    folder = f"cur/{NAME}/20260501-20260601"
    return (f"{folder}/{version}" if kept else folder), folder


def _legacy(columns: list[str], keys: list[str], suffix: str, version: str) -> dict[str, Any]:
    names = [CUR_COLUMNS.by_name[name].csv.split("/") for name in columns]
    is_parquet = suffix == "parquet"
    return {
        "assemblyId": version,
        "account": PAYER,
        "columns": [{"category": category, "name": name} for category, name in names],
        "charset": "UTF-8",
        "compression": "Parquet" if is_parquet else "GZIP",
        "contentType": "Parquet" if is_parquet else "text/csv",
        "reportName": NAME,
        "billingPeriod": {"start": "20260501T000000.000Z", "end": "20260601T000000.000Z"},
        "bucket": "elsewhere",
        "reportKeys": keys,
    }


def _export(columns: list[str], keys: list[str], version: str) -> dict[str, Any]:
    return {
        "executionId": version,
        "exportArn": f"arn:aws:bcm-data-exports:us-east-1:{PAYER}:export/{NAME}-{EXECUTION}",
        "exportName": NAME,
        "billingPeriod": {"start": "2026-05-01T00:00:00.000Z", "end": "2026-06-01T00:00:00.000Z"},
        "columns": [{"name": name, "type": "string"} for name in columns],
        "dataFiles": [f"s3://elsewhere/{key}" for key in keys],
    }
