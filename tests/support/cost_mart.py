"""A cost mart as an import leaves it: Parquet files of a version's detail and of its resources."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

MONEY = pa.decimal128(38, 12)


class Spent(NamedTuple):
    """What a resource cost on a day, in all metrics the same."""

    account_id: str
    resource: str
    service: str
    cost: str
    usage_date: date
    tags: Mapping[str, str] = {}


def write_mart(folder: Path, period: str, version: str, spent: Iterable[Spent]) -> str:
    """The version's path below the mart, as its import keeps it."""
    rows = sorted(spent, key=lambda row: (row.account_id, row.resource, row.usage_date))
    below = f"billing_period={period}/version={version}"
    text, costs = pa.string(), [Decimal(row.cost) for row in rows]
    detail = {
        "account_id": pa.array([row.account_id for row in rows], text),
        "service": pa.array([row.service for row in rows], text),
        "charge_type": pa.array(["Usage" for _ in rows], text),
        "resource": pa.array([row.resource for row in rows], text),
        "resource_id": pa.array([row.resource for row in rows], text),
        "usage_type": pa.array(["" for _ in rows], text),
        "operation": pa.array(["" for _ in rows], text),
        "usage_date": pa.array([row.usage_date for row in rows], pa.date32()),
        **{name: pa.array(costs, MONEY) for name in ("unblended", "amortized", "net_unblended", "net_amortized")},
    }
    unique = list({(row.account_id, row.resource): row for row in rows}.values())
    resources = {
        "account_id": pa.array([row.account_id for row in unique], text),
        "resource": pa.array([row.resource for row in unique], text),
        "service": pa.array([row.service for row in unique], text),
        "name": pa.array([row.tags.get("Name") for row in unique], text),
        "tags": pa.array([json.dumps(dict(row.tags)) if row.tags else "" for row in unique], text),
    }
    for kind, columns in (("detail", detail), ("resources", resources)):
        place = folder / kind / below
        place.mkdir(parents=True)
        pq.write_table(pa.table(columns), place / "part-00000.parquet")
    return below
