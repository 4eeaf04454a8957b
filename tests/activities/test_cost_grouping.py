"""Lines that are grouped first and named afterwards come to the same as lines that are named one by one."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from activities.cost_aggregate import aggregated
from activities.cost_grouping import METRICS
from activities.cost_import import unheard
from activities.cost_lines import Part, lines_sql
from activities.cost_readers import SAFE_SETTINGS
from activities.cost_unpack import unpack
from domain.errors import DamagedReport
from domain.resource_key import RESOURCE_KEY_SQL
from tests.activities.test_cost_formats import FILES, FOCUS_FILES
from tests.support.cost_months import cur_month, focus_month

MEMORY_MB = 64
SUMS = ", ".join(f"sum({metric})" for metric in METRICS)


def written(name: str, folder: Path) -> Part:
    _, content, write = FILES[name]
    month = focus_month() if name in FOCUS_FILES else cur_month()
    folder.mkdir()
    path = write(folder / f"part.{content}", [entry.values for entry in month])
    return Part(f"{name}.{content}", path)


def line_by_line(part: Part, name: str, folder: Path, query: str) -> list[tuple[Any, ...]]:
    plain = part
    if part.path.name.endswith(".gz"):
        plain = Part(part.name, folder / "plain.csv")
        unpack(part, plain.path, lambda _: None)
    lines = lines_sql([plain], FILES[name][0], parallel=True)
    with duckdb.connect(config=dict(SAFE_SETTINGS)) as connection:
        return connection.execute(query.format(lines=f"({lines})")).fetchall()


@pytest.mark.parametrize("name", FILES)
def test_every_format_comes_to_the_same(name: str, tmp_path: Path) -> None:
    part = written(name, tmp_path / "report")
    with aggregated([part], tmp_path, MEMORY_MB, unheard, FILES[name][0]) as aggregate:
        detail = [tuple(row.values()) for batch in aggregate.detail() for row in batch.to_pylist()]
        rows = [tuple(row.values()) for batch in aggregate.rows() for row in batch.to_pylist()]
        control = aggregate.control
    keys = f"account, service, charge_type, {RESOURCE_KEY_SQL} AS resource, resource_id, usage_type, operation, day"
    counted = "FROM {lines} WHERE NOT is_split GROUP BY ALL"
    assert Counter(detail) == Counter(line_by_line(part, name, tmp_path, f"SELECT {keys}, {SUMS} {counted}"))
    by_account = f"SELECT account, service, charge_type, day, {SUMS} {counted}"
    assert Counter(rows) == Counter(line_by_line(part, name, tmp_path, by_account))
    ((lines, split, upfront, true_up),) = line_by_line(
        part,
        name,
        tmp_path,
        "SELECT count(*), count(*) FILTER (is_split), sum(upfront) FILTER (NOT is_split), "
        "sum(true_up) FILTER (NOT is_split) FROM {lines}",
    )
    assert (control.lines, control.split_lines, control.upfront, control.true_up) == (lines, split, upfront, true_up)
    bills = line_by_line(
        part,
        name,
        tmp_path,
        "SELECT billing_entity, bill_type, count(*), count(*) FILTER (NOT has_invoice) FROM {lines} GROUP BY ALL",
    )
    found = [(bill.billing_entity, bill.bill_type, bill.lines, bill.lines_without_invoice) for bill in control.invoices]
    assert sorted(found) == sorted(bills)


@pytest.mark.parametrize("name", FILES)
def test_amortized_upfront_and_true_up_are_unblended(name: str, tmp_path: Path) -> None:
    part = written(name, tmp_path / "report")
    with aggregated([part], tmp_path, MEMORY_MB, unheard, FILES[name][0]) as aggregate:
        assert aggregate.control.identity_gap == Decimal(0)


@pytest.mark.parametrize("name", ["legacy Parquet", "FOCUS 1.2 Parquet"])
@pytest.mark.parametrize("where", ["footer", "end", "middle"])
def test_parquet_that_is_damaged_names_its_part(name: str, where: str, tmp_path: Path) -> None:
    part = written(name, tmp_path / "report")
    content = bytearray(part.path.read_bytes())
    if where == "end":
        content = content[:-20]
    else:
        first = len(content) - 60 if where == "footer" else 4
        content[first : first + 40] = b"\xff" * 40
    part.path.write_bytes(content)
    with (
        pytest.raises(DamagedReport, match=f"The part {part.name} cannot be read: it is truncated, or its Parquet is"),
        aggregated([part], tmp_path, MEMORY_MB, unheard, FILES[name][0]),
    ):
        pass
