"""Workloads: what was last submitted for them, what counts, whose turn it is, and until when they last.

The states follow `domain.workload.evolve`, from which a decision is made; a test compares the two on random events.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic_core import to_json

from domain.calendar import Month
from domain.decision import Fact, RecordedEvent
from domain.money import plain
from domain.waiting import Escalated, Reminded
from domain.workload import (
    FACTS,
    FIRST_ROUND,
    Amounts,
    Created,
    EndMoved,
    EstimateApproved,
    EstimateLapsed,
    EstimateRejected,
    EstimateRevised,
    EstimateSubmitted,
    EstimateWithdrawn,
    Renamed,
    State,
    Withdrawn,
    sum_of,
)
from views.batch import ZERO, Batch, Projection, missing
from views.paths import path_text
from views.tables import Json
from views.workload_rows import WORKLOADS, WorkloadRow, waiting_workload


def wants(batch: Batch, _: RecordedEvent, fact: Any) -> None:
    if (key := _key(fact)) is not None:
        batch.rows(WORKLOADS).want(*key)


def fold(batch: Batch, event: RecordedEvent, fact: Any) -> None:
    if (key := _key(fact)) is None:
        return
    workloads = batch.rows(WORKLOADS)
    before = workloads.get(*key)
    if isinstance(fact, Created):
        workloads.put(_created(event, fact))
    elif before is None:
        raise missing(event, f"workload {key[1]} of {key[0]}")
    elif isinstance(fact, Reminded | Escalated):
        if fact.turn == before.turn:  # what was said about an earlier turn is over with it
            workloads.put(_waited(event, fact, before))
    else:
        after = _moved(event, before, **_changes(event, fact, before))
        workloads.put(after)
        if after.ends_on != before.ends_on:
            batch.changes.ends_moved.add(key)
        if after.fiscal_year != before.fiscal_year:
            batch.changes.tasks_over.add((before.subject, before.fiscal_year))
    batch.changes.workloads[key] = None


def _key(fact: Any) -> tuple[str, str] | None:
    """Of the workload that it is about; None for a schedule's or an account's waiting."""
    if isinstance(fact, Reminded | Escalated):
        return waiting_workload(fact)
    return path_text(fact.product), fact.workload


def _created(event: RecordedEvent, fact: Created) -> WorkloadRow:
    return WorkloadRow(
        product=path_text(fact.product),
        workload=fact.workload,
        title=fact.workload,
        account_id=fact.account_id,
        launch_month=str(fact.launch_month),
        end_month=str(fact.end_month),
        ends_on=fact.end_month.plus(1).first_day,
        withdrawn_on=None,
        created_by=fact.created_by,
        created_at=event.recorded_at,
        state=State.DRAFT.value,
        version=event.stream_version,
        turn=0,
        since=event.recorded_at,
        since_position=event.position,
        round=FIRST_ROUND,
        fiscal_year=0,
        currency="",
        submitted=Json("{}"),
        submitted_total=ZERO,
        submitted_by=None,
        submitted_for=None,
        submitted_at=None,
        calculator_url="",
        note=fact.note,
        approved=None,
        decided_by=None,
        decided_for=None,
        decided_at=None,
        reason="",
        reminders=0,
        escalated_at=None,
        updated_at=event.recorded_at,
    )


def _moved(event: RecordedEvent, before: WorkloadRow, **changes: Any) -> WorkloadRow:
    """Another state begins another turn."""
    if changes.get("state", before.state) != before.state:
        begun = {"turn": event.stream_version, "since": event.recorded_at, "since_position": event.position}
        changes = {"reminders": 0, "escalated_at": None} | begun | changes
    return before._replace(version=event.stream_version, updated_at=event.recorded_at, **changes)


def _changes(event: RecordedEvent, fact: Fact, before: WorkloadRow) -> dict[str, Any]:
    match fact:
        case Renamed():
            return {"title": fact.title}
        case EndMoved():
            return {"end_month": str(fact.end_month), "ends_on": _ends_on(fact.end_month, before.withdrawn_on)}
        case Withdrawn():
            ends_on = _ends_on(Month.parse(before.end_month), fact.effective_on)
            return {"withdrawn_on": fact.effective_on, "ends_on": ends_on, "reason": fact.reason}
        case EstimateSubmitted():
            return _submitted(event, fact)
        case EstimateWithdrawn() | EstimateRevised():
            return {"state": State.DRAFT.value}
        case EstimateApproved():
            decided = _decided(event, fact)
            return decided | {"state": State.APPROVED.value, "approved": before.submitted, "reason": fact.note}
        case EstimateRejected():
            return _decided(event, fact) | {"state": State.REJECTED.value, "reason": fact.reason}
        case EstimateLapsed():
            return {"state": (State.APPROVED if before.approved else State.DRAFT).value}
    raise TypeError(f"{type(fact).__name__} is no fact of a workload")


def _ends_on(end_month: Month, withdrawn_on: date | None) -> date:
    after = end_month.plus(1).first_day
    return after if withdrawn_on is None else min(after, withdrawn_on)


def _submitted(event: RecordedEvent, fact: EstimateSubmitted) -> dict[str, Any]:
    return {
        "state": State.SUBMITTED.value,
        "round": fact.round,
        "fiscal_year": fact.fiscal_year,
        "currency": fact.currency,
        "submitted": _json(fact.amounts),
        "submitted_total": sum_of(fact.amounts),
        "submitted_by": fact.submitted_by,
        "submitted_for": fact.submitted_for,
        "submitted_at": event.recorded_at,
        "calculator_url": fact.calculator_url,
        "note": fact.note,
    }


def _decided(event: RecordedEvent, fact: EstimateApproved | EstimateRejected) -> dict[str, Any]:
    return {"decided_by": fact.decided_by, "decided_for": event.on_behalf_of, "decided_at": event.recorded_at}


def _waited(event: RecordedEvent, fact: Reminded | Escalated, before: WorkloadRow) -> WorkloadRow:
    if isinstance(fact, Reminded):
        return before._replace(reminders=fact.count)
    return before._replace(escalated_at=event.recorded_at)


def _json(amounts: Amounts) -> Json:
    texts = {
        component.value: {str(month): plain(amount) for month, amount in months.items()}
        for component, months in amounts.items()
    }
    return Json(to_json(texts).decode())


PROJECTION = Projection((WORKLOADS,), (*FACTS, Reminded, Escalated), wants, fold)
