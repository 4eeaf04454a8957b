"""Cost reports made for a test: a manifest and its parts, in the layout of a legacy report."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from activities.cost_columns_cur import REQUIRED
from embedded.process import ROOT

SAMPLE = ROOT / "demo" / "cur"
PAYER = "999999999999"
COLUMNS = ("identity/LineItemId", *(column.csv for column in REQUIRED), "product/region")


def line(cost: str = "1.5", **changes: str) -> dict[str, str]:
    """A line item; changes by the names after the slash, such as `CurrencyCode`."""
    values = {
        "LineItemId": "line-1",
        "UsageAccountId": "000000000042",
        "ProductCode": "AmazonEC2",
        "LineItemType": "Usage",
        "UsageStartDate": "2026-05-01T00:00:00Z",
        "UnblendedCost": cost,
        "CurrencyCode": "USD",
        "PayerAccountId": PAYER,
        "region": "us-east-1",
    } | changes
    return {column: values[column.partition("/")[2]] for column in COLUMNS}


@dataclass(frozen=True)
class MadeReport:
    """One delivery, in a form that a test can spoil before it is written."""

    parts: Sequence[Sequence[Mapping[str, str]]] = ((line(),),)
    version: str = "assembly-1"
    period: str = "20260501-20260601"
    columns: Sequence[str] = COLUMNS
    overwrite: bool = False
    prefix: str = "cur/"
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the manifest that are other than they should be; None leaves a field out."""

    @property
    def keys(self) -> list[str]:
        folder = f"{self.prefix}made/{self.period}/" + ("" if self.overwrite else f"{self.version}/")
        return [f"{folder}made-{number:05d}.csv.gz" for number in range(1, len(self.parts) + 1)]

    def write(self, root: Path) -> Path:
        """Below the root, where the bucket's keys would be. Answers with the manifest's path."""
        for key, lines in zip(self.keys, self.parts, strict=True):
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(self._csv(lines)))
        manifest = root / f"{self.prefix}made/{self.period}/made-Manifest.json"
        manifest.write_text(json.dumps(self.fields()), encoding="utf-8")
        return manifest

    def fields(self) -> dict[str, Any]:
        first, last = self.period.split("-")
        fields = {
            "assemblyId": self.version,
            "account": PAYER,
            "columns": [dict(zip(("category", "name"), name.split("/"), strict=True)) for name in self.columns],
            "charset": "UTF-8",
            "compression": "GZIP",
            "contentType": "text/csv",
            "reportName": "made",
            "billingPeriod": {"start": f"{first}T000000.000Z", "end": f"{last}T000000.000Z"},
            "bucket": "elsewhere",
            "reportKeys": self.keys,
        } | dict(self.manifest)
        return {name: value for name, value in fields.items() if value is not None}

    def _csv(self, lines: Sequence[Mapping[str, str]]) -> bytes:
        by_lower = [{name.lower(): value for name, value in each.items()} for each in lines]
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(self.columns)
        writer.writerows([each[name.lower()] for name in self.columns] for each in by_lower)
        return text.getvalue().encode()
