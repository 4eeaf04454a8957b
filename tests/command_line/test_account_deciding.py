"""Decisions on accounts through the command line, with a real worker: the commands that are suggested work, and each
door refuses in the same words."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.account import account_stream
from domain.account_process import alignment_process_id
from domain.decision import Channel
from domain.process_texts import REFUSAL_CHARS_MAX
from tests.command_line.account_company import LABS, LAST_MONTH, SEARCH, SHOP, STRANGER, AccountCompany
from tests.command_line.company import CHECKOUT, address
from tests.command_line.conftest import Allot
from tests.command_line.doors import in_temporal, refused_signal, refused_update
from tests.views.given import cost

CLEO, FIN = ("--as", address("Cleo")), ("--as", address("Fin"))
ALL_TO_SEARCH = [{"product": str(SEARCH), "percent": "100"}]
TYPE = ("--type", "Production")


@pytest.fixture
def company(working_accounts: AccountCompany) -> AccountCompany:
    working_accounts.vend()
    working_accounts.vend(LABS, "labs")
    working_accounts.show()
    return working_accounts


def done(allot: Allot, *arguments: str) -> str:
    answer = allot(*arguments)
    assert answer.status == 0, answer.err
    return answer.out


def data(allot: Allot, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done(allot, *arguments, "--json"))
    return found


def tasks(allot: Allot, name: str) -> dict[str, dict[str, Any]]:
    """By account."""
    return {task["subject"]: task for task in data(allot, "tasks", "--as", address(name))["tasks"]}


def copied(command: str, **filled_in: str) -> list[str]:
    """A command as it is shown, with what stands in capitals filled in."""
    for capitals, value in filled_in.items():
        command = command.replace(capitals, value)
    return shlex.split(command)[1:]


def test_the_commands_that_are_suggested_work(allot: Allot, company: AccountCompany) -> None:
    assert {task["kind"] for task in tasks(allot, "Fin").values() if task["subject"] in (SHOP, LABS)} == {
        "allocate_account"
    }
    command = tasks(allot, "Fin")[LABS]["command"]
    answer = done(allot, *copied(command, PRODUCT=f"'{CHECKOUT}'".strip("'"), TYPE="Sandbox"))
    assert answer == f"Account {LABS} is allocated from {LAST_MONTH}. 100 % {CHECKOUT}.\n"
    assert LABS not in tasks(allot, "Fin")
    proposed = done(allot, "account", "propose", SHOP, f"{SEARCH}=100", *TYPE, *CLEO)
    assert proposed == f"Proposal 1 for account {SHOP} awaits a decision. 100 % {SEARCH}.\n"
    task = tasks(allot, "Fin")[SHOP]
    assert (task["kind"], task["version"]) == ("decide_allocation", 1)
    accepted = done(allot, *copied(task["command"]))
    assert accepted == f"Proposal 1 accepted: account {SHOP} is allocated from {LAST_MONTH}. 100 % {SEARCH}.\n"
    again = data(allot, *copied(task["command"]))
    assert (again["events"], again["message"]) == (0, "Proposal 1 was accepted already; nothing changed.")
    # A proposal for an account that has an allocation, and the two commands that `show` suggests for it.
    proposed = done(allot, "account", "propose", SHOP, str(CHECKOUT), *TYPE, *CLEO)
    assert proposed.endswith(f"100 % {CHECKOUT}.\n"), "what is proposed, and not what holds"
    shown = [line for line in done(allot, "account", "show", SHOP).splitlines() if line.startswith("  allot account")]
    declined = done(allot, *copied(shown[1], WHY="No.", EMAIL=address("Fin")))
    assert declined == f"Proposal 2 declined; account {SHOP} stays as it is allocated.\n"
    late = data(allot, *copied(shown[0], EMAIL=address("Fin")))
    assert (late["events"], "declined already" in late["message"]) == (0, True)
    assert [one["shares"] for one in late["allocations"]] == [ALL_TO_SEARCH]


DOORS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "OwnSubmission": ("accept", {"actor": "Cleo", "proposal": 1}, ("--proposal", "1")),
    "NotGranted": (
        "allocate",
        {"actor": "Ann", "account_type": "Production", "shares": ALL_TO_SEARCH},
        (str(SEARCH), *TYPE),
    ),
    "NotWhole": (
        "allocate",
        {"actor": "Fin", "account_type": "Production", "shares": [{"product": str(SEARCH), "percent": "60"}]},
        (f"{SEARCH}=60", *TYPE),
    ),
    "UnknownProduct": (
        "propose",
        {"actor": "Cleo", "account_type": "Shared", "shares": [{"product": f"{SEARCH}es", "percent": "100"}]},
        (f"{SEARCH}es", "--type", "Shared"),
    ),
    "UnknownProposal": (
        "decline",
        {"actor": "Fin", "proposal": 7, "reason": "No."},
        ("--proposal", "7", "--reason", "No."),
    ),
}
"""By the code of the refusal: what is sent, as the fields of a message and as flags of the command line."""


def test_three_doors_refuse_in_the_same_words_and_do_the_same(allot: Allot, company: AccountCompany) -> None:
    process = alignment_process_id(SHOP, 1)
    done(allot, "account", "propose", SHOP, str(CHECKOUT), *TYPE, *CLEO)
    for code, (name, fields, flags) in DOORS.items():
        said = {**fields, "actor": address(fields["actor"])}
        through_update = in_temporal(process, partial(refused_update, name=name, message=message(said)))
        through_signal = in_temporal(process, partial(refused_signal, name=name, fields=said))
        through_cli = allot("account", name, SHOP, *flags, "--as", said["actor"])
        assert through_update[0] == code
        assert through_signal == through_update[1][:REFUSAL_CHARS_MAX]
        assert f"{code}: {through_update[1]}" in through_cli.err
        assert (through_cli.out, through_cli.status != 0) == ("", True)
    in_temporal(process, lambda handle: handle.signal("decline", {**BY_FIN, "proposal": 1, "reason": "No."}))
    allocate = message({**BY_FIN, "account_type": "Production", "shares": ALL_TO_SEARCH})
    assert in_temporal(process, lambda handle: handle.execute_update("allocate", allocate))["events"] == 1
    view = in_temporal(process, lambda handle: handle.result())
    assert (view["open"], view["shares"]) == (False, {str(SEARCH): "100"})
    doors = [event.channel for event in company.ledger.read(account_stream(SHOP))]
    assert doors[2:] == [Channel.CLI, Channel.SIGNAL, Channel.UPDATE], "after the two of Allot itself"


BY_FIN = {"actor": address("Fin")}


def message(fields: dict[str, Any]) -> dict[str, Any]:
    return {"command_id": str(uuid4()), "account_id": SHOP, **fields}


def test_rules_and_expectations_are_set_and_a_bill_s_stranger_is_allocated(
    allot: Allot, company: AccountCompany, tmp_path: Path
) -> None:
    rules = f'[[rule]]\nname = "all"\nany_account = true\ntype = "Shared"\nproduct = "{SEARCH}"\n'
    (tmp_path / "rules.toml").write_text(rules)
    assert done(allot, "account", "rules", "set", "rules.toml", *FIN) == "1 rule is in force.\n"
    assert data(allot, "account", "rules", "set", "rules.toml", *FIN)["events"] == 0
    denied = allot("account", "rules", "set", "rules.toml", *CLEO)
    assert (denied.status, "NotGranted" in denied.err) == (4, True)
    expect = ("account", "expect", f"{SEARCH}=60", f"{CHECKOUT}=40", "--type", "Development", "--name", "new-dev")
    assert done(allot, *expect, *CLEO) == "1 expected account registered.\n"
    again = data(allot, *expect, *CLEO)
    assert (again["events"], again["key"]) == (0, "name:new-dev")
    withdraw = ("account", "unexpect", "--name", "new-dev", "--reason", "Not needed.", *CLEO)
    assert done(allot, *withdraw) == "The account new-dev is not expected any more.\n"
    twice = allot(*withdraw)
    assert (twice.status, "NotExpected" in twice.err) == (5, True)
    unknown = allot("account", "allocate", "100000000009", str(SEARCH), *TYPE, *FIN)
    assert (unknown.status, "Did you mean '1000000000" in unknown.err) == (5, True)
    company.bill([cost(STRANGER, str(LAST_MONTH), "3.00")])
    company.show()
    assert f"is allocated from {LAST_MONTH}." in done(allot, "account", "allocate", STRANGER, str(SEARCH), *TYPE, *FIN)
