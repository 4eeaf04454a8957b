"""Rules as TOML: what is read, what is told of what cannot be, and that what is written is read again."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.account_rules import AccountRule
from domain.account_rules_file import LINE_CHARS_MAX, RULES_CHARS_MAX, read_rules, rules_toml
from domain.allocation import AccountType, Share
from domain.errors import BadInput
from domain.hierarchy import NodePath
from tests.domain.specs import CHECKOUT, SEARCH

WHOLE = (Share(product=CHECKOUT, percent=Decimal(100)),)
TWO = """
[[rule]]
name = "prod web shop"
ou_path = "/Workloads/Production"
name_pattern = "shop-*"
tags = { team = "shop" }
type = "Production"
shares = { "Retail/Digital/Web/Search" = 39.9999, "Retail/Digital/Web/Checkout" = "60.0001" }
apply = true

[[rule]]
name = "requested"
product_tag = "allot:product"
under = "Retail"
type = "development"
"""


def rule(body: str) -> str:
    return f'[[rule]]\nname = "r"\n{body}\n'


def told(text: str) -> list[str]:
    with pytest.raises(BadInput) as error:
        read_rules(text)
    assert error.value.code == "InvalidRules"
    return error.value.message.splitlines()


def test_rules_are_read_in_order_with_exact_shares() -> None:
    assert read_rules(TWO) == (
        AccountRule(
            name="prod web shop",
            ou_path="/Workloads/Production",
            name_pattern="shop-*",
            tags={"team": "shop"},
            account_type=AccountType.PRODUCTION,
            shares=(
                Share(product=CHECKOUT, percent=Decimal("60.0001")),
                Share(product=SEARCH, percent=Decimal("39.9999")),
            ),
            apply=True,
        ),
        AccountRule(
            name="requested",
            product_tag="allot:product",
            under=NodePath(("Retail",)),
            account_type=AccountType.DEVELOPMENT,
        ),
    )


def test_one_product_takes_all_and_no_condition_has_to_be_said() -> None:
    (found,) = read_rules(rule('any_account = true\nproduct = "Retail/Digital/Web/Checkout"\ntype = "Sandbox"'))
    assert found == AccountRule(name="r", any_account=True, shares=WHOLE, account_type=AccountType.SANDBOX)


def test_no_rules_are_rules_too() -> None:
    assert read_rules("") == read_rules(rules_toml(())) == ()


CONDITION = 'name_pattern = "x*"'
PRODUCT = 'product = "Retail/Digital/Web/Checkout"'
SHARED = 'type = "Shared"'


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            ("ou_pth = '/Prod'", CONDITION, PRODUCT, SHARED),
            "'ou_pth': is not a key of a rule: the keys are name, ou_path, name_pattern, tags, product_tag, under, "
            "any_account, product, shares, type, apply.",
        ),
        (
            (CONDITION, PRODUCT),
            "type: is missing: write one of Production, Pre-Production, Shared, Development, Sandbox.",
        ),
        (
            (CONDITION, PRODUCT, 'type = "Prod"'),
            "type: 'Prod' is not a type of account: "
            "write one of Production, Pre-Production, Shared, Development, Sandbox.",
        ),
        (
            (CONDITION, SHARED, 'product = "Retail"'),
            "product: 'Retail' has 1 of the 4 names in a product's path: "
            "write its path, such as Retail/Digital/Web/Checkout, with / inside a name as %2F.",
        ),
        (
            (CONDITION, SHARED, PRODUCT, 'shares = { "Retail/Digital/Web/Search" = 100 }'),
            "product: is given, and so are shares: write one of the two.",
        ),
        (
            (CONDITION, SHARED, 'shares = { "Retail/Digital/Web/Search" = 99.9 }'),
            "shares: cannot be: The shares add up to 99.9 %; they must add up to exactly 100 %.",
        ),
        (
            (CONDITION, SHARED, 'shares = { "Retail/Digital/Web/Search" = true }'),
            "shares: 'Retail/Digital/Web/Search' has True, which is not a percentage: "
            "write a number such as 60 or 33.3333.",
        ),
        (
            (CONDITION, SHARED, 'shares = { "Retail/Digital/Web/Search" = 33.33333 }'),
            "shares: 'Retail/Digital/Web/Search' has 33.33333, which has 5 decimals: "
            "write a number such as 60 or 33.3333, with at most 4 decimals.",
        ),
        (
            (CONDITION, SHARED, 'shares = { "Retail/Digital/Web/Search" = nan }'),
            "shares: 'Retail/Digital/Web/Search' has NaN, which is not a percentage: "
            "write a number such as 60 or 33.3333.",
        ),
        (
            (CONDITION, SHARED, "shares = 100"),
            'shares: 100 is not a table of products: write shares = { "A/B/C/D" = 60, "A/B/C/E" = 40 }.',
        ),
        ((CONDITION, PRODUCT, SHARED, 'apply = "yes"'), "apply: 'yes' is not a yes or no: write true or false."),
        ((CONDITION, PRODUCT, SHARED, "ou_path = 3"), "ou_path: 3 is not a text: write it in quotes."),
        (
            (CONDITION, PRODUCT, SHARED, "tags = { team = 3 }"),
            "tags: 'team' has 3, which is not a text: write the value in quotes.",
        ),
        ((CONDITION, PRODUCT, SHARED, 'tags = "x"'), "tags: 'x' is not a table: write tags = { team = \"shop\" }."),
        (
            ('product_tag = "p"', SHARED, 'under = "Retail//x"'),
            "under: 'Retail//x' is not a path of the hierarchy: E2 needs a name, without blanks around it: "
            "write one such as Retail or Retail/Digital.",
        ),
        (
            (CONDITION, PRODUCT, SHARED, f'ou_path = "/{"x" * 300}"'),
            "ou_path: is longer than 300: shorten it.",
        ),
    ],
)
def test_a_wrong_rule_is_told_with_its_key(lines: tuple[str, ...], problem: str) -> None:
    assert told(rule("\n".join(lines))) == [f"Rule 1 ('r'), {problem}"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            (PRODUCT, SHARED),
            "a rule has a condition (ou_path, name_pattern, tags or product_tag), or says any_account = true",
        ),
        (
            (CONDITION, SHARED),
            "a rule suggests shares, or names the tag that holds the requested product (product_tag)",
        ),
        ((CONDITION, PRODUCT, SHARED, 'ou_path = "Prod"'), "ou_path begins with /, such as /Workloads/Production"),
    ],
)
def test_a_rule_that_makes_no_sense_is_told_in_the_words_of_the_domain(lines: tuple[str, ...], problem: str) -> None:
    assert told(rule("\n".join(lines))) == [f"Rule 1 ('r'): cannot be: {problem}."]


def test_every_problem_of_every_rule_is_told() -> None:
    text = rule(f'{CONDITION}\n{PRODUCT}\ntype = "x"\napply = 1') + rule(f"colour = 1\n{SHARED}") + "[[rule]]\n"
    assert [line.partition(":")[0] for line in told(text)] == [
        "Rule 1 ('r'), apply",
        "Rule 1 ('r'), type",
        "Rule 2 ('r'), 'colour'",
        "Rule 2 ('r'), name",
        "Rule 3, type",
        "Rule 3, name",
    ]
    many = told("".join(f"[[rule]]\nk{n} = 1\n" for n in range(200)))
    assert (len(many), many[-1]) == (101, "And 500 more.")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[rule]\nname = 'x'\n", "rule is not a list of tables"),
        ("rule = [1]\n", "rule is not a list of tables"),
        ("[[rules]]\nname = 'x'\n", "'rules' is no part of such a file: each rule begins with [[rule]]."),
        ("[[rule]\n", "The text is not TOML: "),
        ("[[rule]]\nname = 'a'\nname = 'b'\n", "The text is not TOML: Cannot overwrite a value"),
        ("x = " + "[" * 2_900, "The text is "),
        ("x = " + "9" * 2_900, "'x' is no part"),
        ("x = 1e99999999999999999999", "The text holds a number that is far too large or too small"),
        ("[[rule]]\n" * 201, "The text has 201 rules: at most 200 are kept."),
        ("#" * (LINE_CHARS_MAX + 1), "Line 1 has 3,001 characters: write lines of at most 3,000"),
        ("\n" * (RULES_CHARS_MAX + 1), "The text has 500,001 characters: at most 500,000 are read."),
        ("\x00", "The text is not TOML: "),
    ],
)
def test_a_text_that_is_none_is_told(text: str, problem: str) -> None:
    assert told(text)[0].startswith(problem)


def test_a_number_of_thousands_of_digits_is_told_and_not_written_out() -> None:
    text = "f" * 2_900
    assert "which is not a percentage" in told(rule(f'{CONDITION}\n{SHARED}\nshares = {{ "A/B/C/D" = 0x{text} }}'))[0]
    assert told(rule(f"{CONDITION}\n{PRODUCT}\n{SHARED}\nou_path = [[0x{text}], 0x{text}, 0x{text}]"[:2_990] + "]"))


def test_what_is_in_force_is_written_to_be_edited() -> None:
    assert rules_toml(read_rules(TWO)) == (
        """# Rules for accounts: the first one whose conditions all hold takes the account.

[[rule]]
name = "prod web shop"
ou_path = "/Workloads/Production"
name_pattern = "shop-*"
type = "Production"
apply = true
tags = { "team" = "shop" }
shares = { "Retail/Digital/Web/Checkout" = 60.0001, "Retail/Digital/Web/Search" = 39.9999 }

[[rule]]
name = "requested"
product_tag = "allot:product"
under = "Retail"
type = "Development"
apply = false
"""
    )


def test_long_tables_are_written_line_by_line_and_read_again() -> None:
    shares = tuple(
        Share(product=NodePath(("A" * 100, "B" * 100, "C" * 100, f"P{n:02}" + "é/%" * 30)), percent=Decimal(1))
        for n in range(100)
    )
    tags = {f"tag {n}" + 'x"\\' * 40: "*" * 300 for n in range(50)}
    rules = (AccountRule(name="long", tags=tags, shares=shares, account_type=AccountType.SHARED),)
    assert "[rule.tags]\n" in rules_toml(rules)
    assert read_rules(rules_toml(rules)) == rules


line = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
names = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=8).filter(
    lambda name: name == name.strip()
)
paths = st.tuples(names, names, names, names).map(NodePath)


@st.composite
def some_shares(draw: st.DrawFn) -> tuple[Share, ...]:
    products = sorted(draw(st.sets(paths, min_size=1, max_size=4)))
    parts = [draw(st.integers(1, 200_000)) for _ in products[1:]]
    percents = [Decimal(part).scaleb(-4) for part in parts]
    return tuple(
        Share(product=product, percent=percent)
        for product, percent in zip(products, [100 - sum(percents, Decimal(0)), *percents], strict=True)
    )


@st.composite
def some_rules(draw: st.DrawFn) -> tuple[AccountRule, ...]:
    rules = []
    for name in draw(st.lists(line.filter(bool), max_size=4, unique=True)):
        tag = draw(line)
        values = {
            "name": name,
            "ou_path": draw(st.one_of(st.just(""), line.map(lambda text: f"/{text}"))),
            "name_pattern": draw(line),
            "tags": draw(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), line, max_size=3)),
            "product_tag": tag,
            "under": draw(st.none() | paths) if tag else None,
            "shares": draw(some_shares()) if not tag else draw(st.just(()) | some_shares()),
            "account_type": draw(st.sampled_from(AccountType)),
            "apply": draw(st.booleans()),
        }
        values["any_account"] = not (values["ou_path"] or values["name_pattern"] or values["tags"] or tag)
        rules.append(AccountRule.model_validate(values))
    return tuple(rules)


@given(some_rules())
def test_what_is_written_is_read_again(rules: tuple[AccountRule, ...]) -> None:
    assert read_rules(rules_toml(rules)) == rules


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_text_is_read_or_told(text: str) -> None:
    with suppress(BadInput):
        read_rules(text)


values = st.recursive(
    st.booleans() | st.integers() | st.floats() | line | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(line, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["name", "tags", "shares", "type", "apply", "under", "ou_path"]), values))
def test_a_rule_of_any_shape_is_read_or_told(table: dict[str, object]) -> None:
    text = "[[rule]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
    tomllib.loads(text)
    with suppress(BadInput):
        read_rules(text)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    return str(value)
