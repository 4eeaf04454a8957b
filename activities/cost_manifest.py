"""The manifest of a legacy Cost and Usage Report: what was delivered, for which period, in which files.

Both layouts of CSV reports have one manifest per billing period that is overwritten by each delivery:

    CREATE_NEW_REPORT   …/<report>/20260501-20260601/<report>-Manifest.json               names the current assembly
                        …/<report>/20260501-20260601/<assembly id>/<report>-00001.csv.gz  and a copy of its manifest
    OVERWRITE_REPORT    …/<report>/20260501-20260601/<report>-Manifest.json
                        …/<report>/20260501-20260601/<report>-00001.csv.gz

Only the files that it names are read. A folder is never listed for them, because older assemblies stay beside it.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Literal, NewType

from domain.calendar import MONTHS_OF_YEAR, Month
from domain.cost import ReportVersion
from domain.errors import DamagedReport
from domain.model import Model

Address = NewType("Address", str)
"""A path, or `s3://bucket/key`."""

MANIFEST_BYTES_MAX = 20_000_000
"""A manifest of 10,000 columns and 2,000 parts has under 2 MB."""
PARTS_MAX = 2_000
COLUMNS_MAX = 20_000
KEY_CHARS_MAX = 1_024
"""Of an S3 key; the limit is AWS's."""
NAME_CHARS_MAX = 200
"""Characters of a report's name and of an assembly id: both go into ids of processes."""
EXCERPT_CHARS_MAX = 120
"""Characters of a value that an error shows."""

ACCOUNT, SERVICE, CHARGE_TYPE = "lineItem/UsageAccountId", "lineItem/ProductCode", "lineItem/LineItemType"
START, COST, CURRENCY = "lineItem/UsageStartDate", "lineItem/UnblendedCost", "lineItem/CurrencyCode"
PAYER = "bill/PayerAccountId"
REQUIRED_COLUMNS = (ACCOUNT, SERVICE, CHARGE_TYPE, START, COST, CURRENCY, PAYER)
"""Found by name, in any order and case: the rest of the columns differs from report to report."""

_POINTER = re.compile(r"(?:^|/)(?:\d{8}-\d{8}|month=\d{1,2})/[^/]+-Manifest\.json$")
_FOLDER_PERIOD = re.compile(r"(?:(\d{4})(\d{2})\d{2}-\d{8}|year=(\d{4})/month=(\d{1,2}))/[^/]+$")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_PERIOD_START = re.compile(r"(\d{4})(\d{2})01T000000(?:\.000)?Z")


class Manifest(Model):
    """What one delivery says of itself."""

    address: Address
    content_hash: str
    """SHA-256 of its bytes, hexadecimal."""
    report: ReportVersion
    keys: tuple[str, ...]
    """Of the parts, as in the bucket that AWS wrote to."""


def is_pointer(address: str) -> bool:
    """Whether this is the manifest of a billing period, and not the copy that stays beside each assembly.

    Those of Parquet reports (`year=2026/month=5/`) count too, so that their owner is told that they cannot be read yet.
    """
    return _POINTER.search(address) is not None


def folder_period(address: str) -> Month | None:
    """The billing period that the manifest's folder is named after, for one that cannot say so itself."""
    match = _FOLDER_PERIOD.search(address)
    try:
        return Month(int(match[1] or match[3]), int(match[2] or match[4])) if match else None
    except ValueError:
        return None


def parse_manifest(content: bytes, address: Address) -> Manifest:
    """Raises DamagedReport, naming the manifest and what is wrong with it."""
    fields = _fields(content, address)
    _require_readable(fields, address)
    _require_columns(fields, address)
    start = _text(fields.get("billingPeriod"), "start", address)
    if not (match := _PERIOD_START.fullmatch(start)):
        raise _damaged(address, f"billingPeriod.start is {shown(start)}, which is not the first of a month")
    account = _text(fields, "account", address)
    if not _ACCOUNT_ID.fullmatch(account):
        raise _damaged(address, f"account is {shown(account)}, which is not an account id of 12 digits")
    try:
        month = Month(int(match[1]), int(match[2]))
        month.plus(-MONTHS_OF_YEAR), month.plus(MONTHS_OF_YEAR)  # its fiscal year must exist, too
    except ValueError:
        raise _damaged(address, f"billingPeriod.start is {shown(start)}, which is not a month") from None
    report = ReportVersion(
        source=_text(fields, "reportName", address),
        billing_period=month,
        version=_text(fields, "assemblyId", address),
        payer_account_id=account,
    )
    return Manifest(
        address=address, content_hash=sha256(content).hexdigest(), report=report, keys=_keys(fields, address)
    )


def part_address(manifest: Address, key: str) -> Address:
    """Where a part is, given where its manifest is.

    Parts lie below the folder of their manifest, and a key holds the path from that folder on: what comes before, such
    as the prefix in the bucket that AWS wrote to, may be another one here. So a replica in another bucket, a copy below
    another prefix and a local folder are all read alike, and a missing part is never taken from somewhere else.
    """
    folder, _, _ = manifest.rpartition("/")
    name = folder.rpartition("/")[2]
    steps = PurePosixPath(key).parts
    if name not in steps[:-1]:
        raise _damaged(manifest, f"it names {shown(key)}, which is not in its own folder {name}")
    last = len(steps) - 1 - steps[::-1].index(name)
    return Address("/".join((folder, *steps[last + 1 :])))


def shown(value: str) -> str:
    """A value in an error: quoted, and its beginning only where it is long."""
    return repr(value if len(value) <= EXCERPT_CHARS_MAX else value[:EXCERPT_CHARS_MAX] + "…")


def find_column(names: list[str], wanted: str) -> int:
    """Its place, by name in any case. Raises LookupError where it is not there once."""
    places = [place for place, name in enumerate(names) if name.strip().lower() == wanted.lower()]
    if len(places) != 1:
        raise LookupError(f"there are {len(places)} columns {wanted}" if places else f"there is no column {wanted}")
    return places[0]


def _fields(content: bytes, address: Address) -> dict[str, Any]:
    if len(content) > MANIFEST_BYTES_MAX:
        raise _damaged(address, f"it is larger than {MANIFEST_BYTES_MAX:,} bytes")
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):  # also where it is not UTF-8
        raise _damaged(address, "it is not JSON") from None
    if not isinstance(fields, dict):
        raise _damaged(address, "it is not a JSON object")
    return fields


def _require_readable(fields: dict[str, Any], address: Address) -> None:
    for name, expected in (("contentType", "text/csv"), ("compression", "GZIP")):
        if (found := _text(fields, name, address)).lower() != expected.lower():
            raise _damaged(address, f"{name} is {shown(found)}, and only {expected} can be read yet")
    charset = fields.get("charset", "UTF-8")
    if not isinstance(charset, str) or charset.upper() not in ("UTF-8", "UTF8"):
        raise _damaged(address, f"charset is {shown(str(charset))}, and only UTF-8 can be read")


def _require_columns(fields: dict[str, Any], address: Address) -> None:
    columns = _list(fields, "columns", COLUMNS_MAX, address)
    if not all(isinstance(column, dict) for column in columns):
        raise _damaged(address, "columns are not objects with category and name")
    names = [f"{column.get('category')}/{column.get('name')}" for column in columns]
    for wanted in REQUIRED_COLUMNS:
        try:
            find_column(names, wanted)
        except LookupError as error:
            raise _damaged(address, str(error)) from None


def _keys(fields: dict[str, Any], address: Address) -> tuple[str, ...]:
    keys = _list(fields, "reportKeys", PARTS_MAX, address)
    for key in keys:
        if not isinstance(key, str) or not 0 < len(key) <= KEY_CHARS_MAX or ".." in key.split("/"):
            raise _damaged(address, f"reportKeys has {shown(str(key))}, which is not the key of a file")
    if len(set(keys)) < len(keys):
        raise _damaged(address, "reportKeys names a part twice, whose cost would count twice")
    return tuple(keys)


def _list(fields: dict[str, Any], name: str, max_length: int, address: Address) -> list[Any]:
    value = fields.get(name)
    if not isinstance(value, list) or not value:
        raise _damaged(address, f"it has no {name}")
    if len(value) > max_length:
        raise _damaged(address, f"it has {len(value):,} {name}, and at most {max_length:,} are read")
    return value


def _text(fields: Any, name: str, address: Address) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise _damaged(address, f"it has no {name}")
    if len(value) > NAME_CHARS_MAX or not value.isprintable():
        raise _damaged(address, f"{name} is {shown(value)}: more than {NAME_CHARS_MAX} characters, or unprintable ones")
    return value


DamageCode = Literal["BadManifest", "MissingPart", "Superseded", "BadPart", "BadLine", "NotReconciled"]


def damaged(what: str, code: DamageCode) -> DamagedReport:
    """The error of a report that cannot be imported."""
    return DamagedReport(f"{what}. Nothing was imported, and what was there is untouched.", code=code)


def _damaged(address: Address, what: str) -> DamagedReport:
    return damaged(f"The manifest {address} cannot be used: {what}", "BadManifest")
