"""Real lines of FOCUS 1.0 (see the README beside them)."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from activities.cost_lines import Part, explain, lines_sql
from activities.cost_readers import SAFE_SETTINGS
from domain.errors import DamagedReport
from domain.report_format import ReportFormat
from tests.activities.test_cost_formats import added_up, canonical
from tests.support.cost_months import FIXTURES, write_csv

SAMPLE = FIXTURES / "focus-sample" / "focus-1.0.csv"


def sample(*, prepared: bool) -> list[dict[str, str]]:
    with SAMPLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not prepared:
        return rows
    for row in rows:
        row.update({name: "" for name, value in row.items() if value == "NULL"})
        row["SubAccountId"] = row["SubAccountId"].zfill(12)
        row["BillingAccountId"] = row["BillingAccountId"][:12]
    return rows


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    return write_csv(path, list(rows[0]), [list(row.values()) for row in rows])


def test_real_lines_of_focus_come_to_what_they_say(tmp_path: Path) -> None:
    rows = sample(prepared=True)
    lines = canonical([written(tmp_path / "p.csv.gz", rows)], ReportFormat.FOCUS_1_0)
    assert not any(line["is_bad"] for line in lines)
    for figure, column in (("unblended", "BilledCost"), ("net_amortized", "EffectiveCost")):
        assert added_up(lines, figure) == sum(Decimal(row[column]) for row in rows)
    assert {(line["account"], str(line["day"]), line["unblended"]) for line in lines} == {
        (row["SubAccountId"], row["ChargePeriodStart"][:10], Decimal(row["BilledCost"])) for row in rows
    }
    assert {line["charge_type"] for line in lines} == {"Usage", "Credit"}
    assert {line["service"] for line in lines} == {row["ServiceName"] for row in rows}  # it has no codes
    assert sum(line["tags"] != "" for line in lines) == sum(row["Tags"] not in ("", "{}") for row in rows)


def test_as_it_is_the_sample_is_refused_for_its_account_ids(tmp_path: Path) -> None:
    import duckdb

    path = written(tmp_path / "p.csv.gz", sample(prepared=False))
    with duckdb.connect(config=dict(SAFE_SETTINGS)) as connection:
        assert connection.execute(
            f"SELECT bool_and(is_bad) FROM ({lines_sql([Part('p', path)], ReportFormat.FOCUS_1_0, parallel=True)})"
        ).fetchone() == (True,)
        with pytest.raises(
            DamagedReport, match=r"SubAccountId of line item .* which is not an account id of 12 digits"
        ):
            explain(connection, [Part("p", path)], ReportFormat.FOCUS_1_0, parallel=True)
