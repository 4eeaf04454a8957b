"""Several versions of one billing period: whatever the order, the one delivered last is in force."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from activities.cost_store import VersionRows
from domain.cost import CostPeriod, ReportVersion, period_stream
from domain.decision import Origin
from domain.errors import Contention, DamagedReport
from tests.activities.importing import MAY, Here
from tests.support.cost_reports import PAYER, MadeReport, line


def test_a_version_is_held_by_one_importer_at_a_time(here: Here, tmp_path: Path) -> None:
    MadeReport().write(tmp_path)
    with here.store.hold(here.delivery(tmp_path).report), pytest.raises(Contention) as caught:
        here.run(tmp_path)
    assert caught.value.message == (
        "A version of 2026-05 is being imported by somebody else: wait for that import to end."
    )
    assert here.run(tmp_path).status == "imported"


def test_a_version_that_was_overtaken_while_it_was_read_does_not_replace_the_later_one(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MadeReport(version="older").write(tmp_path)
    older, hold = here.delivery(tmp_path), here.store.hold

    def overtaken(version: ReportVersion) -> AbstractContextManager[VersionRows]:
        if version.version == "older":  # all of it is read, and then the next one is delivered and imported
            MadeReport([[line("2.25")]], version="newer").write(tmp_path)
            assert here.run(tmp_path).status == "imported"
        return hold(version)

    monkeypatch.setattr(here.store, "hold", overtaken)
    with pytest.raises(DamagedReport) as late:
        here.imports.import_report(older, Origin(workflow_run_id="late"))
    assert late.value.code == "Superseded"
    period: CostPeriod = here.ledger.states([period_stream(MAY)])[period_stream(MAY)]
    assert (period.of(PAYER).shown_version, period.imported) == ("newer", ("newer",))
    assert here.query("SELECT DISTINCT report_version FROM cost_rows") == [("newer",)]


def test_two_versions_of_a_period_are_not_stored_at_the_same_time(here: Here, tmp_path: Path) -> None:
    MadeReport(version="older").write(tmp_path)
    with here.store.hold(here.delivery(tmp_path).report):
        MadeReport(version="newer").write(tmp_path)
        with pytest.raises(Contention):
            here.run(tmp_path)
    assert here.run(tmp_path).status == "imported"
