"""`allot cost import` tells of every month: what came in, and what did not and why."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from command_line import cost
from domain.calendar import Month
from domain.process import CostImportResult, CostWatchResult, ManifestProblem
from tests.command_line.conftest import Allot

JUNE = CostImportResult(
    billing_period=Month(2026, 6), report_version="v", status="imported", message="", lines=2, totals={"Usage": "26000"}
)
DAMAGED = ManifestProblem(manifest="may.json", message="May is broken", error="DamagedReport", code="BadManifest")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> CostWatchResult:
    """What the process is to answer; it is not asked here."""
    answer = CostWatchResult(imports=(JUNE,), problems=(DAMAGED, DAMAGED.model_copy(update={"message": "So is July"})))

    def run(coroutine: Coroutine[Any, Any, Any]) -> CostWatchResult:
        coroutine.close()
        return answer

    monkeypatch.setattr(cost, "run", run)
    return answer


def test_a_damaged_manifest_is_told_beside_what_was_imported(
    allot: Allot, done: CostWatchResult, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    answer = allot("cost", "import", "folder", "--as", "a@example.com")
    assert answer.status == 8
    assert "26,000.00" in answer.out
    assert "BadManifest: May is broken" in answer.err
    assert "BadManifest: So is July" in answer.err
    data = json.loads(allot("cost", "import", "folder", "--as", "a@example.com", "--json").out)
    assert data["imports"][0]["totals"] == {"Usage": "26000.00"}
    assert [problem["manifest"] for problem in data["problems"]] == ["may.json", "may.json"]


def test_a_source_may_be_a_folder_an_address_or_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main").mkdir()
    assert cost._whole("main") == str(tmp_path / "main")
    assert cost._whole("second-payer") == "second-payer"
    assert cost._whole("./second-payer") == str(tmp_path / "second-payer")
    assert cost._whole("s3://reports/main") == "s3://reports/main"
