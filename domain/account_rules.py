"""Ordered rules that say which products an account's spend belongs to (product rules, section 5).

The first rule whose conditions all hold takes the account. It suggests an allocation or, where it says so, applies it
at once. Rules are replaced all together, so that their order is decided on, too; each set stays in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from domain.account_facts import AccountSeen
from domain.allocation import WHOLE_PERCENT, AccountType, Share, checked_shares
from domain.budget_product import is_product, line_streams, require_product
from domain.decision import (
    Action,
    Command,
    Context,
    Decision,
    Event,
    Fact,
    LineText,
    NoteText,
    PersonId,
    Rule,
    States,
    Stream,
)
from domain.errors import Refusal
from domain.hierarchy import PRODUCT_LEVEL, NodePath
from domain.model import Model
from domain.people import require

RULES_MAX = 200
RULE_NAME_CHARS_MAX = 100
PATTERN_CHARS_MAX = 300
TAGS_MAX = 50
"""Tags that one rule asks for."""
SHARES_MAX = 100

Pattern = Annotated[LineText, Field(max_length=PATTERN_CHARS_MAX)]
RuleName = Annotated[LineText, Field(min_length=1, max_length=RULE_NAME_CHARS_MAX)]
type Resolve = Callable[[str], NodePath | None]
"""The product that a tag's value names: by its path or its code; None where there is none."""


class AccountRule(Model):
    """Conditions, which must all hold, and what is suggested then."""

    name: RuleName
    ou_path: Pattern = ""
    """The account is in this organizational unit or below it, such as `/Workloads/Production`."""
    name_pattern: Pattern = ""
    """The account's name looks like this: `*` stands for any text, `?` for one character, `[ab]` for one of these."""
    tags: Annotated[dict[str, Pattern], Field(max_length=TAGS_MAX)] = {}
    """It has each of these tags, with a value that looks like this."""
    product_tag: Pattern = ""
    """It has this tag, whose value is the path or the code of a product in the budget: the requested product …"""
    under: NodePath | None = None
    """… which is this node or stands below it."""
    any_account: bool = False
    """The rule takes whatever comes; without a condition that has to be said."""
    shares: Annotated[tuple[Share, ...], Field(max_length=SHARES_MAX)] = ()
    """What is suggested; empty for all of it to the requested product."""
    account_type: AccountType
    apply: bool = False
    """Whether it is applied at once, and not only suggested."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        conditions = bool(self.ou_path or self.name_pattern or self.tags or self.product_tag)
        if conditions == self.any_account:
            raise ValueError(
                "a rule has a condition (ou_path, name_pattern, tags or product_tag), or says any_account = true"
            )
        if not (self.shares or self.product_tag):
            raise ValueError("a rule suggests shares, or names the tag that holds the requested product (product_tag)")
        if self.under is not None and not self.product_tag:
            raise ValueError("under narrows down the requested product: name the tag that holds it (product_tag)")
        if self.ou_path and not self.ou_path.startswith("/"):
            raise ValueError("ou_path begins with /, such as /Workloads/Production")
        return self


class Suggestion(NamedTuple):
    """What a rule says of an account."""

    rule: AccountRule
    shares: tuple[Share, ...]

    @property
    def allocation(self) -> tuple[AccountType, tuple[Share, ...]]:
        return self.rule.account_type, self.shares


class RulesReplaced(Fact):
    """From now on these rules say which accounts belong where."""

    fact_name: ClassVar[str] = "account_rules.Replaced"
    rules: tuple[AccountRule, ...]
    """In order: the first one that fits takes the account."""
    set_by: PersonId
    note: str = ""


@dataclass(frozen=True, slots=True)
class AccountRules:
    rules: tuple[AccountRule, ...] = ()
    set_by: PersonId | None = None


def evolve(_: AccountRules, fact: RulesReplaced) -> AccountRules:
    return AccountRules(fact.rules, fact.set_by)


RULES_STREAM = Stream("account_rules", "all")


class ReplaceAccountRules(Command):
    """Puts these rules in the place of those that were in force."""

    kind: Literal["account_rules.Replace"] = "account_rules.Replace"
    rules: Annotated[tuple[AccountRule, ...], Field(max_length=RULES_MAX)]
    note: NoteText = ""

    @property
    def subject(self) -> Stream:
        return RULES_STREAM


def decide_replace(states: States, command: ReplaceAccountRules, context: Context) -> Decision:
    authority = require(context, Action.MANAGE_ACCOUNT_RULES, NodePath.ROOT)
    names = [rule.name for rule in command.rules]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Refusal(f"Two rules are named {twice!r}: give each a name of its own.", code="DuplicateRule")
    rules = tuple(_checked(states, rule, context) for rule in command.rules)
    known: AccountRules = states[RULES_STREAM]
    if rules == known.rules:
        return Decision(message="These rules are in force already; nothing changed.")
    fact = RulesReplaced(rules=rules, set_by=context.actor.person_id, note=command.note)
    how_many = f"{len(rules):,} rules are" if len(rules) != 1 else "1 rule is"
    return Decision([Event(RULES_STREAM, fact)], f"{how_many} in force.", authority)


def _checked(states: States, rule: AccountRule, context: Context) -> AccountRule:
    """With ordered shares. Raises Refusal, which names the rule."""
    if not rule.shares:
        return rule
    try:
        shares = checked_shares(rule.shares)
        for share in shares:
            require_product(states, share.product, None, context)
    except Refusal as refusal:
        raise type(refusal)(f"Rule {rule.name!r}: {refusal.message}", code=refusal.code) from None
    return rule.model_copy(update={"shares": shares})


def suggestion_for(rules: Sequence[AccountRule], seen: AccountSeen, resolve: Resolve) -> Suggestion | None:
    """What the first rule that fits says; None where none does. A requested product that nobody knows fits no rule."""
    return next((found for rule in rules if (found := _applied(rule, seen, resolve))), None)


def _applied(rule: AccountRule, seen: AccountSeen, resolve: Resolve) -> Suggestion | None:
    if not fits(rule, seen):
        return None
    if not rule.product_tag:
        return Suggestion(rule, rule.shares)
    product = resolve((seen.tags or {}).get(rule.product_tag, ""))
    if product is None or (rule.under is not None and not rule.under.contains(product)):
        return None
    return Suggestion(rule, rule.shares or (Share(product=product, percent=WHOLE_PERCENT),))


def fits(rule: AccountRule, seen: AccountSeen) -> bool:
    """Whether the conditions hold that the account alone can tell; the requested product is looked at after them."""
    tags = seen.tags or {}
    return (
        (not rule.ou_path or is_within(seen.ou_path, rule.ou_path))
        and (not rule.name_pattern or fnmatchcase(seen.name, rule.name_pattern))
        and all(key in tags and fnmatchcase(tags[key], pattern) for key, pattern in rule.tags.items())
        and (not rule.product_tag or rule.product_tag in tags)
    )


def is_within(ou_path: str, unit: str) -> bool:
    """Whether an organizational unit is that one or is below it, by parts: `/Prod` does not take in `/Production`."""
    parts = [part for part in ou_path.split("/") if part]
    wanted = [part for part in unit.split("/") if part]
    return parts[: len(wanted)] == wanted


def requested_codes(rules: Sequence[AccountRule], seen: AccountSeen) -> tuple[str, ...]:
    """Values of tags that may name a product, for whoever looks up codes."""
    tags = seen.tags or {}
    return tuple(dict.fromkeys(tags[rule.product_tag] for rule in rules if rule.product_tag in tags))


def resolver(states: States, context: Context, coded: Sequence[NodePath] = ()) -> Resolve:
    """By the path of a product in the budget or, among those that were looked up, by its code."""

    def resolve(text: str) -> NodePath | None:
        named = as_product(text)
        if named is not None:
            return named if is_product(states, named, None, context) else None
        found = [
            product
            for product in coded
            if text and text in _codes(states, product, context) and is_product(states, product, None, context)
        ]
        return found[0] if len(found) == 1 else None

    return resolve


def as_product(text: str) -> NodePath | None:
    """A product's path; None for what cannot be one."""
    try:
        path = NodePath.parse(text.strip())
    except ValueError:
        return None
    return path if path.level == PRODUCT_LEVEL else None


def _codes(states: States, product: NodePath, context: Context) -> set[str]:
    return {states[stream].code for stream in line_streams(product, None, context)} - {""}


def _reads(command: ReplaceAccountRules, context: Context) -> Sequence[Stream]:
    products = [share.product for rule in command.rules for share in rule.shares]
    lines = [stream for product in products for stream in line_streams(product, None, context)]
    return (RULES_STREAM, *dict.fromkeys(lines))


RULES: dict[type[Command], Rule] = {ReplaceAccountRules: Rule(_reads, decide_replace)}
FACTS: tuple[type[Fact], ...] = (RulesReplaced,)
