"""The first bill of accounts: from reports that are really imported into what the ledger knows of the accounts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from itertools import count
from pathlib import Path

import psycopg
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import first_bills
from activities.alignment_views import read_alignment
from activities.contracts import FirstBillsRequest, FirstBillsResult
from activities.first_bills import FirstBills
from domain.account import Account, Lifecycle, account_stream, lifecycle
from domain.account_facts import AlignmentOpened, FirstBilled, Occasion
from domain.decision import SYSTEM_ID, Channel, Event, Fact, Organization, Persona
from domain.errors import Unavailable
from domain.hierarchy import NodePath
from domain.waiting import Escalated, Overdue, waiting_stream
from tests.activities.importing import MAY, Here
from tests.activities.starting import Started
from tests.support.cost_reports import MadeReport, line
from tests.views.given import allocated, append, vended

ID, OTHER, THIRD = "000000000042", "000000000043", "000000000044"
FIRST_DAY, LAST_DAY = date(2026, 5, 1), date(2026, 5, 31)
WAITS = AlignmentOpened(account_id=ID, occasion=1, reason=Occasion.FIRST_SIGHT)


class Bills:
    """Imports, and the activity after them."""

    def __init__(self, here: Here, folder: Path) -> None:
        self.here, self.ledger, self.folder = here, here.ledger, folder
        self.starter = Started()
        self._runs = count(1)

    def knows(self, *events: Event) -> None:
        append(self.here.url, events)

    def imports(self, *lines: dict[str, str], version: str = "v1") -> None:
        """One version of May."""
        MadeReport([lines], version=version).write(self.folder / version)
        assert self.here.run(self.folder / version).status == "imported"

    def record(self, version: str = "v1", attempt: int = 1) -> FirstBillsResult:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, workflow_run_id=f"run-{next(self._runs)}", attempt=attempt)
        activities = FirstBills(self.ledger, self.here.url, self.starter)
        return environment.run(activities.record, FirstBillsRequest(billing_period=MAY, report_version=version))

    def facts(self, account_id: str = ID) -> list[Fact]:
        return [event.fact for event in self.ledger.read(account_stream(account_id))]

    def names(self, account_id: str = ID) -> list[str]:
        return [fact.fact_name.partition(".")[2] for fact in self.facts(account_id)]

    def escalations(self, account_id: str = ID) -> list[Fact]:
        return [event.fact for event in self.ledger.read(waiting_stream(account_stream(account_id)))]

    def account(self, account_id: str = ID) -> Account:
        found: Account = self.ledger.states([account_stream(account_id)])[account_stream(account_id)]
        return found


@pytest.fixture
def bills(here: Here, tmp_path: Path) -> Bills:
    return Bills(here, tmp_path)


def aligned(account_id: str = ID) -> list[Event]:
    return [vended(account_id), allocated(account_id, FIRST_DAY, Checkout="100")]


def of(account_id: str, day: str = "2026-05-01", **changes: str) -> dict[str, str]:
    return line(UsageAccountId=account_id, UsageStartDate=f"{day}T00:00:00Z", **changes)


def first_billed(on: date, version: str = "v1", account_id: str = ID) -> FirstBilled:
    return FirstBilled(account_id=account_id, billing_period="2026-05", first_usage_on=on, report_version=version)


def spends(turn: int, account_id: str = ID) -> Escalated:
    """It does not wait for business days."""
    return Escalated(
        subject=f"account/{account_id}",
        turn=turn,
        persona=Persona.FINANCIAL_ADMIN,
        node=NodePath.ROOT,
        reason=Overdue.SPENDING,
    )


def test_an_aligned_account_is_billing_from_its_first_line_on(bills: Bills) -> None:
    bills.knows(*aligned())
    bills.imports(of(ID, "2026-05-13"), of(ID, "2026-05-12"), of(ID, "2026-05-20"))
    result = bills.record()
    assert result == FirstBillsResult(accounts=1, billed=1, position=bills.ledger.settled_head())
    assert bills.facts()[-1] == first_billed(date(2026, 5, 12))
    assert bills.names() == ["Vended", "Allocated", "FirstBilled"]
    assert (lifecycle(bills.account()), bills.escalations(), bills.starter.rounds) == (Lifecycle.BILLING, [], [])
    event = bills.ledger.read(account_stream(ID))[-1]
    assert (event.actor, event.channel, event.workflow_run_id) == (SYSTEM_ID, Channel.WORKFLOW, "run-1")


def test_an_account_that_spends_without_an_allocation_is_asked_about(bills: Bills) -> None:
    bills.knows(vended(ID))
    bills.imports(of(ID))
    assert bills.record().billed == 1
    opened = AlignmentOpened(account_id=ID, occasion=1, reason=Occasion.SPENDING)
    assert bills.facts()[1:] == [first_billed(FIRST_DAY), opened]
    assert lifecycle(bills.account()) is Lifecycle.SPENDING
    assert (bills.escalations(), bills.starter.rounds) == ([spends(1)], [(ID, 1)])


def test_a_task_that_waits_is_escalated_and_not_opened_again(bills: Bills) -> None:
    bills.knows(vended(ID), Event(account_stream(ID), WAITS))
    bills.imports(of(ID))
    bills.record()
    assert bills.names() == ["Vended", "AlignmentOpened", "FirstBilled"]
    assert (bills.escalations(), bills.starter.rounds) == ([spends(1)], [(ID, 1)])
    assert read_alignment(bills.ledger, Organization(), ID).escalated


def test_what_is_escalated_already_is_not_escalated_again(bills: Bills) -> None:
    waited = spends(1).model_copy(update={"reason": Overdue.WAITED_TOO_LONG})
    waits = Event(waiting_stream(account_stream(ID)), waited)
    bills.knows(vended(ID), Event(account_stream(ID), WAITS), waits)
    bills.imports(of(ID))
    bills.record()
    assert bills.names() == ["Vended", "AlignmentOpened", "FirstBilled"]
    assert bills.escalations() == [waited]


def test_an_account_that_organizations_never_showed_is_a_state_of_its_own(bills: Bills) -> None:
    bills.imports(of(ID, "2026-05-12"))
    assert bills.record().billed == 1
    assert bills.names() == ["FirstBilled", "AlignmentOpened"]
    assert lifecycle(bills.account()) is Lifecycle.UNKNOWN
    view = read_alignment(bills.ledger, Organization(), ID)
    assert (view.open, view.known, view.reason, view.escalated) == (True, False, Occasion.SPENDING, True)
    assert bills.account().since == date(2026, 5, 12)
    assert bills.starter.rounds == [(ID, 1)]


def test_an_account_is_billed_for_the_first_time_once(bills: Bills) -> None:
    bills.knows(vended(ID))
    bills.imports(of(ID, "2026-05-12"))
    bills.record()
    head = bills.ledger.settled_head()
    assert bills.record() == FirstBillsResult(accounts=1)
    assert bills.ledger.settled_head() == head
    bills.imports(of(ID, "2026-05-02"), of(OTHER), version="v2")
    bills.starter.rounds.clear()
    result = bills.record("v2")
    assert (result.accounts, result.billed) == (2, 1)
    assert bills.names() == ["Vended", "FirstBilled", "AlignmentOpened", "FirstBilled"]  # the second one is earlier
    assert bills.facts(OTHER)[0] == first_billed(FIRST_DAY, "v2", OTHER)
    assert bills.starter.rounds == [(ID, 1), (OTHER, 1)]


def test_a_version_that_nobody_imported_has_no_lines(bills: Bills) -> None:
    bills.imports(of(ID))
    assert bills.record("v2") == FirstBillsResult()
    assert bills.names() == []


@pytest.mark.parametrize(
    ("day", "first"),
    [("2026-04-20", FIRST_DAY), ("2026-05-01", FIRST_DAY), ("2026-05-31", LAST_DAY), ("2026-06-02", LAST_DAY)],
)
def test_a_fee_that_is_dated_outside_of_its_month_counts_within_it(bills: Bills, day: str, first: date) -> None:
    bills.knows(*aligned())
    bills.imports(of(ID, day, LineItemType="Fee"))
    bills.record()
    assert bills.facts()[-1] == first_billed(first)


def test_many_accounts_take_several_commands(bills: Bills, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_bills, "FIRST_LINES_MAX", 2)
    ids = [f"{number:012}" for number in range(50, 55)]
    bills.imports(*map(of, ids))
    assert bills.record().billed == len(ids)
    assert bills.starter.rounds == [(account_id, 1) for account_id in ids]
    commands = {bills.ledger.read(account_stream(account_id))[0].command_id for account_id in ids}
    assert len(commands) == 3


def test_what_was_recorded_and_not_started_is_started_by_the_next_attempt(bills: Bills) -> None:
    bills.knows(*aligned(THIRD))
    bills.imports(of(ID), of(THIRD))
    bills.starter.failures.append(Unavailable("Temporal does not answer."))
    with pytest.raises(ApplicationError, match="Temporal does not answer"):
        bills.record()
    assert (bills.names(), bills.starter.rounds) == (["FirstBilled", "AlignmentOpened"], [])
    head = bills.ledger.settled_head()
    assert bills.record(attempt=2).billed == 0
    assert (bills.ledger.settled_head(), bills.starter.rounds) == (head, [(ID, 1)])


def test_two_imports_at_once_bill_an_account_once(bills: Bills) -> None:
    bills.imports(of(ID), of(OTHER))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: bills.record(), range(2)))
    assert [bills.names(account_id) for account_id in (ID, OTHER)] == [["FirstBilled", "AlignmentOpened"]] * 2
    assert bills.escalations() == [spends(1)]


def test_rows_of_no_account_bill_nobody(bills: Bills) -> None:
    """Such as a line that AWS gives without an account: the import keeps its money."""
    bills.imports(of(ID))
    with psycopg.connect(bills.here.url) as connection:
        connection.execute("UPDATE cost_rows SET account_id = ''")
    assert bills.record() == FirstBillsResult()


def test_a_database_that_does_not_answer(bills: Bills) -> None:
    activities = FirstBills(bills.ledger, "postgresql://127.0.0.1:9/none", bills.starter)
    with pytest.raises(ApplicationError, match="PostgreSQL could not do it") as failed:
        ActivityEnvironment().run(activities.record, FirstBillsRequest(billing_period=MAY, report_version="v1"))
    assert (failed.value.type, failed.value.non_retryable) == ("Unavailable", False)
