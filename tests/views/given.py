"""What tests of the views are given: logs, facts, a believable company, and many random events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID, uuid4, uuid5

import psycopg

from domain import registry
from domain.account import account_stream
from domain.account_facts import Allocated, Changed, Vended
from domain.allocation import AccountType, Share
from domain.budget import AnnualApproved, BudgetLoaded, book_stream, line_stream
from domain.calendar import FiscalCalendar, Month
from domain.cost import PeriodImported, period_stream
from domain.cost_metric import CostMetric
from domain.decision import (
    NAMESPACE,
    Channel,
    CommandRefused,
    Event,
    Fact,
    Organization,
    Origin,
    Persona,
    PersonId,
    RecordedEvent,
    Stream,
    refusal_stream,
)
from domain.hierarchy import NodePath
from domain.metric_choice import METRIC_STREAM, MetricChosen
from domain.people import Granted, Registered, person_stream
from domain.restatement import AccountRestated, account_cost_stream
from domain.schedule import Approved, Rejected, Submitted, schedule_stream
from ledger.connection import Connections
from ledger.mapper import Envelope, FactMapper
from ledger.recorder import LedgerDatastore, LedgerRecorder
from views.spend import METRICS

ORGANIZATION = Organization()
CALENDAR = FiscalCalendar()
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
HASH = "ab" * 32


def person(name: str) -> PersonId:
    return PersonId(uuid5(NAMESPACE, f"test/{name}"))


ANN, BOB, EVE = person("ann"), person("bob"), person("eve")


class ListLog:
    """A log in memory, for folds that need no ledger."""

    def __init__(self, *events: Event) -> None:
        self.events: list[RecordedEvent] = []
        self._versions: dict[Stream, int] = {}
        self.add(*events)

    def add(self, *events: Event) -> int:
        """The position of the last one. Positions have holes, as in a real log."""
        for stream, fact in events:
            position = (self.events[-1].position if self.events else 0) + 1 + (len(self.events) % 50 == 49)
            version = self._versions[stream] = self._versions.get(stream, 0) + 1
            self.events.append(recorded(position, stream, version, fact))
        return self.events[-1].position if self.events else 0

    def follow(self, after: int, limit: int) -> list[RecordedEvent]:
        first = next((n for n in range(min(after, len(self.events)), -1, -1) if self._position(n - 1) <= after), 0)
        return self.events[first : first + limit]

    def settled_head(self) -> int:
        return self._position(len(self.events) - 1)

    def _position(self, index: int) -> int:
        return self.events[index].position if index >= 0 else 0


def recorded(position: int, stream: Stream, version: int, fact: Fact) -> RecordedEvent:
    command_id = uuid5(NAMESPACE, f"command/{position}")
    return RecordedEvent(
        position=position,
        event_id=uuid5(command_id, "0"),
        stream_id=stream.id,
        stream=str(stream),
        stream_version=version,
        fact=fact,
        actor=ANN,
        on_behalf_of=None,
        channel=Channel.UPDATE,
        command_id=command_id,
        workflow_id=f"workflow/{stream}",
        workflow_run_id="run",
        activity_id="1",
        recorded_at=START + timedelta(seconds=position),
    )


def path(text: str) -> NodePath:
    return NodePath.parse(text)


def loaded(products: int = 1, total: str = "0", fiscal_year: int = 2026, **more: Any) -> Event:
    more.setdefault("labels", ("Division", "Team", "Portfolio", "Product"))
    fact = BudgetLoaded(
        fiscal_year=fiscal_year,
        content_hash=HASH,
        customer="Customer",
        option="Budget",
        file_version="v1",
        effective_on=date(fiscal_year, 1, 1),
        currency="USD",
        products=products,
        total=Decimal(total),
        **more,
    )
    return Event(book_stream(fiscal_year), fact)


def line(product: str, annual: str, fiscal_year: int = 2026, **more: Any) -> Event:
    fact = AnnualApproved(
        fiscal_year=fiscal_year,
        product=path(product),
        annual=Decimal(annual),
        currency="USD",
        effective_on=date(fiscal_year, 1, 1),
        content_hash=HASH,
        **more,
    )
    return Event(line_stream(fiscal_year, fact.product), fact)


def by_month(amounts: Sequence[str], fiscal_year: int) -> dict[Month, Decimal]:
    """Amounts from the first month on; the last one is repeated to the end of the year."""
    months = CALENDAR.months(fiscal_year)
    padded = [*amounts, *[amounts[-1]] * (len(months) - len(amounts))]
    return {month: Decimal(amount) for month, amount in zip(months, padded, strict=True)}


def submitted(
    product: str,
    *amounts: str,
    fiscal_year: int = 2026,
    by: PersonId = ANN,
    on_behalf_of: PersonId | None = None,
    note: str = "",
) -> Event:
    fact = Submitted(
        fiscal_year=fiscal_year,
        product=path(product),
        amounts=by_month(amounts, fiscal_year),
        annual=Decimal(10_000),
        currency="USD",
        submitted_by=by,
        submitted_for=on_behalf_of,
        note=note,
    )
    return Event(schedule_stream(fiscal_year, fact.product), fact)


def approved(product: str, fiscal_year: int = 2026, version: int = 1, note: str = "") -> Event:
    fact = Approved(fiscal_year=fiscal_year, product=path(product), decided_version=version, decided_by=BOB, note=note)
    return Event(schedule_stream(fiscal_year, fact.product), fact)


def rejected(product: str, reason: str, fiscal_year: int = 2026, version: int = 1) -> Event:
    fact = Rejected(
        fiscal_year=fiscal_year, product=path(product), decided_version=version, decided_by=BOB, reason=reason
    )
    return Event(schedule_stream(fiscal_year, fact.product), fact)


def granted(person_id: PersonId, persona: Persona, node: str = "/") -> Event:
    return Event(person_stream(person_id), Granted(person_id=person_id, persona=persona, node=path(node)))


def registered(person_id: PersonId) -> Event:
    return Event(person_stream(person_id), Registered(person_id=person_id))


def seen_fields(account_id: str, name: str = "shop", state: str = "ACTIVE", **more: Any) -> dict[str, Any]:
    """Of an account as Organizations shows it."""
    return {
        "account_id": account_id,
        "name": name,
        "email": f"{account_id}@example.com",
        "state": state,
        "joined_method": "CREATED",
        "joined_at": datetime(2025, 11, 3, tzinfo=UTC),
        "ou_path": "/Workloads",
        "tags": {"team": name},
        **more,
    }


def vended(account_id: str, name: str = "shop", state: str = "ACTIVE", **more: Any) -> Event:
    return Event(account_stream(account_id), Vended.model_validate(seen_fields(account_id, name, state, **more)))


def changed(account_id: str, name: str = "shop", state: str = "ACTIVE", **more: Any) -> Event:
    return Event(account_stream(account_id), Changed.model_validate(seen_fields(account_id, name, state, **more)))


def allocated(account_id: str, effective_on: date, **shares: str) -> Event:
    return allocated_to(account_id, effective_on, {f"Retail/Digital/Web/{name}": part for name, part in shares.items()})


def allocated_to(account_id: str, effective_on: date, shares: dict[str, str], **more: Any) -> Event:
    ordered = sorted((path(product), Decimal(percent)) for product, percent in shares.items())
    fact = Allocated(
        account_id=account_id,
        account_type=AccountType.PRODUCTION,
        shares=tuple(Share(product=product, percent=percent) for product, percent in ordered),
        effective_on=effective_on,
        allocated_by=ANN,
        **more,
    )
    return Event(account_stream(account_id), fact)


class CostRow(NamedTuple):
    billing_period: date
    report_version: str
    account_id: str
    service: str
    charge_type: str
    usage_date: date
    unblended: Decimal
    amortized: Decimal | None = None
    """None, as in versions of before there was more than one metric, is the same as unblended."""
    net_unblended: Decimal | None = None
    net_amortized: Decimal | None = None


def measured(row: CostRow, amortized: str, net_unblended: str, net_amortized: str) -> CostRow:
    """The row with all four metrics."""
    return row._replace(
        amortized=Decimal(amortized), net_unblended=Decimal(net_unblended), net_amortized=Decimal(net_amortized)
    )


def cost(account_id: str, day: str, amount: str, *, version: str = "v1", period: str = "", **more: str) -> CostRow:
    usage_date = date.fromisoformat(day)
    return CostRow(
        Month.parse(period).first_day if period else usage_date.replace(day=1),
        version,
        account_id,
        more.get("service", "AmazonEC2"),
        more.get("charge_type", "Usage"),
        usage_date,
        Decimal(amount),
    )


PAYER = "111111111111"


def imported(rows: Iterable[CostRow], period: str, version: str = "v1", **more: Any) -> Event:
    month, totals = Month.parse(period), dict[str, Decimal]()
    rows = [row for row in rows if row.billing_period == month.first_day and row.report_version == version]
    metric_totals: dict[str, dict[str, Decimal]] = {metric: {} for metric in METRICS[1:]}
    for row in rows:
        totals[row.charge_type] = totals.get(row.charge_type, Decimal(0)) + row.unblended
        for metric, of_type in metric_totals.items():
            amount = row.unblended if getattr(row, metric) is None else getattr(row, metric)
            of_type[row.charge_type] = of_type.get(row.charge_type, Decimal(0)) + amount
    more = {"metric_totals": metric_totals} | more
    fact = PeriodImported(
        source="report",
        billing_period=month,
        report_version=version,
        payer_account_id=more.pop("payer", PAYER),
        manifest_hash=HASH,
        currency="USD",
        lines=len(rows),
        rows=len(rows),
        totals=totals,
        **more,
    )
    return Event(period_stream(month), fact)


def restated(
    account_id: str, month: Month, before: str, version: str, payer: str = PAYER, booked_in: Month | None = None
) -> Event:
    fact = AccountRestated(
        billing_period=month,
        payer_account_id=payer,
        account_id=account_id,
        from_version=before,
        to_version=version,
        before={"unblended": Decimal("1.5")},
        after={"unblended": Decimal(2)},
        first_changed=month.first_day,
        last_changed=month.last_day,
        adjustment=booked_in is not None,
        booked_in=booked_in,
    )
    return Event(account_cost_stream(account_id, month), fact)


def metric_chosen(metric: CostMetric, fiscal_year: int = 2026, note: str = "") -> Event:
    return Event(METRIC_STREAM, MetricChosen(fiscal_year=fiscal_year, metric=metric, note=note))


def refused(number: int, subject: str) -> Event:
    fact = CommandRefused(
        subject=subject, command="schedule.Submit", error="Refusal", code="OverAnnual", message="Too much."
    )
    return Event(refusal_stream(UUID(int=number)), fact)


def store_costs(database_url: str, rows: Sequence[CostRow]) -> None:
    """Puts cost rows where an import would put them."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('cost_rows')").fetchone() == (None,):
            connection.execute(
                "CREATE TABLE cost_rows (billing_period date, report_version text, account_id text, service text,"
                " charge_type text, usage_date date, unblended numeric(38,18),"
                " amortized numeric(38,18), net_unblended numeric(38,18), net_amortized numeric(38,18))"
                " PARTITION BY LIST (billing_period)"
            )
        for period in {row.billing_period for row in rows}:
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS cost_rows_{period:%Y_%m} PARTITION OF cost_rows FOR VALUES IN ('{period}')"
            )
        with connection.cursor().copy(f"COPY cost_rows ({', '.join(CostRow._fields)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def append(database_url: str, events: Sequence[Event]) -> None:
    """Puts events into the real ledger, many in a transaction, without deciding on them."""
    connections = Connections(database_url, 1)
    connections.open()
    recorder, mapper = LedgerRecorder(LedgerDatastore(connections)), FactMapper(registry.FACTS)
    versions: dict[Any, int] = {}
    for first in range(0, len(events), 1_000):
        chunk = events[first : first + 1_000]
        envelope = Envelope(START + timedelta(seconds=first), ANN, Channel.CLI, uuid4(), Origin(workflow_id="w"))
        recorder.insert_events(mapper.to_stored(chunk, versions, envelope))
        for event in chunk:
            versions[event.stream] = versions.get(event.stream, 0) + 1
    connections.close()
