"""A small company whose people are told of events, with a real ledger and real views."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.sql import SQL

from domain.budget import BudgetRow
from domain.budget_load import LoadBudget
from domain.decision import SYSTEM, Accepted, Channel, Command, Organization, Persona, PersonId
from domain.hierarchy import NodePath
from domain.people_commands import DeactivatePerson, Delegate, GrantPersona, RegisterPerson
from domain.schedule_commands import SubmitSchedule
from domain.schedule_decisions import ApproveSchedule, RejectSchedule
from ledger.ledger import Ledger
from notifications.collect import Collector
from notifications.config import ChannelConfig
from notifications.outbox import Outbox
from views.database import Database
from views.projector import Projector

YEAR = 2026
PRODUCT = NodePath(("Retail", "Digital", "Web", "Checkout"))
OWNER, LEAD, OTHER_LEAD, DEPUTY = (
    "owner@example.com",
    "lead@example.com",
    "other.lead@example.com",
    "deputy@example.com",
)
ADMIN, HEAD = "admin@example.com", "head@example.com"
GRANTS = (
    (OWNER, Persona.PRODUCT_OWNER, PRODUCT),
    (LEAD, Persona.PORTFOLIO_OWNER, PRODUCT.portfolio),
    (OTHER_LEAD, Persona.PORTFOLIO_OWNER, PRODUCT.portfolio),
    (DEPUTY, None, NodePath.ROOT),
    (ADMIN, Persona.FINANCIAL_ADMIN, NodePath.ROOT),
    (HEAD, Persona.DEPARTMENT_OWNER, PRODUCT.portfolio.parent),
)
MONTHS = Organization().calendar.months(YEAR)
UI_URL = "http://ui.example/namespaces/default"


class Company:
    """The people, what they do, and the outbox of what they are told."""

    def __init__(self, ledger: Ledger, views: Database, outbox: Outbox, database_url: str) -> None:
        self.ledger, self.views, self.outbox, self.database_url = ledger, views, outbox, database_url
        self.organization = Organization()
        self.collector = Collector(ledger, views, outbox, self.organization.business, UI_URL)

    def settle(self) -> None:
        """Registers everybody, and loads a budget of USD 1,200.00."""
        for email, persona, node in GRANTS:
            self.ledger.people.ensure(email, email.partition("@")[0])
            self.do(RegisterPerson, SYSTEM, person=email)
            if persona:
                self.do(GrantPersona, SYSTEM, person=email, persona=persona, node=node)
        self.load("1200.00")

    def load(self, annual: str, **more: Any) -> Accepted:
        terms: dict[str, Any] = {"is_new": True, "effective_on": date(YEAR, 1, 1), "content_hash": "0" * 64} | more
        return self.do(
            LoadBudget,
            SYSTEM,
            fiscal_year=YEAR,
            customer="Example",
            option="Budget",
            file_version="v1",
            is_override=False,
            labels=("Business Unit", "Department", "Portfolio", "Product"),
            rows=(BudgetRow(product=PRODUCT, annual=Decimal(annual)),),
            **terms,
        )

    def do(self, command: Callable[..., Command], actor: str, **fields: Any) -> Accepted:
        channel = Channel.SETUP if actor == SYSTEM else Channel.CLI
        outcome = self.ledger.record(command(command_id=uuid4(), actor=actor, channel=channel, **fields))
        assert isinstance(outcome, Accepted), outcome
        return outcome

    def submit(self, actor: str = OWNER, each: str = "100.00", note: str = "") -> Accepted:
        amounts = {month: Decimal(each) for month in MONTHS}
        return self.do(SubmitSchedule, actor, fiscal_year=YEAR, product=PRODUCT, amounts=amounts, note=note)

    def approve(self, actor: str = LEAD, version: int = 1) -> Accepted:
        return self.do(ApproveSchedule, actor, fiscal_year=YEAR, product=PRODUCT, version=version)

    def reject(self, reason: str, actor: str = LEAD, version: int = 1) -> Accepted:
        return self.do(RejectSchedule, actor, fiscal_year=YEAR, product=PRODUCT, version=version, reason=reason)

    def delegate(self, by: str, to: str, first_day: date, last_day: date) -> Accepted:
        return self.do(Delegate, by, person=to, first_day=first_day, last_day=last_day)

    def deactivate(self, person: str) -> Accepted:
        return self.do(DeactivatePerson, ADMIN, person=person, reason="Left")

    def project(self) -> None:
        Projector(self.ledger, self.database_url, self.organization).catch_up()

    def collect(self, channel: str, config: ChannelConfig) -> int:
        self.project()
        return self.collector.collect(channel, config)

    def person(self, email: str) -> PersonId:
        person_id = self.ledger.people.find(email)
        assert person_id
        return person_id

    def told(self, channel: str = "mail") -> list[tuple[str, str]]:
        """Kind and address (or `room`) of each row, in order."""
        emails = {str(self.person(email)): email for email, _, _ in GRANTS}
        rows = self.rows("SELECT kind, recipient FROM notification_outbox WHERE channel = %s ORDER BY id", channel)
        return sorted((kind, emails.get(recipient, recipient)) for kind, recipient in rows)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(SQL(query), parameters)
            return cursor.fetchall() if cursor.description else []

    def later(self, seconds: int = 10_000) -> None:
        """As if that time had passed for the outbox."""
        ago = timedelta(seconds=seconds)
        self.rows("UPDATE notification_outbox SET next_try_at = next_try_at - %s", ago)
        self.rows("UPDATE notification_channels SET resume_at = resume_at - %s", ago)

    def statuses(self, channel: str) -> list[str]:
        query = "SELECT status FROM notification_outbox WHERE channel = %s ORDER BY id"
        return [status for (status,) in self.rows(query, channel)]

    def event_id(self) -> UUID:
        ((event_id,),) = self.rows("SELECT DISTINCT event_id FROM notification_outbox")
        assert isinstance(event_id, UUID)
        return event_id
