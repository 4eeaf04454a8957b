"""What older versions recorded is read by the code of today: facts, folds, views, and the decisions that follow."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import StoredEvent
from pydantic_core import from_json, to_json

from domain.account import ENDING_STATES, ORGANIZATION_STREAM, Account, account_stream
from domain.account_facts import Allocated, Basis, Occasion
from domain.account_observing import ObserveAccounts, needs_alignment
from domain.decision import SYSTEM, Accepted, Channel, Event, Stream
from domain.registry import FACTS, FOLDS
from ledger.connection import Connections
from ledger.ledger import Ledger
from ledger.mapper import FactMapper
from ledger.recorder import LedgerDatastore, LedgerRecorder
from rights.cedar import CedarRights
from tests.views.given import ANN, ORGANIZATION, START, CostRow, store_costs
from views.projector import Projector
from views.rebuild import rebuild

FOLDER = Path(__file__).parent / "old_ledgers"
NAMES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
MAPPER = FactMapper(FACTS)
LATER = datetime(2027, 6, 1, tzinfo=UTC)

pytestmark = pytest.mark.parametrize("name", NAMES)


def lines(name: str) -> list[dict[str, Any]]:
    return [from_json(line) for line in (FOLDER / f"{name}.jsonl").read_bytes().splitlines()]


def state_of(line: dict[str, Any], **envelope: Any) -> bytes:
    return to_json(envelope | {"v": line["version"], "fact": line["data"]})


def events_of(name: str) -> list[Event]:
    return [
        Event(Stream(*line["stream"].split("/", 1)), MAPPER.to_fact(line["fact"], state_of(line)))
        for line in lines(name)
    ]


def append(database_url: str, name: str) -> None:
    """Puts the facts into the real ledger as they were written."""
    versions: Counter[Stream] = Counter()
    stored = []
    for number, line in enumerate(lines(name)):
        stream = Stream(*line["stream"].split("/", 1))
        versions[stream] += 1
        envelope = {
            "id": uuid4(),
            "stream": str(stream),
            "at": START + timedelta(seconds=number),
            "actor": ANN,
            "channel": Channel.CLI,
            "command": uuid4(),
        }
        stored.append(StoredEvent(stream.id, versions[stream], line["fact"], state_of(line, **envelope)))
    connections = Connections(database_url, 1)
    connections.open()
    LedgerRecorder(LedgerDatastore(connections)).insert_events(stored)


def costs_of(name: str) -> list[CostRow]:
    with (FOLDER / f"{name}_costs.csv").open(newline="") as file:
        return [
            CostRow(
                date.fromisoformat(row["billing_period"]),
                row["report_version"],
                row["account_id"],
                row["service"],
                row["charge_type"],
                date.fromisoformat(row["usage_date"]),
                Decimal(row["unblended_cost"]),
            )
            for row in csv.DictReader(file)
        ]


def accounts_of(events: list[Event]) -> dict[str, Account]:
    states: dict[str, Account] = {}
    for stream, fact in events:
        if stream.category == "account":
            fold = FOLDS["account"]
            states[stream.key] = fold.evolve(states.get(stream.key, fold.initial), fact)
    return states


def test_every_field_is_kept(name: str) -> None:
    written = lines(name)
    assert len(written) > 400
    for line in written:
        now = from_json(to_json(MAPPER.to_fact(line["fact"], state_of(line))))
        assert {field: now[field] for field in line["data"]} == line["data"], line


def test_allocations_of_before_were_made_by_hand(name: str) -> None:
    made = [fact for _, fact in events_of(name) if isinstance(fact, Allocated)]
    assert made
    assert {(fact.basis, fact.rule, fact.proposal) for fact in made} == {(Basis.HAND, "", 0)}


def test_live_views_equal_their_rebuild(name: str, database_url: str, every_row: Callable[[], Any]) -> None:
    events = events_of(name)
    store_costs(database_url, costs_of(name))
    append(database_url, name)
    with Ledger(database_url, ORGANIZATION, rights=CedarRights(), pool_size=2) as ledger:
        Projector(ledger, database_url, ORGANIZATION, batch_events_max=7).catch_up()
        live = every_row()
        rebuild(ledger, database_url, ORGANIZATION)
    assert every_row() == live
    assert len(live["audit"]) == len(events)
    known = accounts_of(events)
    assert len(live["accounts"]) == len(known)
    assert all(live[name] for name in ("monthly_actuals", "allocations", "schedules"))


def test_the_next_full_read_asks_for_accounts_nobody_has_allocated(name: str, database_url: str) -> None:
    events = events_of(name)
    append(database_url, name)
    accounts = accounts_of(events)
    missing = {
        key
        for key, account in accounts.items()
        if account.seen and account.seen.state not in ENDING_STATES and not account.allocations
    }
    assert missing
    with Ledger(database_url, ORGANIZATION, rights=CedarRights(), pool_size=2) as ledger:
        organization = ledger.states([ORGANIZATION_STREAM])[ORGANIZATION_STREAM]
        command = ObserveAccounts(
            command_id=UUID(int=1),
            actor=SYSTEM,
            channel=Channel.WORKFLOW,
            organization_id=organization.organization_id,
            management_account_id=organization.management_account_id,
            accounts=tuple(account.seen for account in accounts.values()),
            observed_at=LATER,
        )
        outcome = ledger.record(command)
        assert isinstance(outcome, Accepted)
        states = ledger.states([account_stream(key) for key in accounts])
        again = ledger.record(command.model_copy(update={"command_id": UUID(int=2)}))
    opened = {stream.key: state for stream, state in states.items() if state.is_open}
    assert set(opened) == missing
    assert {state.open_reason for state in opened.values()} == {Occasion.FIRST_SIGHT}
    assert not any(needs_alignment(state) for state in states.values())
    assert isinstance(again, Accepted)
    assert not again.events
