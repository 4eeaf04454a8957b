"""Which versions of a report are removed when, and which never."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from activities.cost_import import CostImport, unheard
from activities.cost_keeping import Keeping
from activities.cost_mart import CostMart
from activities.cost_retention import CostRetention
from activities.cost_store import CostStore
from domain.decision import Organization, Origin
from domain.errors import Contention
from tests.activities.importing import MEMORY_MB, Here
from tests.support.cost_reports import MadeReport, line

KEPT = timedelta(days=400)
PAYERS = ("999999999999", "888888888888")


@pytest.fixture
def mart(tmp_path: Path) -> CostMart:
    return CostMart(str(tmp_path / "mart"))


@pytest.fixture
def retention(here: Here, mart: CostMart) -> CostRetention:
    return CostRetention(here.ledger, here.store, mart, KEPT)


def import_versions(here: Here, mart: CostMart, folder: Path, *versions: str, payer: str = PAYERS[0]) -> None:
    for number, version in enumerate(versions, 1):
        lines = [line(str(number), PayerAccountId=payer)]
        MadeReport([lines], version=version, manifest={"account": payer}).write(folder)
        imports = CostImport(here.ledger, here.store, Organization(), MEMORY_MB, keeping=Keeping(mart))
        assert imports.import_report(here.delivery(folder), Origin(workflow_run_id=version)).status == "imported"


def stored(here: Here) -> set[str]:
    return {version for (version,) in here.query("SELECT DISTINCT report_version FROM cost_rows")}


def in_mart(mart: CostMart) -> set[str]:
    return {path.rpartition("=")[2] for path in mart.versions()}


def later(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def test_a_replaced_version_is_kept_for_its_time_and_then_removed(
    here: Here, mart: CostMart, retention: CostRetention, tmp_path: Path
) -> None:
    import_versions(here, mart, tmp_path / "report", "v1", "v2", "v3")
    assert retention.clean(later(399.9), unheard) == []
    assert stored(here) == in_mart(mart) == {"v1", "v2", "v3"}
    assert [version.version for version in retention.clean(later(400.1), unheard)] == ["v1", "v2"]
    assert stored(here) == in_mart(mart) == {"v3"}
    assert retention.clean(later(10_000), unheard) == []  # the one in force, however old


def test_each_payer_has_a_version_in_force(
    here: Here, mart: CostMart, retention: CostRetention, tmp_path: Path
) -> None:
    import_versions(here, mart, tmp_path / "one", "a1", "a2")
    import_versions(here, mart, tmp_path / "other", "b1", payer=PAYERS[1])
    retention.clean(later(10_000), unheard)
    assert stored(here) == in_mart(mart) == {"a2", "b1"}


def test_both_sides_of_an_adjustment_are_kept(
    here: Here, mart: CostMart, retention: CostRetention, tmp_path: Path
) -> None:
    invoiced = {"bill/InvoiceId": "EU-1", "bill/BillingEntity": "AWS", "bill/BillType": "Anniversary"}
    columns = (*line(), *invoiced)
    for number, version in enumerate(("draft", "final", "adjusted"), 1):
        lines = [line(str(number)) | (invoiced if version != "draft" else invoiced | {"bill/InvoiceId": ""})]
        MadeReport([lines], version=version, columns=columns).write(tmp_path / "report")
        imports = CostImport(here.ledger, here.store, Organization(), MEMORY_MB, keeping=Keeping(mart))
        imports.import_report(here.delivery(tmp_path / "report"), Origin(workflow_run_id=version))
    retention.clean(later(10_000), unheard)
    assert stored(here) == in_mart(mart) == {"final", "adjusted"}


def test_nothing_is_removed_under_an_import(
    here: Here, mart: CostMart, retention: CostRetention, tmp_path: Path
) -> None:
    import_versions(here, mart, tmp_path / "report", "v1", "v2")
    with here.store.hold(here.delivery(tmp_path / "report").report), pytest.raises(Contention):
        retention.clean(later(401), unheard)
    assert stored(here) == in_mart(mart) == {"v1", "v2"}
    retention.clean_if_due(later(401), unheard)
    assert stored(here) == in_mart(mart) == {"v2"}


def test_claimed_rows_go_with_their_version(
    here: Here, mart: CostMart, retention: CostRetention, tmp_path: Path
) -> None:
    import_versions(here, mart, tmp_path / "report", "v1", "v2")
    with psycopg.connect(here.url) as connection:
        for version in ("v1", "v2"):
            connection.execute(
                "INSERT INTO claimed_cost_rows VALUES ('2026-05-01', %s, '1', 'r', '2026-05-01', 1, 1, 1, 1)",
                (version,),
            )
    retention.clean(later(401), unheard)
    assert here.query("SELECT report_version FROM claimed_cost_rows") == [("v2",)]


def test_an_import_does_not_fail_because_old_rows_cannot_be_removed(
    here: Here, caplog: pytest.LogCaptureFixture
) -> None:
    retention = CostRetention(here.ledger, CostStore("postgresql://127.0.0.1:9/none"), None, KEPT)
    retention.clean_if_due(later(0), unheard)
    retention.clean_if_due(later(0), unheard)  # once a day
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Old versions of cost reports were not all removed" in caplog.text
