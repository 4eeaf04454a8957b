"""`allot account allocate --preview`: what it would move is what the allocation then moves, to the last digit.

And what the allocation would be refused for, it is refused for, too.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.account_allocating import AllocateAccount
from domain.allocation import AccountType
from domain.calendar import Month
from domain.closing import CloseMonth
from tests.command_line.account_company import LABS, LAST_MONTH, SEARCH, SHOP, STRANGER, TODAY, AccountCompany, shares
from tests.command_line.company import CHECKOUT
from tests.command_line.conftest import Allot
from tests.views.given import cost

MONTH_BEFORE = Month.of(LAST_MONTH).plus(-1).first_day
TO_CHECKOUT = (f"{CHECKOUT}=33.3333", f"{SEARCH}=66.6667", "--type", "Production")
SUNDAY = next(day for n in range(8, 15) if (day := MONTH_BEFORE + timedelta(days=n)).isoweekday() == 7)
ODD = "0.0123456789"
SPENT = [
    cost(SHOP, str(MONTH_BEFORE), "100.01"),
    cost(SHOP, str(SUNDAY), "10.10"),
    cost(SHOP, str(LAST_MONTH), ODD),
    cost(SHOP, str(LAST_MONTH + timedelta(days=20)), "20.05"),
    cost(LABS, str(LAST_MONTH), "7.00"),
]

type Figures = dict[tuple[str, str], Decimal]
"""By month and product; unallocated spend under an empty name."""


def preview(allot: Allot, *arguments: str, account: str = SHOP) -> dict[str, Any]:
    answer = allot("account", "allocate", account, *arguments, "--preview", "--json")
    assert answer.status == 0, answer.err
    found: dict[str, Any] = json.loads(answer.out)
    return found


def differences(previewed: dict[str, Any]) -> Figures:
    return {
        (month["month"], moved["product"] or ""): Decimal(moved["difference"])
        for month in previewed["months"]
        for moved in month["moved"]
    }


def actuals(allot: Allot) -> Figures:
    """By year: that of products; and by month: what is unallocated of the account."""
    found: Figures = {}
    for year in sorted({MONTH_BEFORE.year, LAST_MONTH.year}):
        report = json.loads(allot("rollup", "--year", str(year), "--json").out)
        assert report["reconciles"] is True
        rows = [row for row in report["rows"] if row["level"] == 4]
        found |= {(str(year), row["path"]): Decimal(row["actual"]) for row in rows}
        nobodys = [account for account in report["unallocated"] if account["account_id"] == SHOP]
        found |= {(month, ""): Decimal(amount) for one in nobodys for month, amount in one["months"].items()}
    return found


def by_year(moved: Figures) -> Figures:
    """As the rollup has it."""
    found: Figures = {}
    for (month, product), amount in moved.items():
        key = (month[:4] if product else month, product)
        found[key] = found.get(key, Decimal(0)) + amount
    return found


@pytest.mark.parametrize("allocated_before", [False, True])
@pytest.mark.parametrize("on", [MONTH_BEFORE, SUNDAY, LAST_MONTH], ids=["month", "week", "next month"])
def test_what_it_would_move_is_what_the_allocation_moves(
    allot: Allot, accounts: AccountCompany, on: date, allocated_before: bool
) -> None:
    accounts.vend()
    accounts.bill(SPENT)
    if allocated_before:
        accounts.allocate(on=MONTH_BEFORE, Search="100")
    accounts.show()
    before = actuals(allot)
    found = differences(preview(allot, *TO_CHECKOUT, "--from", str(on), "--note", "x"))
    assert found
    for month in {month for month, _ in found}:
        assert sum(amount for (of, _), amount in found.items() if of == month) == 0
    accounts.allocate(on=on, Checkout="33.3333", Search="66.6667")
    accounts.show()
    after = actuals(allot)
    moved = {key: after.get(key, Decimal(0)) - before.get(key, Decimal(0)) for key in before | after}
    expected = by_year(found)
    assert {key: amount for key, amount in moved.items() if amount} == {
        key: amount for key, amount in expected.items() if amount
    }


def test_it_is_shown_by_month_with_what_it_comes_from(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.bill(SPENT)
    accounts.show()
    events = len(accounts.ledger.follow(0, 1_000))
    text = allot("account", "allocate", SHOP, str(SEARCH), "--type", "Production", "--preview").out
    assert f"Account {SHOP} from {LAST_MONTH}: 100 % {SEARCH}, Production." in text
    assert "What it would move, in USD" in text
    lines = [line.split() for line in text.splitlines()]
    assert [str(LAST_MONTH)[:7], "Unallocated", "20.06", "0.00", "-20.06"] in lines
    assert [str(SEARCH), "0.00", "20.06", "20.06"] in lines
    assert "Nothing was recorded." in text
    assert len(accounts.ledger.follow(0, 1_000)) == events


def test_where_nothing_was_spent_it_says_so(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.show()
    text = allot("account", "allocate", SHOP, str(SEARCH), "--type", "Production", "--preview").out
    assert "It would move nothing that has been spent so far." in text
    assert preview(allot, str(SEARCH), "--type", "Production")["months"] == []


def test_what_needs_a_note_is_shown_with_what_is_missing(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.bill(SPENT)
    accounts.show()
    arguments = (str(SEARCH), "--type", "Production", "--from", str(MONTH_BEFORE))
    text = allot("account", "allocate", SHOP, *arguments, "--preview").out
    assert "needs a note that says why. Add --note WHY." in text
    assert "110.11" in text
    lacking = preview(allot, *arguments)
    told = accounts.refused(AllocateAccount, "Fin", **wish(SHOP, MONTH_BEFORE, Search="100"))
    assert lacking["lacks"] == told.message
    assert preview(allot, *arguments, "--note", "Agreed.")["lacks"] == ""


def wish(account_id: str, on: date | None, **to: str) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "account_type": AccountType.PRODUCTION,
        "shares": shares(**to),
        "effective_on": on,
    }


TUESDAY = next(day for n in range(8, 15) if (day := LAST_MONTH + timedelta(days=n)).isoweekday() == 2)
REFUSED: dict[str, tuple[str, date | None, dict[str, str]]] = {
    "BeforeVending": (LABS, TODAY - timedelta(days=60), {"Search": "100"}),
    "NotPeriodStart": (SHOP, TUESDAY, {"Search": "100"}),
    "NotWhole": (SHOP, None, {"Search": "60", "Checkout": "30"}),
    "WrongPercent": (SHOP, None, {"Search": "60.00001", "Checkout": "39.99999"}),
    "ClosedMonth": (SHOP, MONTH_BEFORE, {"Search": "100"}),
    "UnknownProduct": (SHOP, None, {"Serch": "100"}),
}


@pytest.mark.parametrize("code", REFUSED)
def test_it_is_refused_in_the_words_of_the_decision(allot: Allot, accounts: AccountCompany, code: str) -> None:
    account_id, on, to = REFUSED[code]
    accounts.vend()
    accounts.vend(LABS, "labs", days_ago=45)
    accounts.allocate(on=MONTH_BEFORE, Checkout="100")
    accounts.do(CloseMonth, "Fin", month=Month.of(MONTH_BEFORE))
    accounts.show()
    arguments = [f"{share.product}={share.percent}" for share in shares(**to)]
    arguments += ["--from", str(on)] if on else []
    answer = allot("account", "allocate", account_id, *arguments, "--type", "Production", "--note", "x", "--preview")
    told = accounts.refused(AllocateAccount, "Fin", **wish(account_id, on, **to), note="x")
    assert told.code == code
    assert answer.err.startswith(f"{code}: {told.message}")
    assert (answer.status, answer.out) == (5 if code == "UnknownProduct" else 3, "")
    if code == "UnknownProduct":
        assert f"Did you mean '{SEARCH}'" in answer.err


def test_an_account_that_only_the_bill_knows_can_be_looked_ahead_for(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.bill([cost(STRANGER, str(LAST_MONTH + timedelta(days=3)), "10.00")])
    accounts.show()
    found = preview(allot, str(SEARCH), "--type", "Shared", account=STRANGER)
    assert found["allocation"]["effective_on"] == str(LAST_MONTH + timedelta(days=3))
    assert differences(found) == {
        (str(LAST_MONTH)[:7], ""): Decimal("-10.00"),
        (str(LAST_MONTH)[:7], str(SEARCH)): Decimal("10.00"),
    }
    unknown = allot("account", "allocate", "100000000009", str(SEARCH), "--type", "Shared", "--preview")
    assert (unknown.status, "Did you mean" in unknown.err) == (5, True)


def test_every_rollup_shows_what_is_nobody_s_with_its_state_and_age(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.bill([cost(SHOP, str(LAST_MONTH), "5.00"), cost(STRANGER, str(LAST_MONTH), "3.00")])
    accounts.show()
    for node in ((), ("Retail",)):
        text = allot("rollup", *node, "--year", str(LAST_MONTH.year)).out
        table = text[text.index("Unallocated accounts") :].splitlines()
        assert table[1].split()[-3:] == ["Since", "Age", "State"]
        age = f"{(TODAY - LAST_MONTH).days} d"
        ends = {line[:12]: line.rstrip() for line in table}
        assert ends[SHOP].endswith(f"{LAST_MONTH}  {age}  SPENDING_UNALLOCATED")
        assert ends[STRANGER].endswith(f"{LAST_MONTH}  {age}  UNKNOWN_TO_ORGANIZATIONS")


def test_shares_may_be_written_with_blanks_and_a_sign(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.show()
    found = preview(allot, f" {SEARCH} = 60 %", f"{CHECKOUT}=40", "--type", "Shared")
    assert [share["percent"] for share in found["allocation"]["shares"]] == ["40", "60"]
