"""The same lines give the same figures, to the last digit, in whatever order, files and threads they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.cost_columns_cur import CUR_COLUMNS
from activities.cost_lines import Part, lines_sql
from activities.cost_readers import SAFE_SETTINGS
from domain.report_format import ReportFormat
from tests.support.cost_months import FIGURES, Values, cur_month, legacy_csv, parquet

KEYS = ("account", "service", "charge_type", "day")
COPIES = 4
MONTH = [
    entry.values
    | {
        "line_item_usage_account_id": f"{number:012}",
        # Sums of such numbers differ in the last digits where they are added up as doubles in another order.
        "line_item_unblended_cost": format(entry.figures[0] + Decimal(1234567 * number).scaleb(-10), "f"),
    }
    for number in range(COPIES)
    for entry in cur_month()
]
WRITERS: dict[str, tuple[ReportFormat, Callable[[Path, Sequence[Values]], Path]]] = {
    "csv.gz": (ReportFormat.CUR, legacy_csv),
    "parquet": (ReportFormat.CUR_2, partial(parquet, table=CUR_COLUMNS)),
}


def summed(parts: list[list[Values]], content: str, threads: int) -> list[tuple[Any, ...]]:
    report_format, write = WRITERS[content]
    sums = ", ".join(f"sum({figure}) FILTER (NOT is_split)" for figure in FIGURES)
    with TemporaryDirectory() as folder, duckdb.connect(config={"threads": threads, **SAFE_SETTINGS}) as connection:
        files = [write(Path(folder) / f"{n}.{content}", lines) for n, lines in enumerate(parts)]
        lines = lines_sql([Part(file.name, file) for file in files], report_format, parallel=True)
        keys = ", ".join(KEYS)
        query = f"SELECT {keys}, {sums}, count(*), min(tags), min(raw_type) FROM ({lines}) GROUP BY {keys} ORDER BY ALL"
        return connection.execute(query).fetchall()


@cache
def summed_once(content: str) -> list[tuple[Any, ...]]:
    """In order, in one file, by one thread."""
    return summed([MONTH], content, 1)


@pytest.mark.parametrize("content", WRITERS)
@settings(max_examples=8, deadline=None)
@given(st.permutations(range(len(MONTH))), st.lists(st.integers(0, len(MONTH)), max_size=3), st.integers(1, 3))
def test_any_order_of_lines_files_and_threads_gives_identical_sums(
    content: str, order: list[int], cuts: list[int], threads: int
) -> None:
    lines = [MONTH[place] for place in order]
    # A file has the columns that its own lines fill, so that some files lack columns that others have.
    parts = [lines[first:last] for first, last in pairwise([0, *sorted(cuts), len(lines)]) if first < last]
    assert summed(parts, content, threads) == summed_once(content)
