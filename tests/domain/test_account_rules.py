"""Ordered rules: which one takes an account, and what it suggests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.account_rules import (
    PATTERN_CHARS_MAX,
    RULE_NAME_CHARS_MAX,
    RULES_MAX,
    RULES_STREAM,
    SHARES_MAX,
    AccountRule,
    AccountRules,
    as_product,
    fits,
    is_within,
    requested_codes,
    resolver,
    suggestion_for,
)
from domain.allocation import AccountType, Share
from domain.budget import AnnualApproved
from domain.decision import Context, Event, Persona
from domain.errors import Forbidden, NotFound, Refusal
from domain.hierarchy import NodePath
from tests.domain import accounts_given as given
from tests.domain.accounts_given import BUDGET, ENGINEER, SEEN, VENDOR_MANAGER, refused, replace_rules, rule, shares
from tests.domain.specs import (
    ADMIN,
    CHECKOUT,
    NOW,
    ORGANIZATION,
    OWNER,
    RIGHTS,
    SEARCH,
    actor,
    decide,
    fold,
    line,
    withdrawn,
)

UNKNOWN = NodePath(("Retail", "Digital", "Web", "Unknown"))
"""A product that no budget has."""
BY_TAG = rule("requested", ou_path="", product_tag="product", shares=())


def coded(product: NodePath, code: str) -> Event:
    stream, fact = line(product)
    assert isinstance(fact, AnnualApproved)
    return Event(stream, fact.model_copy(update={"code": code}))


CODED = [coded(CHECKOUT, "CHK"), coded(SEARCH, "SRC")]


def suggested(*rules: AccountRule, facts: list[Event] = CODED, hints: tuple[NodePath, ...] = (), **fields: Any) -> Any:
    """Name of the rule, and the shares; None where no rule fits."""
    context = Context(NOW, ADMIN, ORGANIZATION, {}, RIGHTS)
    streams = [line(product).stream for product in (CHECKOUT, SEARCH, UNKNOWN)]
    resolve = resolver(fold(facts, streams), context, hints)
    found = suggestion_for(rules, given.seen(**fields), resolve)
    return found and (found.rule.name, found.shares)


# Conditions


@pytest.mark.parametrize(
    ("fields", "fitting"),
    [
        ({"ou_path": "/Workloads"}, True),
        ({"ou_path": "/Workloads/Production"}, True),
        ({"ou_path": "/Workloads/Production/"}, True),
        ({"ou_path": "/Workloads/Prod"}, False),
        ({"ou_path": "/Workloads/Production/Web"}, False),
        ({"ou_path": "/workloads"}, False),
        ({"ou_path": "/"}, True),
        ({"name_pattern": "shop-*"}, True),
        ({"name_pattern": "shop-pro?"}, True),
        ({"name_pattern": "shop"}, False),
        ({"name_pattern": "Shop-*"}, False),
        ({"tags": {"team": "shop"}}, True),
        ({"tags": {"team": "sh*"}}, True),
        ({"tags": {"team": "SHOP"}}, False),
        ({"tags": {"Team": "*"}}, False),
        ({"tags": {"team": "*", "other": "*"}}, False),
        ({"product_tag": "team"}, True),
        ({"product_tag": "product"}, False),
        ({"any_account": True}, True),
        ({"ou_path": "/Workloads", "name_pattern": "shop-*", "tags": {"team": "*"}, "product_tag": "team"}, True),
        ({"ou_path": "/Workloads", "name_pattern": "x*"}, False),
        ({"ou_path": "/Other", "name_pattern": "shop-*"}, False),
    ],
)
def test_a_rule_fits_where_all_its_conditions_hold(fields: dict[str, Any], fitting: bool) -> None:
    assert fits(rule(**{"ou_path": ""} | fields), SEEN) is fitting


def test_an_account_without_tags_or_unit_fits_no_rule_that_asks_for_them() -> None:
    bare = given.seen(tags=None, ou_path="")
    assert not fits(rule(ou_path="", tags={"team": "*"}), bare)
    assert not fits(BY_TAG, bare)
    assert not fits(rule(), bare)
    assert fits(rule(ou_path="", any_account=True), bare)
    assert fits(rule(ou_path="/"), bare)


@pytest.mark.parametrize(
    ("ou_path", "unit", "within"),
    [
        ("/Prod", "/Prod", True),
        ("/Prod/Web", "/Prod", True),
        ("/Production", "/Prod", False),
        ("/Prod", "/Prod/Web", False),
        ("/Other/Prod", "/Prod", False),
        ("", "/Prod", False),
        ("", "/", True),
    ],
)
def test_units_are_compared_by_parts(ou_path: str, unit: str, within: bool) -> None:
    assert is_within(ou_path, unit) is within


names = st.text(st.characters(exclude_characters="/", exclude_categories=["C", "Z"]), min_size=1, max_size=5)


@drawn(st.lists(names, max_size=3), st.lists(names, max_size=2), names)
def test_a_unit_holds_what_is_below_it_and_no_neighbour(unit: list[str], below: list[str], more: str) -> None:
    path = "/" + "/".join(unit)
    assert is_within("/".join(["", *unit, *below]), path)
    if unit:
        assert not is_within(f"{path}{more}", path)


# The first one that fits


def test_the_first_rule_that_fits_takes_the_account() -> None:
    other, first, second = rule("other", ou_path="/X"), rule("first", shares=shares("60", "40")), rule("second")
    assert suggested(other, first, second) == ("first", shares("60", "40"))
    assert suggested(second, first) == ("second", shares("100"))
    assert suggested(other) is None
    assert suggested() is None


def test_a_suggestion_is_a_type_and_shares() -> None:
    found = suggestion_for([rule(account_type="Sandbox")], SEEN, as_product)
    assert found is not None
    assert found.allocation == (AccountType.SANDBOX, shares("100"))


WHOLE_CHECKOUT = ("requested", (Share(product=CHECKOUT, percent=shares("100")[0].percent),))


def test_a_product_is_requested_by_its_path() -> None:
    assert suggested(BY_TAG, tags={"product": str(CHECKOUT)}) == WHOLE_CHECKOUT
    assert suggested(BY_TAG, tags={"product": f" {CHECKOUT} "}) == WHOLE_CHECKOUT
    assert suggested(BY_TAG, tags={"product": str(UNKNOWN)}) is None
    for text in ("", "/", "Retail/Digital/Web", "a/b/c/d/e", "Retail//Web/Checkout"):
        assert suggested(BY_TAG, tags={"product": text}) is None


def test_a_product_is_requested_by_its_code() -> None:
    assert suggested(BY_TAG, tags={"product": "CHK"}, hints=(SEARCH, CHECKOUT)) == WHOLE_CHECKOUT
    assert suggested(BY_TAG, tags={"product": "chk"}, hints=(SEARCH, CHECKOUT)) is None


def test_a_hint_is_not_believed_unchecked() -> None:
    assert suggested(BY_TAG, tags={"product": "CHK"}, hints=(SEARCH,)) is None
    assert suggested(BY_TAG, tags={"product": "CHK"}) is None
    assert suggested(BY_TAG, tags={"product": "CHK"}, hints=(CHECKOUT,), facts=BUDGET) is None
    assert suggested(BY_TAG, tags={"product": ""}, hints=(CHECKOUT,), facts=BUDGET) is None


def test_a_code_of_two_products_names_neither() -> None:
    both = [coded(CHECKOUT, "CHK"), coded(SEARCH, "CHK")]
    assert suggested(BY_TAG, tags={"product": "CHK"}, hints=(CHECKOUT, SEARCH), facts=both) is None


def test_a_requested_product_that_was_withdrawn_leaves_the_account_to_the_next_rule() -> None:
    facts = [*CODED, withdrawn(CHECKOUT)]
    for value in (str(CHECKOUT), "CHK"):
        found = suggested(BY_TAG, rule("web"), facts=facts, hints=(CHECKOUT,), tags={"product": value})
        assert found == ("web", rule("web").shares)
    same_code = [coded(CHECKOUT, "CHK"), coded(SEARCH, "CHK"), withdrawn(CHECKOUT)]
    _, found = suggested(BY_TAG, facts=same_code, hints=(CHECKOUT, SEARCH), tags={"product": "CHK"})
    assert [share.product for share in found] == [SEARCH]


def test_a_requested_product_that_nobody_knows_leaves_the_account_to_the_next_rule() -> None:
    everything = rule("all", ou_path="", any_account=True)
    assert suggested(BY_TAG, everything, tags={"product": "x"}) == ("all", shares("100"))


def test_under_narrows_down_the_requested_product() -> None:
    def under(node: NodePath) -> object:
        return suggested(BY_TAG.model_copy(update={"under": node}), tags={"product": str(CHECKOUT)})

    for node in (CHECKOUT, CHECKOUT.portfolio, NodePath(("Retail",)), NodePath.ROOT):
        assert under(node) == WHOLE_CHECKOUT
    for node in (SEARCH, NodePath(("Retail", "Digital", "We")), NodePath(("Other",))):
        assert under(node) is None


def test_shares_of_the_rule_go_before_the_requested_product() -> None:
    split = BY_TAG.model_copy(update={"shares": shares("60", "40")})
    assert suggested(split, tags={"product": str(CHECKOUT)}) == ("requested", shares("60", "40"))
    assert suggested(split, tags={"product": "x"}) is None


def test_values_that_may_be_codes_are_told_once() -> None:
    rules = [BY_TAG, BY_TAG, rule(), rule(product_tag="team"), rule(product_tag="none")]
    tagged = given.seen(tags={"product": "CHK", "team": "CHK", "x": "y"})
    assert requested_codes(rules, tagged) == ("CHK",)
    assert requested_codes(rules, given.seen(tags={"product": "A", "team": "B"})) == ("A", "B")
    assert requested_codes(rules, given.seen(tags=None)) == ()


# What is a rule


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ou_path": ""}, "a rule has a condition"),
        ({"any_account": True}, "or says any_account = true"),
        ({"shares": ()}, r"a rule suggests shares, or names the tag that holds the requested product \(product_tag\)"),
        ({"under": CHECKOUT}, "under narrows down the requested product: name the tag that holds it"),
        ({"ou_path": "Workloads"}, "ou_path begins with /, such as /Workloads/Production"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "a name must be on one line"),
        ({"name": "x" * (RULE_NAME_CHARS_MAX + 1)}, "name"),
        ({"ou_path": "/" + "x" * PATTERN_CHARS_MAX}, "ou_path"),
        ({"tags": {"team": "x" * (PATTERN_CHARS_MAX + 1)}}, "tags"),
        ({"tags": {str(n): "" for n in range(51)}}, "tags"),
        ({"shares": shares(*["1"] * (SHARES_MAX + 1), products=[CHECKOUT] * (SHARES_MAX + 1))}, "shares"),
    ],
)
def test_a_rule_that_is_none_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        rule(**fields)


def test_a_rule_at_its_limits() -> None:
    assert (RULE_NAME_CHARS_MAX, PATTERN_CHARS_MAX, SHARES_MAX) == (100, 300, 100)
    big = rule(
        "x" * RULE_NAME_CHARS_MAX,
        ou_path="/" + "x" * (PATTERN_CHARS_MAX - 1),
        tags={str(n): "x" * PATTERN_CHARS_MAX for n in range(50)},
        shares=shares(*["1"] * SHARES_MAX, products=[CHECKOUT] * SHARES_MAX),
    )
    assert (len(big.shares), big.apply) == (SHARES_MAX, False)


# Replacing them


def test_rules_are_replaced_all_together() -> None:
    mixed = rule("b", shares=shares("40", "60", products=(SEARCH, CHECKOUT)))
    decision = decide(replace_rules(BY_TAG, mixed, note="new units"), ADMIN, BUDGET)
    ordered = rule("b", shares=shares("60", "40"))
    stream, fact = given.rules(BY_TAG, ordered)
    assert decision.events == [Event(stream, fact.model_copy(update={"note": "new units"}))]
    assert decision.message == "2 rules are in force."
    state: AccountRules = fold(decision.events, [RULES_STREAM])[RULES_STREAM]
    assert state == AccountRules((BY_TAG, ordered), ADMIN.person_id)
    again = decide(replace_rules(BY_TAG, mixed), ADMIN, [*BUDGET, *decision.events])
    assert (again.events, again.message) == ((), "These rules are in force already; nothing changed.")
    swapped = decide(replace_rules(mixed, BY_TAG), ADMIN, [*BUDGET, *decision.events])
    assert len(swapped.events) == 1


def test_how_many_rules_are_in_force() -> None:
    assert decide(replace_rules(rule()), ADMIN, BUDGET).message == "1 rule is in force."
    assert decide(replace_rules(), ADMIN, [given.rules(rule())]).message == "0 rules are in force."


def test_each_rule_has_a_name_of_its_own() -> None:
    refusal = refused(replace_rules(rule("a"), rule("b"), rule("a")), ADMIN, BUDGET)
    assert (refusal.code, refusal.message) == (
        "DuplicateRule",
        "Two rules are named 'a': give each a name of its own.",
    )


def test_a_rule_suggests_what_can_be_allocated() -> None:
    refusal = refused(replace_rules(rule("a", shares=shares("99"))), ADMIN, BUDGET)
    assert (type(refusal), refusal.code) == (Refusal, "NotWhole")
    assert refusal.message == "Rule 'a': The shares add up to 99 %; they must add up to exactly 100 %."
    refusal = refused(replace_rules(rule("a", shares=shares("60", "40"))), ADMIN, [line()])
    assert (type(refusal), refusal.code) == (NotFound, "UnknownProduct")
    assert refusal.message == (
        "Rule 'a': There is no product Retail/Digital/Web/Search in the budget: check the path, or load its budget "
        "first."
    )
    gone = refused(replace_rules(rule("a", shares=shares("60", "40"))), ADMIN, [*BUDGET, withdrawn(SEARCH)])
    assert gone.code == "WithdrawnProduct"


def test_only_financial_admins_say_what_the_rules_are() -> None:
    both = replace(ENGINEER, grants=ENGINEER.grants | actor("x", (Persona.VENDOR_MANAGER, NodePath.ROOT)).grants)
    for who in (ENGINEER, VENDOR_MANAGER, OWNER, both):
        refusal = refused(replace_rules(rule()), who, BUDGET)
        assert isinstance(refusal, Forbidden)
        assert refusal.message == (
            "To manage account rules on / one must be financial_admin there; ask a Financial Admin for a grant."
        )


def test_there_are_two_hundred_rules_at_most() -> None:
    assert RULES_MAX == 200
    assert len(replace_rules(*[BY_TAG] * RULES_MAX).rules) == RULES_MAX
    with pytest.raises(ValidationError, match="rules"):
        replace_rules(*[BY_TAG] * (RULES_MAX + 1))
    assert replace_rules().subject == RULES_STREAM
