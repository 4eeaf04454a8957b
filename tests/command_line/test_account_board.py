"""`allot account board` and `events`: what waits and who must act, how fast it goes, and what went wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.account_trouble import RecordVendingFailure, RejectMessage
from domain.alignment import AlignAccount, EscalateAlignment
from tests.command_line.account_company import LABS, SHOP, STRANGER, AccountCompany, rule
from tests.command_line.conftest import Allot
from tests.views.given import cost

SENT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def board(allot: Allot, *arguments: str) -> str:
    answer = allot("account", "board", *arguments)
    assert answer.status == 0, answer.err
    return answer.out


def data_of(allot: Allot, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(allot("account", *arguments, "--json").out)
    return found


def row_of(text: str, beginning: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(beginning)]
    return line


def test_an_empty_board_says_that_nothing_waits(allot: Allot, accounts: AccountCompany) -> None:
    accounts.show()
    assert "There are no accounts yet" in board(allot)
    assert "No account waits for an allocation." in board(allot)
    data = data_of(allot, "board")
    assert data["waiting"] == []
    assert set(data["counts"].values()) == {0}
    assert data["times"]["to_known"] == {"accounts": 0, "median_s": None, "p90_s": None}


def test_what_waits_longest_comes_first_with_who_must_act_and_until_when(
    allot: Allot, accounts: AccountCompany
) -> None:
    accounts.now -= timedelta(days=20)
    accounts.vend(LABS, "labs")
    accounts.now += timedelta(days=19)
    accounts.vend(SHOP)
    accounts.rule(rule("web", name_pattern="shop-*"))
    accounts.step(AlignAccount)
    accounts.vend(STRANGER, "search")
    accounts.allocate(STRANGER, Search="100")
    accounts.show()
    text = board(allot)
    assert "Accounts: 1 VENDED, 1 PROPOSED, 1 ALIGNED." in text
    assert text.index(LABS) < text.index(SHOP)
    labs, shop = row_of(text, LABS), row_of(text, SHOP)
    assert "20 d" in labs
    assert "OVERDUE" in labs
    assert "1: 100 % Retail/Digital/Web/Checkout" in shop
    assert "OVERDUE" not in shop
    assert "financial admin" in shop
    assert STRANGER not in text
    accounts.step(EscalateAlignment, LABS)
    accounts.show()
    labs = row_of(board(allot), LABS)
    assert "ESCALATED" in labs
    assert "financial admin or cloud engineer" in labs
    waiting = data_of(allot, "board")["waiting"]
    assert [one["account_id"] for one in waiting] == [LABS, SHOP]


def test_a_remap_is_for_financial_admins_alone_even_after_escalation(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.allocate(Checkout="100")
    accounts.propose(Search="100")
    accounts.step(EscalateAlignment, occasion=2)
    accounts.show()
    assert "ESCALATED  financial admin " in row_of(board(allot), SHOP)


def test_times_are_of_accounts_that_allot_has_seen_coming(allot: Allot, accounts: AccountCompany) -> None:
    accounts.now -= timedelta(days=3)
    accounts.vend(LABS, "old", days_ago=400)
    accounts.now += timedelta(hours=1)
    accounts.vend(SHOP, days_ago=0)
    accounts.now += timedelta(minutes=5)
    accounts.allocate(SHOP, on=accounts.now.date(), Checkout="100")
    accounts.now += timedelta(hours=30)
    accounts.bill([cost(SHOP, str(accounts.now.date()), "1.00")])
    accounts.show()
    text = board(allot)
    assert "first seen in the last 90 days; 1 older one does not count" in text
    assert row_of(text, "known here").split()[2:] == ["1", "<", "1", "s", "<", "1", "s"]
    assert row_of(text, "allocated to a budget").split()[-5:] == ["1", "5", "min", "5", "min"]
    assert row_of(text, "its first bill imported").split()[-5:] == ["1", "1", "d", "1", "d"]
    times = data_of(allot, "board")["times"]
    assert times["to_aligned"] == {"accounts": 1, "median_s": 300, "p90_s": 300}
    assert (times["days"], times["left_out"]) == (90, 1)
    assert data_of(allot, "board", "--days", "1")["times"]["to_known"]["accounts"] == 0
    assert allot("account", "board", "--days", "0").status == 2


def test_what_went_wrong_is_told_with_its_reason(allot: Allot, accounts: AccountCompany) -> None:
    accounts.show()
    assert "Nothing went wrong" in allot("account", "events").out
    assert data_of(allot, "events") == {"troubles": []}
    failed = {"request": "car-1", "account_name": "shop-\x1b[2Jnew", "reason": "EMAIL_ALREADY_EXISTS", "at": SENT}
    accounts.by_allot(RecordVendingFailure, **failed)
    rejected = {"message_id": "m-1", "reason": "The body is no JSON.", "excerpt": "{" * 500, "sent_at": SENT}
    accounts.by_allot(RejectMessage, **rejected)
    accounts.show()
    text = allot("account", "events").out
    failure, message = row_of(text, "2026-03-02 09:00:00 UTC  vending failed"), "message not understood"
    assert "shop-\\x1b[2Jnew" in failure
    assert "EMAIL_ALREADY_EXISTS" in failure
    assert "car-1" in failure
    assert "The body is no JSON." in row_of(text, f"2026-03-02 09:00:00 UTC  {message}")
    assert "\x1b" not in text
    kinds = [one["kind"] for one in data_of(allot, "events")["troubles"]]
    assert kinds == ["message_rejected", "vending_failed"], "the latest first"
