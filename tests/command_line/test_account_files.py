"""`allot account import`, `expect-file`, `expected`: many accounts at once, and accounts before they appear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from command_line.account_files import FILE_BYTES_MAX
from domain.alignment import AlignAccount
from domain.expected_account import WithdrawExpectation
from tests.command_line.account_company import LABS, LAST_MONTH, SEARCH, SHOP, AccountCompany
from tests.command_line.company import CHECKOUT, address
from tests.command_line.conftest import Allot

CLEO, FIN = ("--as", address("Cleo")), ("--as", address("Fin"))


def expected(allot: Allot, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(allot("account", "expected", *arguments, "--json").out)["expected"]
    return found


def test_what_is_expected_is_listed_until_it_appears(allot: Allot, accounts: AccountCompany) -> None:
    accounts.show()
    assert allot("account", "expected").out == "No account is expected.\n"
    assert expected(allot) == []
    accounts.expect(email="aws+shop-prod@example.com", Checkout="60", Search="40")
    accounts.expect(name="labs", Search="100")
    accounts.expect(name="later", Search="100")
    accounts.do(WithdrawExpectation, "Cleo", name="later", reason="Another plan.")
    accounts.show()
    assert [one["status"] for one in expected(allot)] == ["waiting", "waiting"]
    text = allot("account", "expected").out
    assert "60 % Retail/Digital/Web/Checkout; 40 % Retail/Digital/Web/Search" in text
    assert "Cleo" in text
    accounts.vend()
    accounts.step(AlignAccount)
    accounts.show()
    assert [one["name"] for one in expected(allot)] == ["labs"]
    whole = {one["key"]: (one["status"], one["account_id"]) for one in expected(allot, "--all")}
    assert whole == {
        "email:aws+shop-prod@example.com": ("appeared", SHOP),
        "name:labs": ("waiting", ""),
        "name:later": ("withdrawn", ""),
    }
    assert SHOP in allot("account", "expected", "--all").out
    shown = allot("account", "show", SHOP).out
    assert "Cleo (expected account aws+shop-prod@example.com)" in shown
    assert "expected_account.Appeared" in shown


def test_a_file_that_is_too_large_is_not_read(allot: Allot, tmp_path: Path) -> None:
    with (tmp_path / "big.csv").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    for command in ("import", "expect-file"):
        answer = allot("account", command, "big.csv", *FIN)
        assert (answer.status, answer.out) == (2, "")
        assert "10,000,001 bytes; a file of accounts has at most 10,000,000: split it." in answer.err


def test_a_file_is_taken_whole_or_not_at_all(allot: Allot, working_accounts: AccountCompany, tmp_path: Path) -> None:
    working_accounts.vend()
    working_accounts.vend(LABS, "labs")
    working_accounts.show()

    def allocated() -> list[str]:
        listed = json.loads(allot("account", "list", "--json").out)["accounts"]
        return [one["account_id"] for one in listed if one["allocation"]]

    header = "account,type,product,percent,from\n"
    good = f"{SHOP},Production,{CHECKOUT},60,\n{SHOP},Production,{SEARCH},40,\n{LABS},Sandbox,{SEARCH},,{LAST_MONTH}\n"
    file = tmp_path / "accounts.csv"
    file.write_text(f"{header}{good}100000000009,Zoo,Retail/Digital/Web/Serch,100,\n")
    load = ("account", "import", "accounts.csv")
    bad = allot(*load, *FIN)
    assert (bad.status, bad.out) == (2, "")
    assert "nothing was recorded" in bad.err
    machine = allot(*load, *FIN, "--json")
    problems = json.loads(machine.out)
    assert (machine.status, problems["status"], problems["recorded"]) == (2, "invalid", 0)
    assert problems["problems_total"] == len(problems["problems"]) >= 1
    assert {problem["row"] for problem in problems["problems"]} == {5}
    assert allocated() == []
    file.write_text(header + good)
    looked = json.loads(allot(*load, *FIN, "--dry-run", "--json").out)
    assert (looked["status"], looked["rows"], looked["position"]) == ("checked", 2, 0)
    assert allocated() == []
    denied = allot(*load, "--as", address("Ann"))
    assert (denied.status, "NotGranted" in denied.err) == (4, True)
    taken = json.loads(allot(*load, *FIN, "--json").out)
    assert (taken["status"], taken["recorded"]) == ("imported", 2)
    assert allocated() == [SHOP, LABS]
    assert json.loads(allot(*load, *FIN, "--json").out)["status"] == "unchanged"
    (tmp_path / "expected.csv").write_text(f"name,type,product\nnew-dev,Development,{SEARCH}\n")
    registered = allot("account", "expect-file", "expected.csv", *CLEO)
    assert registered.status == 0, registered.err
    assert [one["key"] for one in expected(allot)] == ["name:new-dev"]
