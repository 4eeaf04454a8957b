"""Given events, then rows: the life of accounts, expected accounts, rules and troubles."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from domain.account import Account, Lifecycle, evolve, lifecycle
from domain.account_facts import Basis, Occasion
from domain.account_observing import needs_alignment
from domain.waiting import Overdue, Waiting
from domain.waiting import evolve as evolve_waiting
from tests.views.given import ANN, START, ListLog, allocated_to, changed, vended
from tests.views.given_accounts import (
    LEFT_AT,
    account_escalated,
    account_reminded,
    appeared,
    declined,
    departed,
    ended,
    expectation_withdrawn,
    expected,
    first_billed,
    message_rejected,
    opened,
    proposed,
    returned,
    rule,
    rules_replaced,
    vending_failed,
)
from tests.views.random_company import RandomCompany
from views import accounts as account_folds
from views.account_rows import AccountRow, waiting_account
from views.accounts import FACTS
from views.batch import BrokenLog
from views.projector import Projector

Ask = Callable[[str], list[tuple[Any, ...]]]
Fold = Callable[..., int]
ONE, TWO = "000000000001", "000000000002"
CART, BOOKS = "Retail/Digital/Web/Cart", "Retail/Digital/Web/Books"
NEW_YEAR = date(2026, 1, 1)
LIFE = "SELECT lifecycle, occasion, open_reason FROM accounts"
EVENTS = 4_000


def at(position: int) -> Any:
    return START + timedelta(seconds=position)


@pytest.fixture
def fold(log: ListLog, projector: Projector) -> Fold:
    def run(*events: Any) -> int:
        log.add(*events)
        return projector.catch_up()

    return run


def differences(log: ListLog, rows: Ask) -> tuple[list[str], dict[str, Account]]:
    """Accounts whose rows are not what the domain folds from their streams, and what it does."""
    accounts: dict[str, Account] = {}
    waiting: dict[str, Waiting] = {}
    for event in log.events:
        fact: Any = event.fact
        if type(fact) in FACTS:
            accounts[fact.account_id] = evolve(accounts.get(fact.account_id, Account()), fact)
        elif event.stream.startswith("waiting/account/"):
            account_id = waiting_account(fact)
            assert account_id
            waiting[account_id] = evolve_waiting(waiting.get(account_id, Waiting()), fact)
    found = {row[0]: AccountRow(*row) for row in rows("SELECT * FROM accounts")}
    assert set(found) == set(accounts)
    told = {account_id: waiting.get(account_id, Waiting()) for account_id in accounts}
    different = [
        account_id
        for account_id, account in accounts.items()
        if _of_row(found[account_id]) != _of_state(account, told[account_id])
    ]
    return different, accounts


def _of_row(row: AccountRow) -> tuple[Any, ...]:
    proposal: Any = row.proposal
    return (
        row.lifecycle,
        (row.name, row.state, row.ou_path, row.joined_at is not None),
        (row.departed_at, row.first_billed_on, row.allocated_since),
        (row.occasion, row.open_reason, row.needs_alignment, row.is_over, row.spends_unallocated),
        (proposal["number"], proposal["rule"], proposal["proposed_by"]) if proposal else None,
        (row.reminders, row.escalated_at is not None),
    )


def _of_state(account: Account, waiting: Waiting) -> tuple[Any, ...]:
    seen, proposal = account.seen, account.proposal
    by = str(proposal.proposed_by) if proposal and proposal.proposed_by else None
    return (
        lifecycle(account).value,
        (seen.name, seen.state, seen.ou_path, True) if seen else ("", "", "", False),
        (
            account.departed_at,
            account.first_billed_on,
            account.allocations[0].effective_on if account.allocations else None,
        ),
        (
            account.occasion,
            account.open_reason,
            needs_alignment(account),
            account.is_over,
            account.spends_unallocated,
        ),
        (proposal.number, proposal.rule, by) if proposal else None,
        (waiting.reminded(account.occasion), waiting.escalated(account.occasion)),
    )


def test_the_accounts_are_those_that_decisions_are_made_on(
    fold: Fold, rows: Ask, log: ListLog, database_url: str
) -> None:
    """Against the domain's own fold, for every account of a random company."""
    company = RandomCompany(31, products=40, accounts=90, import_every=EVENTS * 2)
    fold(*company.events(EVENTS))
    different, accounts = differences(log, rows)
    assert different == []
    assert {lifecycle(account) for account in accounts.values()} == set(Lifecycle)
    assert {account.open_reason is None for account in accounts.values()} == {True, False}
    assert any(needs_alignment(account) for account in accounts.values())


def test_the_comparison_would_find_a_fold_that_forgets(
    fold: Fold, rows: Ask, log: ListLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    monkeypatch.setattr(account_folds, "with_lifecycle", lambda row: row)
    fold(vended(ONE), vended(TWO), opened(TWO))
    different, _ = differences(log, rows)
    assert different == [ONE, TWO]


def test_an_account_lives_from_vending_to_its_end(fold: Fold, rows: Ask) -> None:
    fold(vended(ONE, source="CreateAccountResult"), opened(ONE))
    assert rows(LIFE) == [("VENDED", 1, "first sight")]
    fold(proposed(ONE, {CART: "100"}, rule="prod"))
    assert rows(LIFE) == [("PROPOSED", 1, "first sight")]
    fold(allocated_to(ONE, NEW_YEAR, {CART: "100"}, basis=Basis.PROPOSAL, rule="prod", proposal=1))
    assert rows(LIFE) == [("ALIGNED", 1, None)]
    fold(first_billed(ONE), changed(ONE, source="sync"))
    assert rows(LIFE) == [("BILLING", 1, None)]
    columns = "source, first_seen_at, aligned_at, first_billed_on, billed_at"
    assert rows(f"SELECT {columns} FROM accounts") == [("CreateAccountResult", at(1), at(4), date(2026, 5, 3), at(5))]
    fold(changed(ONE, state="SUSPENDED"))
    assert rows(LIFE) == [("SUSPENDED", 1, None)]
    fold(departed(ONE, "gone from the list"))  # closed accounts leave the list after 90 days
    assert rows(LIFE) == [("CLOSED", 1, None)]


def test_an_account_may_leave_and_come_back(fold: Fold, rows: Ask) -> None:
    fold(vended(ONE), opened(ONE), departed(ONE), ended(ONE, reason="departed"))
    columns = "departed_at, departed_how, ended_reason, name"
    assert rows(LIFE) == [("DEPARTED", 1, None)]
    assert rows(f"SELECT {columns} FROM accounts") == [(LEFT_AT, "Left", "departed", "shop")]
    fold(returned(ONE, "back"), opened(ONE, 2, Occasion.RETURNED))
    assert rows(LIFE) == [("VENDED", 2, "returned")]
    assert rows(f"SELECT {columns} FROM accounts") == [(None, "", "", "back")]


def test_an_account_that_only_the_bill_knows_has_a_row(fold: Fold, rows: Ask) -> None:
    fold(first_billed(ONE), opened(ONE, reason=Occasion.SPENDING), account_escalated(ONE, reason=Overdue.SPENDING))
    assert rows(LIFE) == [("UNKNOWN_TO_ORGANIZATIONS", 1, "spends without an allocation")]
    assert rows("SELECT name, state, joined_at, first_seen_at, billed_at, escalated_at FROM accounts") == [
        ("", "", None, None, at(1), at(3))
    ]
    fold(vended(ONE))
    assert rows(LIFE) == [("SPENDING_UNALLOCATED", 1, "spends without an allocation")]
    assert rows("SELECT name, first_seen_at, billed_at FROM accounts") == [("shop", at(4), at(1))]


def test_reminders_belong_to_their_occasion_and_to_the_account(fold: Fold, rows: Ask) -> None:
    told = "SELECT reminders, escalated_at, updated_at FROM accounts"
    fold(vended(ONE), opened(ONE), account_reminded(ONE), account_reminded(ONE, count=2), account_escalated(ONE))
    assert rows(told) == [(2, at(5), at(2))]
    fold(ended(ONE), opened(ONE, 2, Occasion.MOVED), account_reminded(ONE, 1, 3), account_escalated(ONE, 1))
    assert rows(told) == [(0, None, at(7))]  # too late: that occasion is over
    assert rows("SELECT * FROM schedules") == []


@pytest.mark.parametrize("event", [departed(ONE), opened(ONE), allocated_to(ONE, NEW_YEAR, {CART: "100"})])
def test_what_happens_to_no_account_stops_the_views(fold: Fold, event: Any) -> None:
    with pytest.raises(BrokenLog, match=f"there is no account {ONE}"):
        fold(event)
    with pytest.raises(BrokenLog, match=f"there is no account {ONE}"):
        fold(account_reminded(ONE))


def test_a_proposal_is_kept_until_it_is_decided_or_replaced(fold: Fold, rows: Ask) -> None:
    proposal = "SELECT proposal FROM accounts"
    fold(vended(ONE), opened(ONE), proposed(ONE, {CART: "60", BOOKS: "40"}, by=ANN, effective_on=NEW_YEAR, note="ask"))
    assert rows(proposal) == [
        (
            {
                "number": 1,
                "account_type": "Production",
                "shares": [{"product": BOOKS, "percent": "40"}, {"product": CART, "percent": "60"}],
                "effective_on": "2026-01-01",
                "basis": "by hand",
                "rule": "",
                "proposed_by": str(ANN),
                "note": "ask",
                "proposed_at": "2026-01-05T09:00:03Z",
            },
        )
    ]
    fold(proposed(ONE, {CART: "100"}, number=2, rule="prod"))
    assert rows("SELECT proposal->>'number', proposal->>'rule', proposal->'proposed_by' FROM accounts") == [
        ("2", "prod", None)
    ]
    fold(declined(ONE, 2))
    assert rows(proposal) == [(None,)]


def test_an_allocation_says_what_it_goes_back_to(fold: Fold, rows: Ask) -> None:
    fold(vended(ONE), allocated_to(ONE, NEW_YEAR, {CART: "100"}))
    fold(allocated_to(ONE, date(2026, 2, 1), {CART: "100"}, basis=Basis.RULE, rule="prod"))
    fold(allocated_to(ONE, date(2026, 3, 1), {CART: "100"}, basis=Basis.PROPOSAL, rule="prod", proposal=3))
    assert rows("SELECT basis, rule, proposal FROM allocations ORDER BY effective_on") == [
        ("by hand", "", 0),
        ("rule", "prod", 0),
        ("proposal", "prod", 3),
    ]


def test_an_expected_account_waits_appears_or_is_withdrawn(fold: Fold, rows: Ask) -> None:
    query = "SELECT key, status, account_id, appeared_at, reason, registered_at FROM expected_accounts ORDER BY key"
    fold(expected({CART: "100"}, email="Aws@Example.com"), expected({CART: "100"}, name="shop"))
    assert rows(query) == [
        ("email:aws@example.com", "waiting", "", None, "", at(1)),
        ("name:shop", "waiting", "", None, "", at(2)),
    ]
    fold(appeared("name:shop", ONE), expectation_withdrawn("email:aws@example.com", "not needed"))
    assert rows(query) == [
        ("email:aws@example.com", "withdrawn", "", None, "not needed", at(1)),
        ("name:shop", "appeared", ONE, at(3), "", at(2)),
    ]
    fold(expected({BOOKS: "100"}, name="shop"))  # once more
    assert rows(query)[1] == ("name:shop", "waiting", "", None, "", at(5))
    with pytest.raises(BrokenLog, match="there is no expected account name:other"):
        fold(appeared("name:other", ONE))


def test_every_set_of_rules_is_kept_in_its_order(fold: Fold, rows: Ask) -> None:
    prod = rule("prod", {CART: "100"}, ou_path="/Workloads/Production")
    fold(rules_replaced(prod, rule("rest", {BOOKS: "100"}), note="first"), rules_replaced())
    assert rows("SELECT version, rules, set_by, set_at, note FROM account_rule_sets ORDER BY 1") == [
        (1, 2, ANN, at(1), "first"),
        (2, 0, ANN, at(2), ""),
    ]
    assert rows("SELECT version, ordinal, name, rule->>'ou_path' FROM account_rules ORDER BY 1, 2") == [
        (1, 0, "prod", "/Workloads/Production"),
        (1, 1, "rest", ""),
    ]


def test_what_led_to_no_account_is_kept(fold: Fold, rows: Ask) -> None:
    fold(vending_failed("car-1", "shop"), message_rejected("m-1"))
    columns = "kind, key, reason, account_name, account_id, excerpt, at, recorded_at"
    assert rows(f"SELECT {columns} FROM account_troubles ORDER BY position") == [
        ("vending_failed", "car-1", "EMAIL_EXISTS", "shop", "", "", LEFT_AT, at(1)),
        ("message_rejected", "m-1", "no JSON", "", "", '{"detail"', LEFT_AT, at(2)),
    ]
