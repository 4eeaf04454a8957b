"""The examples in the documentation of files of accounts are read by what reads such files."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from activities.account_request_file import SUFFIXES, read_requests
from activities.hcl import BLOCK_CHARS_MAX, BLOCKS_MAX, DEPTH_MAX, TOKENS_MAX
from domain import account_file, expected_file
from domain.account_allocating import ROWS_MAX
from domain.account_file import read_allocations
from domain.account_rules import RULES_MAX
from domain.account_rules_file import KEYS, LINE_CHARS_MAX, RULES_CHARS_MAX, read_rules, rules_toml
from domain.allocation import AccountType
from domain.expected_account import EXPECTED_MAX
from domain.expected_file import read_expected

PAGE = (Path(__file__).parents[2] / "docs" / "account-files.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_files_of_allocations_and_expected_accounts_are_read() -> None:
    allocations, expected = examples("csv")
    rows, problems = read_allocations(allocations.encode())
    assert [str(found) for found in problems.kept] == []
    assert [[share.percent for share in row.shares] for row in rows] == [[Decimal(60), Decimal(40)], [Decimal(100)]]
    wanted, problems = read_expected(expected.encode())
    assert [str(found) for found in problems.kept] == []
    assert [row.account.key for row in wanted] == ["email:aws+shop@example.com", "name:search-lab"]


def test_the_account_request_is_read() -> None:
    (example,) = examples("hcl")
    result = read_requests(example.encode())
    assert [str(found) for found in result.problems.kept] == []
    (request,) = result.requests
    assert (request.email, request.account_type) == ("aws+shop-dev@example.com", AccountType.DEVELOPMENT)
    assert read_requests(example.replace("allot:type", "stage").encode()).problems.count, "the control"


def test_the_rules_are_read_and_written() -> None:
    (example,) = examples("toml")
    rules = read_rules(example)
    assert [rule.name for rule in rules] == ["production web shop", "requested"]
    assert read_rules(rules_toml(rules)) == rules


def test_every_column_and_key_is_documented() -> None:
    names = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert {*account_file.SHAPE.columns, *expected_file.SHAPE.columns, *KEYS} <= names
    assert all(f"`{suffix}`" in PAGE for suffix in SUFFIXES)
    assert all(str(account_type) in PAGE for account_type in AccountType)


def test_limits_are_documented_as_they_are() -> None:
    for limit, what in (
        (ROWS_MAX, "allocations and 10 MB"),
        (EXPECTED_MAX, "accounts and 10 MB"),
        (BLOCKS_MAX, "blocks"),
        (BLOCK_CHARS_MAX, "characters each"),
        (DEPTH_MAX, "brackets"),
        (TOKENS_MAX, "words and signs"),
        (RULES_MAX, "rules"),
        (RULES_CHARS_MAX, "characters"),
        (LINE_CHARS_MAX, "; long tables"),
    ):
        assert re.search(rf"\b{limit:,} ?{re.escape(what)}", PAGE), f"{limit:,} {what}"
