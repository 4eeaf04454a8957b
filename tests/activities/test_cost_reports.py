from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Any
from uuid import uuid4

import duckdb
import pytest
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, CancelledError
from temporalio.testing import ActivityEnvironment

from activities import cost_reports, cost_watch
from activities.contracts import Deliveries, Progress
from activities.cost_reports import ERROR_CHARS_MAX, CostReports
from activities.cost_watch import watched
from domain.calendar import Month
from domain.cost import period_stream
from domain.decision import SYSTEM, SYSTEM_ID, Channel, CommandRefused, Organization, Persona
from domain.people_commands import GrantPersona, RegisterPerson
from domain.process import CostDelivery, CostImportResult, CostSource
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.support.cost_reports import SAMPLE, MadeReport, line

ENGINEER, STRANGER = "engineer@example.com", "stranger@example.com"
LONG_QUERY = "SELECT count(*) FROM range(100000000000) a WHERE a.range % 7 = 3"


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """With one person in it, who may import."""
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=2) as ledger:
        ledger.people.ensure(ENGINEER, "Eng")
        ledger.people.ensure(STRANGER, "No")
        setup: dict[str, Any] = {"actor": SYSTEM, "channel": Channel.SETUP, "person": ENGINEER}
        ledger.record(RegisterPerson(command_id=uuid4(), **setup))
        ledger.record(GrantPersona(command_id=uuid4(), persona=Persona.CLOUD_ENGINEER, **setup))
        yield ledger


@pytest.fixture
def reports(ledger: Ledger, database_url: str) -> CostReports:
    return CostReports(ledger, database_url, Organization(), 128)


def wanted(source: Path, **changes: Any) -> CostSource:
    return CostSource.model_validate({"source": str(source), "actor": ENGINEER, **changes})


def in_activity[Input, Result](activity: Callable[[Input], Result], argument: Input) -> tuple[Result, list[Progress]]:
    environment = ActivityEnvironment()
    heartbeats: list[Progress] = []
    environment.on_heartbeat = lambda *details: heartbeats.extend(details)
    return environment.run(activity, argument), heartbeats


def test_deliveries_are_found_and_imported_with_signs_of_life(
    reports: CostReports, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_reports, "HEARTBEAT_INTERVAL_S", 0.0)
    monkeypatch.setattr(cost_watch, "INTERVAL_S", 0.01)
    found: Deliveries
    found, heartbeats = in_activity(reports.find_deliveries, wanted(SAMPLE, wait_for_parts=True))
    assert heartbeats[-1] == Progress(step="reading manifests", done=2, whole=3)
    assert all(delivery.wait_for_parts for delivery in found.deliveries)
    result: CostImportResult
    result, heartbeats = in_activity(reports.import_delivery, found.deliveries[0])
    assert (result.status, result.lines, result.rows) == ("imported", 26_784, 868)
    steps = list(dict.fromkeys(progress.step for progress in heartbeats))
    assert (steps[0], steps[-2:]) == ("looking for parts", ["looking again", "storing"])
    assert set(steps[1:-2]) == {"downloading", "adding up"}  # side by side
    assert heartbeats[-1] == Progress(step="storing", done=868, whole=868)
    (event,) = ledger.read(period_stream(Month(2026, 5)))
    assert (event.workflow_id, event.workflow_run_id, event.activity_id) == ("test", "test-run", "test")


def failure(reports: CostReports, delivery: CostDelivery) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        in_activity(reports.import_delivery, delivery)
    return caught.value


def delivery_without_its_part(reports: CostReports, folder: Path, *, wait_for_parts: bool) -> CostDelivery:
    made = MadeReport()
    made.write(folder)
    (folder / made.keys[0]).unlink()
    found, _ = in_activity(reports.find_deliveries, wanted(folder, wait_for_parts=wait_for_parts))
    return found.deliveries[0]


def test_a_missing_part_is_final_for_somebody_who_does_not_wait(reports: CostReports, tmp_path: Path) -> None:
    error = failure(reports, delivery_without_its_part(reports, tmp_path, wait_for_parts=False))
    assert (error.type, error.non_retryable, error.details) == ("DamagedReport", True, ("MissingPart",))


def test_a_missing_part_is_looked_for_again_where_it_may_still_arrive(reports: CostReports, tmp_path: Path) -> None:
    delivery = delivery_without_its_part(reports, tmp_path, wait_for_parts=True)
    error = failure(reports, delivery)
    assert (error.type, error.non_retryable) == ("MissingPart", False)
    assert error.next_retry_delay == timedelta(minutes=1)
    assert error.category is ApplicationErrorCategory.BENIGN
    MadeReport().write(tmp_path)  # replication has brought it
    result, _ = in_activity(reports.import_delivery, delivery)
    assert result.status == "imported"


def test_other_damage_is_final_even_while_parts_are_waited_for(reports: CostReports, tmp_path: Path) -> None:
    MadeReport([[line("twelve")]]).write(tmp_path)
    found, _ = in_activity(reports.find_deliveries, wanted(tmp_path, wait_for_parts=True))
    error = failure(reports, found.deliveries[0])
    assert (error.type, error.non_retryable, error.details) == ("DamagedReport", True, ("BadLine",))


def test_a_long_message_is_cut(reports: CostReports, tmp_path: Path) -> None:
    lines = [line("twelve", LineItemId="x" * 5_000)]
    MadeReport([lines], prefix="/".join(["y" * 200] * 4) + "/").write(tmp_path)
    found, _ = in_activity(reports.find_deliveries, wanted(tmp_path))
    assert len(failure(reports, found.deliveries[0]).message) <= ERROR_CHARS_MAX


def test_a_database_that_is_gone_is_tried_again(ledger: Ledger, tmp_path: Path) -> None:
    MadeReport().write(tmp_path)
    reports = CostReports(ledger, "postgresql://127.0.0.1:9/none", Organization(), 128)
    found, _ = in_activity(reports.find_deliveries, wanted(tmp_path))
    error = failure(reports, found.deliveries[0])
    assert (error.type, error.non_retryable) == ("Unavailable", False)


def test_a_refusal_is_a_result(reports: CostReports, tmp_path: Path) -> None:
    MadeReport([[line(CurrencyCode="EUR")]]).write(tmp_path)
    found, _ = in_activity(reports.find_deliveries, wanted(tmp_path))
    result, _ = in_activity(reports.import_delivery, found.deliveries[0])
    assert (result.status, result.error, result.code) == ("refused", "Refusal", "OtherCurrency")


def test_a_cancelled_import_ends_in_the_middle_of_a_statement() -> None:
    environment = ActivityEnvironment()
    started = time.monotonic()

    def work() -> None:
        with duckdb.connect() as connection, watched(connection, cost_reports._heartbeat(), "adding up"):
            Timer(0.2, environment.cancel).start()
            connection.execute(LONG_QUERY)

    with pytest.raises(CancelledError):
        environment.run(work)
    assert time.monotonic() - started < 20


def test_a_statement_that_is_done_leaves_its_watcher_behind_at_once() -> None:
    seen: list[Progress] = []
    with duckdb.connect() as connection, watched(connection, seen.append, "adding up"):
        connection.execute("SELECT 1")
    assert seen == []


IMPOSTORS = [
    ("nobody@example.com", Channel.CLI, "NotFound", "UnknownPerson"),
    (STRANGER, Channel.CLI, "Forbidden", "NotGranted"),
    (SYSTEM, Channel.CLI, "Forbidden", "SystemActor"),
    (SYSTEM, Channel.WORKFLOW, "Forbidden", "SystemActor"),  # a process that was started by hand
    (SYSTEM, Channel.SETUP, "Forbidden", "SystemActor"),
    (str(SYSTEM_ID), Channel.WORKFLOW, "Forbidden", "SystemActor"),
]


@pytest.mark.parametrize(("actor", "channel", "error", "code"), IMPOSTORS)
def test_whoever_may_not_import_does_not_even_get_to_look(
    reports: CostReports, ledger: Ledger, tmp_path: Path, actor: str, channel: Channel, error: str, code: str
) -> None:
    with pytest.raises(ApplicationError) as refused:
        in_activity(reports.find_deliveries, wanted(tmp_path / "not there", actor=actor, channel=channel))
    assert (refused.value.type, refused.value.non_retryable, refused.value.details) == (error, True, (code,))
    assert [fact.code for fact in refusals(ledger)] == [code]


@pytest.mark.parametrize(("actor", "channel", "error", "code"), IMPOSTORS)
def test_whoever_may_not_import_is_refused_before_anything_is_read(
    reports: CostReports, ledger: Ledger, tmp_path: Path, actor: str, channel: Channel, error: str, code: str
) -> None:
    MadeReport().write(tmp_path)
    found, _ = in_activity(reports.find_deliveries, wanted(tmp_path))
    (part,) = tmp_path.rglob("*.gz")
    part.unlink()
    delivery = found.deliveries[0].model_copy(update={"actor": actor, "channel": channel})
    result, heartbeats = in_activity(reports.import_delivery, delivery)
    assert (result.status, result.error, result.code) == ("refused", error, code)
    assert heartbeats == []
    assert [(fact.subject, fact.code) for fact in refusals(ledger)] == [("cost/2026-05", code)]


def test_whoever_may_not_import_is_refused_although_nothing_would_change(
    reports: CostReports, ledger: Ledger, tmp_path: Path
) -> None:
    MadeReport().write(tmp_path)
    found, _ = in_activity(reports.find_deliveries, wanted(tmp_path))
    result, _ = in_activity(reports.import_delivery, found.deliveries[0])
    assert result.status == "imported"
    again, _ = in_activity(reports.import_delivery, found.deliveries[0].model_copy(update={"actor": STRANGER}))
    assert (again.status, again.code) == ("refused", "NotGranted")


def refusals(ledger: Ledger) -> list[CommandRefused]:
    return [event.fact for event in ledger.follow(0, 100) if isinstance(event.fact, CommandRefused)]
