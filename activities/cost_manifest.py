"""The manifest of a cost report: what was delivered, for which period, in which files.

Legacy reports say `assemblyId`, `account` and `reportKeys`. Data Exports (CUR 2.0, FOCUS) say `executionId`,
`exportArn` and `dataFiles`, as full URIs of the bucket that AWS wrote to; which table was exported is told by its
columns. Layouts of folders are in `cost_layout`.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Any, Literal

from activities.cost_columns import ColumnError, locate, sql_name
from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_columns_focus import ONLY_FROM_1_2
from activities.cost_damage import DamageCode, bad_manifest, damaged, shown
from activities.cost_layout import (
    Address,
    current_manifests,
    executions_folder,
    folder_period,
    is_pointer,
    part_address,
)
from activities.cost_source import TABLES
from domain.calendar import MONTHS_OF_YEAR, Month
from domain.cost import ReportVersion
from domain.model import Model
from domain.report_format import ReportFormat

__all__ = [
    "Address",
    "Content",
    "DamageCode",
    "Manifest",
    "current_manifests",
    "damaged",
    "executions_folder",
    "folder_period",
    "is_pointer",
    "parse_manifest",
    "part_address",
    "shown",
]

MANIFEST_BYTES_MAX = 20_000_000
"""A manifest of 10,000 columns and 2,000 parts has under 2 MB."""
PARTS_MAX = 2_000
COLUMNS_MAX = 20_000
KEY_CHARS_MAX = 1_024
"""Of an S3 key; the limit is AWS's."""
NAME_CHARS_MAX = 200
"""Characters of a report's name and of an assembly id: both go into ids of processes."""

Content = Literal["csv.gz", "parquet"]

_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_PERIOD_START = re.compile(r"(\d{4})-?(\d{2})-?01(?:T00:?00:?00(?:\.000)?Z)?|(\d{4})-(\d{2})")
_EXPORT_ARN = re.compile(r"arn:[a-z-]+:bcm-data-exports:[a-z0-9-]*:([0-9]{12}):export/(.+)")
_EXPORT_ID = re.compile(r"-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_S3_URI = re.compile(r"s3://[^/]+/(.+)", re.DOTALL)


class Manifest(Model):
    """What one delivery says of itself."""

    address: Address
    content_hash: str
    """SHA-256 of its bytes, hexadecimal."""
    report: ReportVersion
    format: ReportFormat
    content: Content
    keys: tuple[str, ...]
    """Of the parts, as in the bucket that AWS wrote to."""
    columns: tuple[str, ...] = ()
    """Of those that are read of this format the ones that the report has: what some part of it may lack."""


def parse_manifest(content: bytes, address: Address) -> Manifest:
    """Raises DamagedReport, naming the manifest and what is wrong with it."""
    fields = _fields(content, address)
    is_export = _is_export(fields, address)
    columns = _columns(fields, address)
    report_format = _format(columns, is_export, address)
    try:
        places = locate(TABLES[report_format], [_known_as(name) for name in columns], columns)
    except ColumnError as error:
        raise bad_manifest(address, str(error)) from None
    keys = _export_keys(fields, address) if is_export else _keys(fields, "reportKeys", address)
    return Manifest(
        address=address,
        content_hash=sha256(content).hexdigest(),
        report=_export_report(fields, address) if is_export else _legacy_report(fields, address),
        format=report_format,
        content=_content(fields, keys, is_export, address),
        keys=keys,
        columns=tuple(places),
    )


def _fields(content: bytes, address: Address) -> dict[str, Any]:
    if len(content) > MANIFEST_BYTES_MAX:
        raise bad_manifest(address, f"it is larger than {MANIFEST_BYTES_MAX:,} bytes")
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):  # also where it is not UTF-8
        raise bad_manifest(address, "it is not JSON") from None
    if not isinstance(fields, dict):
        raise bad_manifest(address, "it is not a JSON object")
    return fields


def _is_export(fields: dict[str, Any], address: Address) -> bool:
    is_export, is_legacy = ("executionId" in fields or "dataFiles" in fields), "reportKeys" in fields
    if is_export and is_legacy:
        raise bad_manifest(address, "it has reportKeys, as legacy reports have, and dataFiles, as exports have")
    return is_export


def _format(columns: list[str], is_export: bool, address: Address) -> ReportFormat:
    """By the columns, and by what kind of manifest it is."""
    lower = {_known_as(name).lower() for name in columns}
    has_cur = bool(lower & {"lineitem/usageaccountid", "line_item_usage_account_id"})
    has_focus = {"billedcost", "subaccountid"} <= lower
    if has_cur and has_focus:
        raise bad_manifest(address, "it has the columns of a Cost and Usage Report and of FOCUS")
    if not has_focus:
        return ReportFormat.CUR_2 if is_export else ReportFormat.CUR
    if not is_export:
        raise bad_manifest(address, "it is the manifest of a legacy report and has the columns of FOCUS")
    newer = any(name.lower() in lower for name in ONLY_FROM_1_2)
    return ReportFormat.FOCUS_1_2 if newer else ReportFormat.FOCUS_1_0


def _columns(fields: dict[str, Any], address: Address) -> list[str]:
    """Names as CSV headers have them, where the manifest tells category and name apart."""
    columns = _list(fields, "columns", COLUMNS_MAX, address)
    if not all(isinstance(column, dict) and isinstance(column.get("name"), str) for column in columns):
        raise bad_manifest(address, "columns are not objects with category and name")
    names = []
    for column in columns:
        category = column.get("category")
        names.append(f"{category}/{column['name']}" if category else column["name"])
    return names


def _known_as(column: str) -> str:
    """Manifests of legacy reports have category and name in either spelling: lineItem/UsageAccountId, line_item/…"""
    category, slash, name = column.partition("/")
    return column if not slash or column.lower() in CUR_COLUMNS.by_name else sql_name(category, name)


def _legacy_report(fields: dict[str, Any], address: Address) -> ReportVersion:
    account = _text(fields, "account", address)
    if not _ACCOUNT_ID.fullmatch(account):
        raise bad_manifest(address, f"account is {shown(account)}, which is not an account id of 12 digits")
    return ReportVersion(
        source=_text(fields, "reportName", address),
        billing_period=_period(_text(fields.get("billingPeriod"), "start", address), address),
        version=_text(fields, "assemblyId", address),
        payer_account_id=account,
    )


def _export_report(fields: dict[str, Any], address: Address) -> ReportVersion:
    arn = _text(fields, "exportArn", address)
    if not (match := _EXPORT_ARN.fullmatch(arn)):
        raise bad_manifest(address, f"exportArn is {shown(arn)}, which is not the ARN of an export")
    name = _text(fields, "exportName", address) if "exportName" in fields else _EXPORT_ID.sub("", match[2])
    folder = folder_period(address)
    said = fields.get("billingPeriod")
    if said is None and folder:
        period = folder
    else:
        period = _period(said if isinstance(said, str) else _text(said, "start", address), address)
    if folder and folder != period:
        raise bad_manifest(address, f"it is of {period}, and its folder is that of {folder}")
    return ReportVersion(
        source=name, billing_period=period, version=_text(fields, "executionId", address), payer_account_id=match[1]
    )


def _period(start: str, address: Address) -> Month:
    if not (match := _PERIOD_START.fullmatch(start)):
        raise bad_manifest(address, f"billingPeriod.start is {shown(start)}, which is not the first of a month")
    try:
        month = Month(int(match[1] or match[3]), int(match[2] or match[4]))
        month.plus(-MONTHS_OF_YEAR), month.plus(MONTHS_OF_YEAR)  # its fiscal year must exist, too
    except ValueError:
        raise bad_manifest(address, f"billingPeriod.start is {shown(start)}, which is not a month") from None
    return month


def _content(fields: dict[str, Any], keys: tuple[str, ...], is_export: bool, address: Address) -> Content:
    """Of all parts alike: by what the manifest says, and by their names."""
    by_name: set[Content] = {"parquet" if key.lower().endswith(".parquet") else "csv.gz" for key in keys}
    if len(by_name) > 1:
        raise bad_manifest(address, "its parts are CSV and Parquet, and must be the same")
    (content,) = by_name
    if is_export and content == "csv.gz" and not all(key.lower().endswith(".gz") for key in keys):
        raise bad_manifest(address, f"it names {shown(keys[0])}, and only .csv.gz and .parquet can be read")
    if not is_export:
        _require_legacy_content(fields, content, address)
    charset = fields.get("charset", "UTF-8")
    if not isinstance(charset, str) or charset.upper() not in ("UTF-8", "UTF8"):
        raise bad_manifest(address, f"charset is {shown(str(charset))}, and only UTF-8 can be read")
    return content


def _require_legacy_content(fields: dict[str, Any], content: Content, address: Address) -> None:
    expected = {"parquet": (("parquet", "application/x-parquet", "application/parquet"), ("parquet", "snappy"))}.get(
        content, (("text/csv",), ("gzip",))
    )
    for name, allowed in zip(("contentType", "compression"), expected, strict=True):
        if (found := _text(fields, name, address)).lower() not in allowed:
            raise bad_manifest(address, f"{name} is {shown(found)}, and parts of {content} have {allowed[0]}")


def _keys(fields: dict[str, Any], name: str, address: Address) -> tuple[str, ...]:
    keys = _list(fields, name, PARTS_MAX, address)
    for key in keys:
        named = isinstance(key, str) and 0 < len(key) <= KEY_CHARS_MAX and key.isprintable()
        if not named or ".." in key.split("/"):
            raise bad_manifest(address, f"{name} has {shown(str(key))}, which is not the key of a file")
    if len(set(keys)) < len(keys):
        raise bad_manifest(address, f"{name} names a part twice, whose cost would count twice")
    return tuple(keys)


def _export_keys(fields: dict[str, Any], address: Address) -> tuple[str, ...]:
    """Without the bucket: replicated, they lie in another one."""
    found = []
    for uri in _list(fields, "dataFiles", PARTS_MAX, address):
        match = _S3_URI.fullmatch(uri) if isinstance(uri, str) else None
        if not match:
            raise bad_manifest(address, f"dataFiles has {shown(str(uri))}, which is not s3://bucket/key")
        found.append(match[1])
    return _keys({"dataFiles": found}, "dataFiles", address)


def _list(fields: dict[str, Any], name: str, max_length: int, address: Address) -> list[Any]:
    value = fields.get(name)
    if not isinstance(value, list) or not value:
        raise bad_manifest(address, f"it has no {name}")
    if len(value) > max_length:
        raise bad_manifest(address, f"it has {len(value):,} {name}, and at most {max_length:,} are read")
    return value


def _text(fields: Any, name: str, address: Address) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise bad_manifest(address, f"it has no {name}")
    if len(value) > NAME_CHARS_MAX or not value.isprintable():
        raise bad_manifest(
            address, f"{name} is {shown(value)}: more than {NAME_CHARS_MAX} characters, or unprintable ones"
        )
    return value
