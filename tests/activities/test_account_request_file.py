"""Account request files of Account Factory for Terraform: what is read, what is told, and that none takes for ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.account_request_file import (
    AccountRequest,
    RequestsRead,
    expected_rows,
    is_request_file,
    read_requests,
)
from activities.hcl import BLOCK_CHARS_MAX, DEPTH_MAX
from domain.account_rules import as_product
from domain.allocation import AccountType
from domain.budget_file_problem import Problems
from domain.hierarchy import NodePath

SAMPLE = (Path(__file__).parent / "aft" / "account-requests.tf").read_bytes()
CHECKOUT = "Retail/Digital/Web/Checkout"
TAGS = f'"allot:product" = "{CHECKOUT}"\n"allot:type" = "Sandbox"'
READ_WITHIN_S = 30.0
"""Far above what any of these takes, and far below what it took without the limits."""


def module(
    name: str = "a",
    *,
    email: str = '"a@example.com"',
    called: str = '"a"',
    tags: str = TAGS,
    fields: str = "",
    more: str = "",
) -> str:
    return f"""module "{name}" {{
  source = "./modules/aft-account-request"
  control_tower_parameters = {{
    AccountEmail = {email}
    AccountName  = {called}
  }}
  account_tags = {{
{tags}
  }}
  custom_fields = {{
{fields}
  }}
{more}
}}
"""


def read(text: str) -> RequestsRead:
    return read_requests(text.encode())


def told(text: str) -> list[str]:
    return [str(found) for found in read(text).problems.kept]


def test_the_sample_is_read_whatever_else_is_in_it() -> None:
    assert read_requests(SAMPLE) == RequestsRead(
        (
            AccountRequest(
                11,
                "aws+shop-dev@example.com",
                "shop-dev",
                AccountType.DEVELOPMENT,
                CHECKOUT,
                25,
                'account_tags["allot:product"]',
            ),
            AccountRequest(
                44,
                "aws+search@example.com",
                "search-prod",
                AccountType.PRODUCTION,
                "P-102",
                59,
                'custom_fields["allot:product"]',
            ),
        ),
        Problems(),
        1,
    )


def test_products_are_named_by_path_or_code() -> None:
    search, problems = NodePath(("Retail", "Digital", "Web", "Search")), Problems()
    requests = read_requests(SAMPLE).requests
    rows = expected_rows(requests, lambda text: as_product(text) or {"P-102": search}.get(text), problems)
    assert problems.count == 0
    assert [(row.row, row.account.key, row.account.name, row.account.account_type) for row in rows] == [
        (11, "email:aws+shop-dev@example.com", "shop-dev", AccountType.DEVELOPMENT),
        (44, "email:aws+search@example.com", "search-prod", AccountType.PRODUCTION),
    ]
    assert [str(share.product) for row in rows for share in row.account.shares] == [CHECKOUT, str(search)]
    assert len(expected_rows(requests, as_product, problems)) == 1
    assert [str(found) for found in problems.kept] == [
        "Row 59, custom_fields[\"allot:product\"]: 'P-102' names no product of the budget: "
        "write the path of a product, such as Retail/Digital/Web/Checkout, or a code that one product has."
    ]


def test_other_tags_may_name_product_and_type() -> None:
    text = module(tags='"budget:code" = "P-1"', fields='stage = "pre-production"')
    (request,) = read_requests(text.encode(), "budget:code", "stage").requests
    assert (request.product, request.account_type) == ("P-1", AccountType.PRE_PRODUCTION)


def test_a_file_is_told_by_its_name() -> None:
    assert all(is_request_file(name) for name in ("a.tf", "A.TF", "a.tofu", "a.hcl"))
    assert not any(is_request_file(name) for name in ("a.csv", "tf", "a.tf.csv"))


LITERAL = "write the text itself in quotes; Allot does not evaluate Terraform"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            module(email='"${var.team}@example.com"'),
            f"Row 4, AccountEmail: '…' is a text with something to compute in it in module 'a': {LITERAL}.",
        ),
        (
            module(email="lower(local.email)"),
            f"Row 4, AccountEmail: '…' is a function in module 'a': {LITERAL}.",
        ),
        (module(email="var.email"), f"Row 4, AccountEmail: '…' is something to compute in module 'a': {LITERAL}."),
        (
            module(email='("a@example.com")'),
            f"Row 4, AccountEmail: '…' is something to compute in module 'a': {LITERAL}.",
        ),
        (module(called="<<EOT\na\nEOT\n"), f"Row 5, AccountName: '…' is a heredoc in module 'a': {LITERAL}."),
        (module(called='""'), f"Row 5, AccountName: '' is empty in module 'a': {LITERAL}."),
        (
            module(email='"nobody"'),
            "Row 4, AccountEmail: 'nobody' is not an e-mail address: write the one that the account is requested with.",
        ),
        (
            module(called=f'"{"x" * 51}"'),
            f"Row 5, AccountName: '{'x' * 51}' has 51 characters: an account's name has at most 50.",
        ),
        (
            module(called='"a"\nAccountName = "b"'),
            "Row 3, AccountName: '' is given twice in module 'a': keep one of the two.",
        ),
        (
            module(tags=TAGS.replace("Sandbox", "dev")),
            "Row 9, account_tags[\"allot:type\"]: 'dev' is not a type of account: "
            "write one of Production, Pre-Production, Shared, Development, Sandbox.",
        ),
        (
            module(tags='"allot:type" = "Sandbox"'),
            "Row 1, allot:product: '' is in neither account_tags nor custom_fields of module 'a': "
            'write "allot:product" = "Retail/Digital/Web/Checkout" in one of them, or say which tag it is.',
        ),
        (
            module(tags='"allot:type" = "Sandbox"\n(local.key) = "x"'),
            "Row 1, allot:product: '' of module 'a' cannot be told, because account_tags only Terraform can evaluate: "
            'write "allot:product" = "Retail/Digital/Web/Checkout" in one of them, or say which tag it is.',
        ),
        (
            module(tags='"allot:type" = "Sandbox"\n"allot:product" = 7'),
            f"Row 9, account_tags[\"allot:product\"]: '…' is a number in module 'a': {LITERAL}.",
        ),
        (
            module(fields='"allot:type" = "Shared"'),
            "Row 12, custom_fields[\"allot:type\"]: 'Shared' is another one than in account_tags: write it once.",
        ),
        (
            module(more="for_each = local.accounts"),
            "Row 14, for_each: '' makes module 'a' several accounts, or none: write a module for each account.",
        ),
        (
            module(more='source = "./elsewhere/aft-account-request"'),
            "Row 1, source: '' is given twice in module 'a': keep one of the two.",
        ),
        (
            'module "a" {\n  control_tower_parameters = {}\n}\n',
            f"Row 1, source: '' of module 'a' is not a plain text: {LITERAL}.",
        ),
        (
            'module "a" {\n  source = "./modules/aft-account-request"\n}\n',
            "Row 1, control_tower_parameters: '' is missing in module 'a': "
            "write control_tower_parameters = { AccountEmail = … }.",
        ),
        (
            'module "a" {\n  source = "./modules/aft-account-request"\n  control_tower_parameters = local.all\n}\n',
            f"Row 3, control_tower_parameters: '' of module 'a' is no plain table: {LITERAL}.",
        ),
    ],
)
def test_a_bad_request_is_told_in_a_sentence(text: str, problem: str) -> None:
    result = read(text)
    assert result.requests == ()
    assert str(result.problems.kept[0]) == problem


def test_every_bad_request_is_told_and_an_address_is_requested_once() -> None:
    text = module("a") + module("b", email='"A@example.com"') + module("c", email="x", called="y")
    assert [(found.row, found.column) for found in read(text).problems.kept] == [
        (16, "AccountEmail"),
        (34, "AccountEmail"),
        (35, "AccountName"),
    ]


def test_two_requests_on_one_line_are_two() -> None:
    text = module("a").replace("\n", " ").replace('" "allot', '", "allot').replace('" AccountName', '", AccountName')
    assert len(read(text).requests) == 1
    (found,) = read(f"{text} {text}\n").problems.kept
    assert found.problem == "is the address of the module in row 1, too"


def test_a_value_is_read_as_terraform_reads_it() -> None:
    (request,) = read(module(called='"a\\u00e9\\\\b $${x}"')).requests
    assert request.name == "aé\\b ${x}"


def test_what_is_said_twice_alike_is_no_contradiction() -> None:
    assert len(read(module(fields=TAGS)).requests) == 1
    tagged = read(
        module(tags="", fields=TAGS).replace("account_tags = {", "account_tags = merge({").replace("\n\n  }", "\n})", 1)
    )
    assert len(tagged.requests) == 1, "custom_fields say it, whatever the tags come to"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "The file is empty"),
        (b"PK\x03\x04", "The file is a workbook or an archive and not HCL"),
        (b"\xff\xfem\x00", "The file is UTF-16"),
        (b"# nothing\n", "The file has no account request"),
        (b'module "x" {\n  source = "./modules/network"\n}\n', "The file has no account request"),
        (b"a\n\xff", "Row 2 is not UTF-8"),
        (b'module "x" {\n', "Row 1 is the end, and something is not closed"),
        (b'module "x" {\n  a = "b\n}\n', "Row 3 is the end, and something is not closed"),
        (b'module "x" {\n  a = = 1\n}\n', "Row 2 cannot be understood at character 7"),
        (b"x = <<E\n" + b"\n" * 101, "Row 1 begins more than 100 blanks or empty lines"),
        (b"a {\n" * (DEPTH_MAX + 1), "Row 51 nests more than 50 brackets"),
        (b"a = 1\n" * (BLOCK_CHARS_MAX // 6 + 1), "Row 1 begins a block of more than 100,000 characters"),
        (b"x" * 10_000_001, "The file has 10,000,001 bytes; at most 10,000,000 are allowed"),
    ],
)
def test_a_file_that_is_none_is_told(data: bytes, problem: str) -> None:
    assert str(read_requests(data).problems.kept[0]).startswith(problem)


@pytest.mark.parametrize(
    ("limit", "value", "problem"),
    [
        ("activities.hcl.BLOCKS_MAX", 1, "Row 15 is past 1 blocks, the most in one file"),
        ("activities.hcl.TOKENS_MAX", 50, "Row 10 is past 50 words and signs, the most in one file"),
        ("activities.account_request_file.EXPECTED_MAX", 1, "Row 16 is one more than 1 requests, the most in one file"),
    ],
)
def test_a_file_has_so_much_and_not_more(monkeypatch: pytest.MonkeyPatch, limit: str, value: int, problem: str) -> None:
    text = module("a") + module("b", email='"b@example.com"')
    assert told(text) == []
    monkeypatch.setattr(limit, value)
    assert told(text)[0].startswith(problem)


HOSTILE = {
    "brackets": "a = " + "[" * 1_000_000,
    "braces": "a {" * 1_000_000,
    "templates": 'a = "' + '${"' * 1_000_000,
    "parentheses": "a = " + "(" * 1_000_000,
    "lists of lists": "a = " + "[for x in " * 200_000,
    "a heredoc that never ends": "a = <<E\n" + ("\n" * 99 + "x") * 50_000,
    "a heredoc of blanks": "a = <<E\n" + "\n" * 5_000_000,
    "a comment that never ends": "/*" + "*" * 5_000_000,
    "blanks": "a" + " " * 5_000_000,
    "a sum": "a = 1" + "+1" * 1_000_000,
    "a text": 'a = "' + "x" * 5_000_000,
    "dollars": 'a = "' + "$${" * 1_000_000,
    "digits": "a = " + "1" * 5_000_000,
    "blocks": "a{}" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_told_and_takes_neither_for_ever_nor_too_deep_a_stack(name: str) -> None:
    began = time.monotonic()
    assert read(HOSTILE[name]).problems.count
    assert time.monotonic() - began < READ_WITHIN_S


def test_many_requests_are_read_block_by_block() -> None:
    """500 of them take about two seconds; their trees are not held together."""
    text = "".join(module(f"m{n}", email=f'"m{n}@example.com"') for n in range(500))
    began = time.monotonic()
    assert len(read(text).requests) == 500
    assert time.monotonic() - began < READ_WITHIN_S


pieces = st.sampled_from(
    [
        *'{}[]()"=,:#\n ',
        "module",
        '"a"',
        "source",
        "account_tags",
        "${",
        "%{",
        "<<E\n",
        "E\n",
        "/*",
        "*/",
        "//",
        "a",
        "1",
    ]
)


@settings(max_examples=200)
@given(st.binary(max_size=100) | st.lists(pieces, max_size=30).map(lambda parts: "".join(parts).encode()))
def test_any_bytes_are_read_or_told(data: bytes) -> None:
    result = read_requests(data)
    assert result.requests or result.problems.count


@settings(max_examples=100)
@given(st.integers(0, len(SAMPLE)), st.integers(0, 40), st.lists(pieces, max_size=3))
def test_a_damaged_sample_is_read_or_told(at: int, length: int, put: list[str]) -> None:
    result = read_requests(SAMPLE[:at] + "".join(put).encode() + SAMPLE[at + length :])
    assert result.requests or result.problems.count
    assert all(request.email and request.name and request.product for request in result.requests)
