"""A ledger with somebody who loads budgets, and the activity as a worker runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.budget_files import BudgetFiles
from activities.contracts import Progress
from domain.decision import Accepted, Channel, Command, Organization, Persona
from domain.hierarchy import NodePath
from domain.people_commands import GrantPersona, RegisterPerson
from domain.process import BudgetFile, BudgetLoadResult, ImpactRow
from file_store import FileStore
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from views.projector import Projector

FINANCE = "fin@example.com"
FILE_NAME = "Acme_2026_true_2026-01-01_false_Budget_v1.csv"
HEADER = "Business Unit,Department,Portfolio,Product,Annual,Code,Owner\n"
CHECKOUT = "Retail,Digital,Web,Checkout,1200.00,C-1,ann@example.com\n"
SEARCH = "Retail,Digital,Web,Search,0.05,,\n"
GOOD = HEADER + CHECKOUT + SEARCH


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    """With one person in it, who may load budgets."""
    with Ledger(database_url, Organization(), rights=CedarRights(), pool_size=4) as ledger:
        make(ledger, FINANCE, Persona.FINANCIAL_ADMIN)
        yield ledger


def make(ledger: Ledger, email: str, persona: Persona, node: NodePath = NodePath.ROOT) -> None:
    """Somebody with a grant."""
    ledger.people.ensure(email, email.partition("@")[0])
    setup = {"actor": "system", "channel": Channel.SETUP, "person": email}
    must(ledger, RegisterPerson(command_id=uuid4(), **setup))
    must(ledger, GrantPersona(command_id=uuid4(), persona=persona, node=node, **setup))


def must(ledger: Ledger, command: Command) -> None:
    outcome = ledger.record(command)
    assert isinstance(outcome, Accepted), outcome


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(str(tmp_path))


class Loading:
    """The activity as a worker runs it."""

    def __init__(self, ledger: Ledger, store: FileStore, database_url: str = "") -> None:
        self.ledger, self.store, self.database_url = ledger, store, database_url
        self.files = BudgetFiles(ledger, store, Organization(), database_url)
        self.environment = ActivityEnvironment()
        self.progress: list[Progress] = []
        self.environment.on_heartbeat = self.progress.append

    def request(
        self, content: str | bytes, *, name: str = FILE_NAME, actor: str = FINANCE, **fields: Any
    ) -> BudgetFile:
        content_hash = self.store.put(content.encode() if isinstance(content, str) else content)
        return BudgetFile(command_id=uuid4(), actor=actor, content_hash=content_hash, file_name=name, **fields)

    def catch_up(self) -> None:
        """The views show all that is recorded."""
        Projector(self.ledger, self.database_url, Organization()).catch_up()

    def load(self, request: BudgetFile) -> BudgetLoadResult:
        return self.environment.run(self.files.load, request)

    def impact(self, result: BudgetLoadResult) -> list[ImpactRow]:
        return [ImpactRow.model_validate(row) for row in json.loads(self.store.get(result.impact))]

    def problems(self, result: BudgetLoadResult) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.store.get(result.report))
        return found


@pytest.fixture
def loading(ledger: Ledger, store: FileStore, database_url: str) -> Loading:
    return Loading(ledger, store, database_url)
