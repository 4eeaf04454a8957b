"""Deliveries of every format and layout, from the folder to the month's figures."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from activities.cost_delivery import find_deliveries
from activities.cost_import import unheard
from activities.cost_lines import Part, lines_sql
from activities.cost_manifest import Address, parse_manifest, part_address
from activities.cost_readers import SAFE_SETTINGS
from domain.calendar import Month
from domain.decision import Channel
from domain.process import CostSource
from domain.report_format import ReportFormat
from tests.activities.test_cost_formats import (
    AMORTIZED,
    CUR_FILES,
    FILES,
    NET_AMORTIZED,
    NET_UNBLENDED,
    UNBLENDED,
)
from tests.support.cost_deliveries import NAME, Versioning, deliver

LAYOUTS: tuple[Versioning, ...] = ("CREATE_NEW_REPORT", "OVERWRITE_REPORT")


def found_below(root: Path) -> list[tuple[Address, str]]:
    """Manifests and versions, as an import is told of them."""
    source = CostSource(source=str(root), actor="system", channel=Channel.WORKFLOW)
    deliveries = find_deliveries(source, unheard)
    assert deliveries.problems == ()
    return [(Address(each.manifest), each.report.version) for each in deliveries.deliveries]


@pytest.mark.parametrize("versioning", LAYOUTS)
@pytest.mark.parametrize("kind", FILES)
def test_a_delivery_is_found_and_its_parts_come_to_the_months_figures(
    kind: str, versioning: Versioning, tmp_path: Path
) -> None:
    report_format, suffix, write = FILES[kind]
    suffix = "snappy.parquet" if suffix == "parquet" and report_format is not ReportFormat.CUR else suffix
    deliver(tmp_path, report_format, suffix, write, versioning)
    ((address, _),) = found_below(tmp_path)
    manifest = parse_manifest(Path(address).read_bytes(), address)
    assert (manifest.format, manifest.content) == (report_format, FILES[kind][1])
    assert (manifest.report.source, manifest.report.billing_period) == (NAME, Month(2026, 5))
    parts = [Part(key, Path(part_address(address, key))) for key in manifest.keys]
    figures = "sum(unblended), sum(amortized), sum(net_unblended), sum(net_amortized)"
    sums = []
    for batches in ([parts], [[part] for part in parts]):  # together, and one after the other
        queries = [lines_sql(each, manifest.format, parallel=True, columns=manifest.columns) for each in batches]
        lines = " UNION ALL ".join(f"SELECT * FROM ({query})" for query in queries)
        with duckdb.connect(config=dict(SAFE_SETTINGS)) as connection:
            sums.append(connection.execute(f"SELECT {figures} FROM ({lines}) WHERE NOT is_split").fetchone())
    focus = (NET_UNBLENDED, NET_AMORTIZED, NET_UNBLENDED, NET_AMORTIZED)
    expected = (UNBLENDED, AMORTIZED, NET_UNBLENDED, NET_AMORTIZED) if kind in CUR_FILES else focus
    assert sums == [expected, expected]


def test_of_executions_that_are_all_kept_the_newest_is_imported(tmp_path: Path) -> None:
    report_format, suffix, write = FILES["CUR 2.0 Parquet, maps"]
    newest = "9d1e5f2a-1111-4222-8333-444455556666"
    for version, at in ((newest, "20260603T031500Z"), ("ad1e5f2a-1111-4222-8333-444455556666", "20260602T031500Z")):
        deliver(tmp_path, report_format, suffix, write, "CREATE_NEW_REPORT", version, at)
    assert [version for _, version in found_below(tmp_path)] == [newest]
