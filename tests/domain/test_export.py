"""Who may take which figures, and what is recorded of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from domain.calendar import Month
from domain.decision import Actor, Decision, Event, Persona
from domain.errors import Forbidden, NotFound, Refusal
from domain.export import (
    FILES_MAX,
    ExportFormat,
    ExportKind,
    ExportRequest,
    Finished,
    FinishExport,
    Started,
    StartExport,
    export_stream,
)
from domain.hierarchy import NodePath
from tests.domain.specs import ADMIN, CHECKOUT, LEAD, OWNER, actor, command_id, decide

RETAIL, OTHER = NodePath(("Retail",)), NodePath(("Retail 2",))
DEPARTMENT = CHECKOUT.portfolio.parent
VENDOR = actor("vendor", (Persona.VENDOR_MANAGER, NodePath.ROOT))
UNIT = actor("unit", (Persona.BU_OWNER, RETAIL))
DELEGATE = actor("delegate")
HASH = "0a" * 32


def request(node: NodePath = RETAIL, **more: Any) -> ExportRequest:
    fields = {"what": ExportKind.ROLLUP, "format": ExportFormat.CSV, "fiscal_year": 2026, "node": node, **more}
    return ExportRequest.model_validate(fields)


def start(node: NodePath = RETAIL, **more: Any) -> StartExport:
    return StartExport(command_id=command_id(), actor="x", request=request(node, **more))


def finish(sha256: str = HASH) -> FinishExport:
    told: dict[str, Any] = {"rows": 3, "total": "-1.50", "position": 7, "size_bytes": 99, "sha256": sha256}
    return FinishExport(command_id=uuid4(), actor="x", export_id=command_id(), **told)


def started(by: Actor = UNIT, node: NodePath = RETAIL) -> Event:
    return Event(export_stream(command_id()), Started(taken_by=by.person_id, **dict(request(node))))


def finished(sha256: str = HASH) -> Event:
    (event,) = decide(finish(sha256), UNIT, [started()]).events
    return event


@pytest.mark.parametrize(
    ("by", "allowed"),
    [
        (ADMIN, (NodePath.ROOT, RETAIL, OTHER, CHECKOUT)),
        (VENDOR, (NodePath.ROOT, RETAIL, OTHER, CHECKOUT)),
        (UNIT, (RETAIL, CHECKOUT)),
        (actor("engineer", (Persona.CLOUD_ENGINEER, NodePath.ROOT)), ()),
        (actor("department", (Persona.DEPARTMENT_OWNER, DEPARTMENT)), ()),
        (LEAD, ()),
        (OWNER, ()),
        (DELEGATE, ()),
    ],
)
def test_finance_takes_all_and_a_unit_its_own(by: Actor, allowed: tuple[NodePath, ...]) -> None:
    for node in (NodePath.ROOT, RETAIL, OTHER, DEPARTMENT, CHECKOUT):
        if node in allowed or (node == DEPARTMENT and allowed):
            assert decide(start(node), by).events == [
                Event(export_stream(command_id()), Started(taken_by=by.person_id, **dict(request(node))))
            ]
        else:
            with pytest.raises(Forbidden, match="one must be bu_owner or financial_admin or vendor_manager there"):
                decide(start(node), by)


def test_what_was_taken_is_recorded_with_the_files_hash() -> None:
    decision = decide(finish(), UNIT, [started()])
    (event,) = decision.events
    fact = event.fact
    assert isinstance(fact, Finished)
    assert (fact.taken_by, fact.node, fact.rows, str(fact.total)) == (UNIT.person_id, RETAIL, 3, "-1.50")
    assert (fact.sha256, fact.position, fact.size_bytes, fact.currency) == (HASH, 7, 99, "USD")
    assert decision.message == (
        "Exported rollup of Retail: 3 rows, USD -1.50, SHA-256 0a0a0a0a0a0a…, as of log position 7."
    )
    assert decision.authority.policies == ("finance-export-own-unit",)


def test_the_same_file_is_recorded_once_and_another_one_besides() -> None:
    given = [started(), finished()]
    assert _nothing_changed(decide(finish(), UNIT, given))
    assert len(decide(finish("0b" * 32), UNIT, given).events) == 1
    assert _nothing_changed(decide(start(), UNIT, given))


def test_only_whoever_started_it_and_still_may_finishes_it() -> None:
    for by, given, code in (
        (ADMIN, [started()], "OtherPerson"),
        (actor("unit"), [started()], "NotGranted"),
        (UNIT, [], "UnknownExport"),
    ):
        with pytest.raises((Forbidden, NotFound)) as refused:
            decide(finish(), by, given)
        assert refused.value.code == code


def test_a_delegate_takes_what_the_unit_may() -> None:
    decision = decide(start(), DELEGATE, delegators=(UNIT,))
    assert decision.authority.on_behalf_of == UNIT.person_id
    with pytest.raises(Forbidden):
        decide(start(OTHER), DELEGATE, delegators=(UNIT,))


def test_a_month_belongs_to_its_year() -> None:
    assert decide(start(billing_period=Month(2026, 12)), UNIT).events
    with pytest.raises(Refusal, match="2027-01 is not in the fiscal year 2026"):
        decide(start(billing_period=Month(2027, 1)), UNIT)


def test_an_export_has_a_limited_number_of_files() -> None:
    files = [finished(f"{n:064x}") for n in range(FILES_MAX)]
    assert decide(finish(f"{FILES_MAX:064x}"), UNIT, [started(), *files[1:]]).events
    with pytest.raises(Refusal, match="100 files already"):
        decide(finish(f"{FILES_MAX:064x}"), UNIT, [started(), *files])


def _nothing_changed(decision: Decision) -> bool:
    return not decision.events and "nothing changed" in decision.message
