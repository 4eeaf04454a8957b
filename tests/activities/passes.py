"""Passes over an organization that is a script, at times that a test sets, with views and a starter of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.alignment_views import open_rounds
from activities.organizations import Organizations, Surroundings
from domain.account import Account, Lifecycle, account_stream, lifecycle
from domain.account_process import AlignmentRound, SyncRequest, SyncResult
from domain.decision import Fact
from ledger.ledger import Ledger
from tests.activities.aws_script import Answer, Answering, Script, account
from tests.activities.starting import Started

EVERY = timedelta(minutes=5)


def account_id(number: int) -> str:
    return f"{number:012}"


def listing(*accounts: dict[str, object], **answers: Answer | list[Answer] | Answering) -> Script:
    """An organization with its management account and these."""
    return Script(ListAccounts={"Accounts": [account(1), *accounts]}, **answers)


class Passes:
    """Each in a run of its own, five minutes after the one before."""

    def __init__(self, ledger: Ledger, database_url: str) -> None:
        self.ledger, self.url = ledger, database_url
        self.at = datetime(2026, 6, 10, 12, tzinfo=UTC)
        """When the last pass began."""
        self.present: Sequence[str] = ()
        """What the views show to be there."""
        self.open: Sequence[AlignmentRound] = ()
        """What the views show to be open."""
        self.starter = Started()
        self._passes = 0

    def __call__(self, script: Script, **how: Any) -> SyncResult:
        self._passes += 1
        self.at += EVERY
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, workflow_run_id=f"run-{self._passes}")
        around = Surroundings(lambda: self.present, lambda: self.open, self.starter)
        activities = Organizations(self.ledger, script.client, around, clock=lambda: self.at, **how)
        return environment.run(activities.sync, SyncRequest())

    def fails(self, script: Script) -> ApplicationError:
        with pytest.raises(ApplicationError) as failed:
            self(script)
        return failed.value

    def knows(self, *numbers: int) -> None:
        """A pass over these accounts, and views that have seen it."""
        self(listing(*[account(number) for number in numbers]))
        self.present = [account_id(number) for number in (1, *numbers)]
        self.open = open_rounds(self.ledger, self.present)
        self.starter.rounds.clear()
        self.starter.open.clear()

    def state(self, number: int) -> Account:
        found: Account = self.ledger.states([account_stream(account_id(number))])[account_stream(account_id(number))]
        return found

    def lifecycle(self, number: int) -> Lifecycle:
        return lifecycle(self.state(number))

    def facts(self, number: int) -> list[Fact]:
        return [event.fact for event in self.ledger.read(account_stream(account_id(number)))]

    def names(self, number: int) -> list[str]:
        return [fact.fact_name.partition(".")[2] for fact in self.facts(number)]
