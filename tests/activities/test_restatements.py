"""What a new version has changed: from rows as an import stores them to an event for each account."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import count

import psycopg
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import restatements
from activities.contracts import RestatementsRequest, RestatementsResult
from activities.restatements import Restatements
from domain.calendar import Month
from domain.decision import SYSTEM_ID, Channel
from domain.restatement import AccountRestated, account_cost_stream
from ledger.ledger import Ledger
from tests.activities.importing import MAY, Here
from tests.views.given import PAYER, CostRow, append, cost, imported, measured, store_costs

ONE, TWO, THREE = "000000000001", "000000000002", "000000000003"
JUNE = Month(2026, 6)
OTHER_PAYER = "222222222222"


class Comparing:
    """Versions of May with these rows, and the activity after the last one."""

    def __init__(self, here: Here) -> None:
        self.ledger: Ledger = here.ledger
        self.url = here.url
        self._runs = count(1)

    def given(self, *rows: CostRow, **changes: object) -> None:
        """Imported in the order of the versions; `changes` are of the last one."""
        store_costs(self.url, rows)
        versions = sorted({row.report_version for row in rows})
        events = [imported(rows, "2026-05", version) for version in versions[:-1]]
        append(self.url, [*events, imported(rows, "2026-05", versions[-1], **changes)])

    def record(self, version: str = "v2") -> RestatementsResult:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, workflow_run_id=f"run-{next(self._runs)}")
        activities = Restatements(self.ledger, self.url)
        return environment.run(activities.record, RestatementsRequest(billing_period=MAY, report_version=version))

    def facts(self, account_id: str = ONE) -> list[AccountRestated]:
        found = [event.fact for event in self.ledger.read(account_cost_stream(account_id, MAY))]
        return [fact for fact in found if isinstance(fact, AccountRestated)]

    def changed(self, account_id: str = ONE) -> tuple[dict[str, str], dict[str, str], str, str]:
        (fact,) = self.facts(account_id)
        before, after = ({name: str(amount) for name, amount in of.items()} for of in (fact.before, fact.after))
        return before, after, str(fact.first_changed), str(fact.last_changed)


@pytest.fixture
def comparing(here: Here) -> Comparing:
    return Comparing(here)


def test_a_changed_day_is_told_by_account(comparing: Comparing) -> None:
    comparing.given(
        cost(ONE, "2026-05-02", "1"),
        cost(ONE, "2026-05-03", "10"),
        cost(ONE, "2026-05-04", "2.50"),
        cost(TWO, "2026-05-04", "7"),
        cost(ONE, "2026-05-02", "1", version="v2"),
        cost(ONE, "2026-05-03", "11", version="v2"),
        cost(ONE, "2026-05-04", "2.25", version="v2"),
        cost(TWO, "2026-05-04", "7", version="v2"),
    )
    result = comparing.record()
    assert result == RestatementsResult(replaced="v1", restated=1, position=comparing.ledger.settled_head())
    assert comparing.changed() == ({"unblended": "13.5"}, {"unblended": "14.25"}, "2026-05-03", "2026-05-04")
    assert comparing.facts(TWO) == []
    event = comparing.ledger.read(account_cost_stream(ONE, MAY))[-1]
    assert (event.actor, event.channel, event.workflow_run_id) == (SYSTEM_ID, Channel.WORKFLOW, "run-1")
    assert isinstance(event.fact, AccountRestated)
    assert (event.fact.adjustment, event.fact.payer_account_id) == (False, PAYER)


def test_what_later_days_add_is_no_restatement(comparing: Comparing) -> None:
    comparing.given(
        cost(ONE, "2026-05-03", "10"),
        cost(TWO, "2026-05-04", "1"),
        cost(ONE, "2026-05-03", "10", version="v2"),
        cost(ONE, "2026-05-05", "99", version="v2"),
        cost(TWO, "2026-05-04", "2", version="v2"),
        cost(TWO, "2026-05-05", "99", version="v2"),
        cost(THREE, "2026-05-05", "99", version="v2"),
    )
    assert comparing.record().restated == 1
    assert comparing.changed(TWO) == ({"unblended": "1"}, {"unblended": "2"}, "2026-05-04", "2026-05-04")
    # An account that has nothing on a day that others have spend on is covered, too.
    assert comparing.facts(ONE) == comparing.facts(THREE) == []


def test_an_account_that_comes_or_goes_on_a_day_that_was_covered_is_restated(comparing: Comparing) -> None:
    comparing.given(
        cost(ONE, "2026-05-03", "10"), cost(TWO, "2026-05-09", "1"),
        cost(TWO, "2026-05-09", "1", version="v2"), cost(THREE, "2026-05-08", "4", version="v2"),
    )  # fmt: skip
    assert comparing.record().restated == 2
    assert comparing.changed(ONE)[:2] == ({"unblended": "10"}, {"unblended": "0"})
    assert comparing.changed(THREE)[:2] == ({"unblended": "0"}, {"unblended": "4"})


def test_all_metrics_are_compared_where_both_versions_have_them(comparing: Comparing) -> None:
    comparing.given(
        measured(cost(ONE, "2026-05-03", "10"), "8", "9", "7"),
        measured(cost(ONE, "2026-05-03", "10", version="v2"), "8", "9", "6.5"),
    )
    comparing.record()
    before = {"unblended": "10", "amortized": "8", "net_unblended": "9", "net_amortized": "7"}
    assert comparing.changed()[:2] == (before, before | {"net_amortized": "6.5"})


def test_that_a_version_has_more_metrics_than_the_one_before_is_no_restatement(comparing: Comparing) -> None:
    comparing.given(cost(ONE, "2026-05-03", "10"), measured(cost(ONE, "2026-05-03", "10", version="v2"), "8", "9", "7"))
    assert comparing.record().restated == 0


def test_of_an_adjustment_every_day_counts(comparing: Comparing) -> None:
    comparing.given(
        cost(ONE, "2026-05-03", "10"),
        cost(ONE, "2026-05-03", "10", version="v2"),
        cost(ONE, "2026-05-20", "5", version="v2"),
        booked_in=JUNE,
    )
    result = comparing.record()
    assert (result.restated, result.adjustment, result.booked_in) == (1, True, JUNE)
    (fact,) = comparing.facts()
    assert (fact.adjustment, fact.booked_in) == (True, JUNE)
    assert (fact.after["unblended"], fact.first_changed) == (Decimal(15), date(2026, 5, 20))


def test_the_first_version_of_a_payer_changes_nothing(comparing: Comparing) -> None:
    comparing.given(cost(ONE, "2026-05-03", "10"))
    assert comparing.record("v1") == comparing.record("none") == RestatementsResult()


def test_payers_are_compared_each_with_their_own_version_before(comparing: Comparing) -> None:
    rows = [
        cost(ONE, "2026-05-03", "10"),
        cost(ONE, "2026-05-03", "4", version="their-1"),
        cost(ONE, "2026-05-03", "5", version="their-2"),
    ]
    store_costs(comparing.url, rows)
    theirs = [imported(rows, "2026-05", version, payer=OTHER_PAYER) for version in ("their-1", "their-2")]
    append(comparing.url, [theirs[0], imported(rows, "2026-05"), theirs[1]])
    assert comparing.record("v1") == RestatementsResult()
    assert comparing.record("their-2").replaced == "their-1"
    assert comparing.changed()[:2] == ({"unblended": "4"}, {"unblended": "5"})


def test_it_is_recorded_once_however_often_it_is_looked_at(comparing: Comparing) -> None:
    comparing.given(cost(ONE, "2026-05-03", "10"), cost(ONE, "2026-05-03", "11", version="v2"))
    comparing.record()
    head = comparing.ledger.settled_head()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: comparing.record(), range(2)))
    assert [(one.restated, one.position) for one in results] == [(1, 0)] * 2
    assert comparing.ledger.settled_head() == head


def test_many_accounts_take_several_commands(comparing: Comparing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restatements, "RESTATED_MAX", 2)
    ids = [f"{number:012}" for number in range(1, 6)]
    comparing.given(
        *(cost(account_id, "2026-05-03", "1") for account_id in ids),
        *(cost(account_id, "2026-05-03", "2", version="v2") for account_id in ids),
    )
    assert comparing.record().restated == len(ids)
    commands = {comparing.ledger.read(account_cost_stream(account_id, MAY))[0].command_id for account_id in ids}
    assert len(commands) == 3


def test_without_the_rows_of_the_version_before_nothing_is_said_to_have_changed(comparing: Comparing) -> None:
    comparing.given(cost(ONE, "2026-05-03", "10"), cost(ONE, "2026-05-03", "11", version="v2"))
    with psycopg.connect(comparing.url) as connection:
        connection.execute("DELETE FROM cost_rows WHERE report_version = 'v1'")
    assert comparing.record() == RestatementsResult(replaced="v1")
    assert comparing.facts() == []


def test_an_empty_version_before_covered_no_day(comparing: Comparing) -> None:
    store_costs(comparing.url, rows := [cost(ONE, "2026-05-03", "11", version="v2")])
    append(comparing.url, [imported([], "2026-05", "v1"), imported(rows, "2026-05", "v2")])
    assert comparing.record() == RestatementsResult(replaced="v1")


def test_a_database_that_does_not_answer(comparing: Comparing) -> None:
    comparing.given(cost(ONE, "2026-05-03", "10"), cost(ONE, "2026-05-03", "11", version="v2"))
    activities = Restatements(comparing.ledger, "postgresql://127.0.0.1:9/none")
    with pytest.raises(ApplicationError, match="PostgreSQL could not do it") as failed:
        ActivityEnvironment().run(activities.record, RestatementsRequest(billing_period=MAY, report_version="v2"))
    assert (failed.value.type, failed.value.non_retryable) == ("Unavailable", False)
