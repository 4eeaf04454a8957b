"""`allot account rules`: which rules are in force, and which rule would take which account before it is on."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from command_line.account_rules import RULES_BYTES_MAX
from domain.account_rules import ReplaceAccountRules
from domain.account_rules_file import read_rules
from domain.alignment import AlignAccount
from tests.command_line.account_company import LABS, SEARCH, SHOP, STRANGER, AccountCompany, rule, shares
from tests.command_line.company import CHECKOUT
from tests.command_line.conftest import Allot

RULES = f"""
[[rule]]
name = "shop in production"
ou_path = "/Workloads/Production"
name_pattern = "shop-*"
type = "Production"
product = "{CHECKOUT}"
apply = true

[[rule]]
name = "requested"
product_tag = "product"
under = "Retail/Digital"
type = "Development"

[[rule]]
name = "sandboxes"
ou_path = "/Sandbox"
type = "Sandbox"
shares = {{ "{CHECKOUT}" = 33.3333, "{SEARCH}" = 66.6667 }}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "rules.toml").write_text(RULES)
    return "rules.toml"


def tried(allot: Allot, *arguments: str) -> dict[str, Any]:
    answer = allot("account", "rules", "test", *arguments, "--json")
    assert answer.status == 0, answer.err
    found: dict[str, Any] = json.loads(answer.out)
    return found


def consequences(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """By account: the rule that takes it, and what comes of it."""
    return {one["account_id"]: (one["rule"], one["consequence"]) for one in found["accounts"]}


def text_of(allot: Allot, *arguments: str) -> str:
    answer = allot("account", "rules", *arguments)
    assert answer.status == 0, answer.err
    return answer.out


def test_no_rules_is_said(allot: Allot, accounts: AccountCompany) -> None:
    accounts.show()
    assert "No rules are in force: `allot account rules set FILE`." in text_of(allot, "list")
    assert json.loads(text_of(allot, "list", "--json"))["rules"] == []
    assert read_rules(text_of(allot, "list", "--toml")) == ()
    said = text_of(allot, "test")
    assert "There are no accounts to try rules on." in said
    assert "There are no rules: name a file to try" in said


def test_rules_are_listed_in_order_in_words(allot: Allot, accounts: AccountCompany) -> None:
    accounts.rule(*read_rules(RULES), note="First set.")
    accounts.show()
    text = text_of(allot, "list")
    first, second, third = (line for line in text.splitlines() if line.lstrip()[:1] in "123" and line.strip())
    assert "in /Workloads/Production, named shop-*" in first
    assert "applies" in first
    assert "tag product names a product under Retail/Digital" in second
    assert "the product that the tag product names" in second
    assert f"33.3333 % {CHECKOUT}" in third
    assert "proposes" in third
    assert "set by Fin" in text
    data = json.loads(text_of(allot, "list", "--json"))
    assert [one["name"] for one in data["rules"]] == ["shop in production", "requested", "sandboxes"]
    assert data["note"] == "First set."


def test_what_is_in_force_can_be_edited_as_a_file(allot: Allot, accounts: AccountCompany, tmp_path: Path) -> None:
    accounts.rule(*read_rules(RULES))
    accounts.show()
    written = text_of(allot, "list", "--toml")
    assert read_rules(written) == read_rules(RULES)
    (tmp_path / "same.toml").write_text(written)
    assert tried(allot, "same.toml") == tried(allot)


def test_a_file_is_tried_before_it_is_on(allot: Allot, accounts: AccountCompany, file: str) -> None:
    accounts.vend(SHOP, "shop-prod")
    accounts.vend(LABS, "labs", ou_path="/Sandbox/Anna")
    accounts.vend(STRANGER, "other", ou_path="/Elsewhere")
    accounts.show()
    found = tried(allot, file)
    assert consequences(found) == {
        SHOP: ("shop in production", "applied"),
        LABS: ("sandboxes", "proposed"),
        STRANGER: ("", "a person decides"),
    }
    assert found["taken"] == {"shop in production": 1, "requested": 0, "sandboxes": 1}
    text = text_of(allot, "test", file)
    assert "Takes no account: requested." in text
    assert text.rstrip().endswith("Nothing was recorded.")
    lines = {line[:12]: line for line in text.splitlines()}
    assert f"shop in production  100 % {CHECKOUT}" in lines[SHOP]
    assert "a person decides" in lines[STRANGER]
    assert [one["rule"] for one in tried(allot)["accounts"]] == ["", "", ""], "they are not in force"
    assert consequences(tried(allot))[SHOP] == ("", "a person decides")


def test_what_is_promised_is_what_comes_of_it(allot: Allot, accounts: AccountCompany, file: str) -> None:
    accounts.vend(SHOP, "shop-prod")
    accounts.vend(LABS, "labs", ou_path="/Workloads", tags={"product": str(SEARCH)})
    accounts.show()
    promised = tried(allot, file)
    accounts.rule(*read_rules(RULES))
    for account_id in (SHOP, LABS):
        accounts.step(AlignAccount, account_id)
    accounts.show()
    listed = {one["account_id"]: one for one in json.loads(allot("account", "list", "--json").out)["accounts"]}
    assert consequences(promised) == {SHOP: ("shop in production", "applied"), LABS: ("requested", "proposed")}
    made = {SHOP: listed[SHOP]["allocation"], LABS: listed[LABS]["proposal"]}
    for one in promised["accounts"]:
        account_id = one["account_id"]
        assert made[account_id]["shares"] == one["shares"]
        assert (made[account_id]["account_type"], made[account_id]["rule"]) == (one["account_type"], one["rule"])


def test_accounts_that_have_their_budget_stay_as_they_are(allot: Allot, accounts: AccountCompany, file: str) -> None:
    accounts.vend(SHOP, "shop-prod")
    accounts.allocate(SHOP, Checkout="100")
    accounts.vend(LABS, "shop-two")
    accounts.allocate(LABS, Search="100")
    accounts.vend(STRANGER, "other", ou_path="/Elsewhere")
    accounts.allocate(STRANGER, Search="100")
    accounts.show()
    assert consequences(tried(allot, file)) == {
        SHOP: ("shop in production", "as it is"),
        LABS: ("shop in production", "on its next move or tag change"),
        STRANGER: ("", ""),
    }
    text = text_of(allot, "test", file)
    assert SHOP not in text
    assert STRANGER not in text
    assert LABS in text
    assert "2 accounts stay as they are; --all shows them, too." in text
    whole = text_of(allot, "test", file, "--all")
    assert all(account_id in whole for account_id in (SHOP, LABS, STRANGER))
    assert "stay as" not in whole


def test_where_nothing_would_change_it_says_so(allot: Allot, accounts: AccountCompany, file: str) -> None:
    accounts.vend(SHOP, "shop-prod")
    accounts.allocate(SHOP, Checkout="100")
    accounts.show()
    text = text_of(allot, "test", file)
    assert "For no account would anything change." in text
    assert "1 account stays as it is; --all shows it, too." in text
    assert "Take no account: requested, sandboxes." in text


def test_a_rule_waits_for_what_somebody_has_proposed(allot: Allot, accounts: AccountCompany, file: str) -> None:
    accounts.vend(SHOP, "shop-prod")
    accounts.propose(SHOP, Search="100")
    accounts.show()
    assert consequences(tried(allot, file))[SHOP] == ("shop in production", "not asked: somebody's proposal waits")
    accounts.rule(*read_rules(RULES))
    said = accounts.step(AlignAccount).message
    assert "No rule is asked while what somebody proposed waits" in said


def test_only_accounts_that_are_there_are_looked_at(allot: Allot, accounts: AccountCompany, file: str) -> None:
    accounts.vend(SHOP, "shop-prod", state="CLOSED")
    accounts.vend(LABS, "shop-old", state="SUSPENDED")
    accounts.now += timedelta(hours=1)
    accounts.show()
    assert consequences(tried(allot, file)) == {LABS: ("shop in production", "on its next move or tag change")}


def test_a_product_is_requested_by_its_path_or_its_code(allot: Allot, accounts: AccountCompany, file: str) -> None:
    accounts.vend(SHOP, "a", tags={"product": str(SEARCH)})
    accounts.vend(LABS, "b", tags={"product": "Retail/Digital/Web/Nothing"})
    accounts.vend(STRANGER, "c", tags={"product": "no-code"})
    accounts.show()
    found = tried(allot, file)
    assert consequences(found) == {
        SHOP: ("requested", "proposed"),
        LABS: ("", "a person decides"),
        STRANGER: ("", "a person decides"),
    }
    assert found["accounts"][0]["shares"] == [{"product": str(SEARCH), "percent": "100"}]


def test_a_product_that_is_in_no_budget_is_told_before_it_is_refused(
    allot: Allot, accounts: AccountCompany, tmp_path: Path
) -> None:
    accounts.vend()
    accounts.show()
    (tmp_path / "wrong.toml").write_text(
        RULES.replace(f'product = "{CHECKOUT}"', 'product = "Retail/Digital/Web/Shop"')
    )
    text = text_of(allot, "test", "wrong.toml")
    assert "Rule 'shop in production' names Retail/Digital/Web/Shop, which is not in the budget of" in text
    assert "it cannot be set." in text
    assert len(tried(allot, "wrong.toml")["warnings"]) == 1
    wrong = rule("shop", ou_path="/Workloads", shares=shares(Shop="100"))
    assert accounts.refused(ReplaceAccountRules, "Fin", rules=(wrong,)).code == "UnknownProduct"


def test_a_product_that_was_withdrawn_is_in_no_budget(allot: Allot, accounts: AccountCompany, file: str) -> None:
    accounts.withdraw()
    accounts.vend(tags={"product": str(CHECKOUT)})
    accounts.show()
    found = tried(allot, file)
    assert len(found["warnings"]) == 2
    assert all(f"names {CHECKOUT}, which is not in the budget of" in warning for warning in found["warnings"])
    refusal = accounts.refused(ReplaceAccountRules, "Fin", rules=read_rules(RULES))
    assert refusal.code == "WithdrawnProduct"


BAD: dict[bytes, tuple[str, ...]] = {
    b'[[rule]]\nname = "x"\ntype = "Shared"\nou_paths = "/a"\nproduct = "A/B/C/D"\n': (
        "'ou_paths'",
        "the keys are name",
    ),
    b'[[rule]]\nname = "x"\nou_path = "/a"\nproduct = "A/B/C/D"\n': ("type: is missing",),
    b'[[rule]]\nname = "x"\ntype = "Zoo"\nou_path = "/a"\nproduct = "A/B/C/D"\n': ("Production",),
    b'[[rule]]\nname = "x"\ntype = "Shared"\nproduct = "A/B/C/D"\n': ("has a condition",),
    b'[[rule]]\nname = "x"\ntype = "Shared"\nou_path = "/a"\nproduct = "A/B"\n': ("product",),
    b'[rule]\nname = "x"\n': ("two brackets",),
    b"name: x": ("not TOML",),
    "[[rule]]\nname = 'Büro'\n".encode("latin-1"): ("rules.toml is not UTF-8 text (byte 18): save it as UTF-8.",),
    b"#" * (RULES_BYTES_MAX + 1): ("1,000,001 bytes", "at most 1,000,000"),
}


@pytest.mark.parametrize(("content", "said"), BAD.items(), ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("command", [("test",), ("set", "--as", "fin@example.com")], ids=["test", "set"])
def test_a_bad_file_is_refused_with_what_would_be_right(
    allot: Allot, tmp_path: Path, command: tuple[str, ...], content: bytes, said: tuple[str, ...]
) -> None:
    (tmp_path / "rules.toml").write_bytes(content)
    answer = allot("account", "rules", command[0], "rules.toml", *command[1:])
    assert (answer.status, answer.out) == (2, "")
    for part in said:
        assert part in answer.err
