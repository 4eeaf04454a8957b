"""Rules for accounts as a TOML text that people write: read whole, or everything that is wrong with it; and written.

An array of tables, `[[rule]]`, in the order in which they are asked. A key that no rule has is refused, because a
misspelt condition must not be overlooked.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pydantic import ValidationError

from domain.account_cells import TYPES_REMEDY, read_percent, read_product, read_type
from domain.account_rules import RULES_MAX, AccountRule
from domain.allocation import WHOLE_PERCENT, Share, checked_shares
from domain.budget_file_problem import Fault
from domain.errors import BadInput, Refusal
from domain.hierarchy import NodePath
from domain.money import exact, plain

RULES_CHARS_MAX = 500_000
LINE_CHARS_MAX = 3_000
"""Characters of one line: keys with very many dots take very long to read."""
INLINE_CHARS_MAX = 100
"""Characters of a table that is written on one line."""
PROBLEMS_LISTED_MAX = 100
VALUE_CHARS_MAX = 60
KEYS = (
    "name",
    "ou_path",
    "name_pattern",
    "tags",
    "product_tag",
    "under",
    "any_account",
    "product",
    "shares",
    "type",
    "apply",
)
"""In the order in which they are written."""
_HEADER = "# Rules for accounts: the first one whose conditions all hold takes the account.\n"
_NO_RULES = "# No rules are in force.\n"
_PERCENT_REMEDY = "write a number such as 60 or 33.3333"


def read_rules(text: str) -> tuple[AccountRule, ...]:
    """The rules, in order. Raises BadInput, which lists what is wrong: which rule, which key, what would be right."""
    tables = _tables(text)
    problems: list[str] = []
    rules: list[AccountRule] = []
    first_of: dict[str, int] = {}
    for number, table in enumerate(tables, start=1):
        reader = _RuleReader(number, table)
        rule = reader.rule()
        problems += reader.problems
        if isinstance(name := table.get("name"), str) and (first := first_of.setdefault(name, number)) != number:
            problems.append(
                reader.told("name", Fault(f"is the name of rule {first} already", "give it one of its own"))
            )
        if rule:
            rules.append(rule)
    if problems:
        raise _bad(problems)
    return tuple(rules)


def rules_toml(rules: Sequence[AccountRule]) -> str:
    """The same rules as a text to be edited: `read_rules(rules_toml(rules)) == rules`."""
    return _HEADER + ("".join(f"\n[[rule]]\n{_written(rule)}" for rule in rules) or _NO_RULES)


# Reading


def _tables(text: str) -> Sequence[Mapping[str, object]]:
    if len(text) > RULES_CHARS_MAX:
        raise _bad([f"The text has {len(text):,} characters: at most {RULES_CHARS_MAX:,} are read."])
    for row, line in enumerate(text.split("\n"), start=1):
        if len(line) > LINE_CHARS_MAX:
            remedy = f"write lines of at most {LINE_CHARS_MAX:,}, and long tables under [rule.shares] or [rule.tags]"
            raise _bad([f"Line {row} has {len(line):,} characters: {remedy}."])
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except RecursionError:
        raise _bad(["The text is nested too deeply: a rule has plain values and one level of tables."]) from None
    except ArithmeticError:
        raise _bad(["The text holds a number that is far too large or too small: write percentages."]) from None
    except ValueError as error:
        raise _bad([f"The text is not TOML: {_one_line(str(error))}."]) from None
    return _listed(document)


def _listed(document: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    if strange := [key for key in document if key != "rule"]:
        raise _bad([f"{_shown(key)} is no part of such a file: each rule begins with [[rule]]." for key in strange])
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _bad(["rule is not a list of tables: each rule begins with [[rule]], with two brackets."])
    if len(tables) > RULES_MAX:
        raise _bad([f"The text has {len(tables):,} rules: at most {RULES_MAX} are kept."])
    return tables


@dataclass(slots=True)
class _RuleReader:
    """Reads one rule, and gathers what is wrong with it."""

    number: int
    table: Mapping[str, object]
    problems: list[str] = field(default_factory=list)

    def rule(self) -> AccountRule | None:
        """None where something is wrong."""
        for key in self.table:
            if key not in KEYS:
                self._refuse(key, Fault("is not a key of a rule", f"the keys are {', '.join(KEYS)}"))
        values = dict(self._values())
        if "type" not in self.table:
            self._refuse("type", Fault("is missing", TYPES_REMEDY))
        if "name" not in self.table:
            self._refuse("name", Fault("is missing", "give the rule a name, by which people know it"))
        if self.problems:
            return None
        try:
            return AccountRule.model_validate(values)
        except ValidationError as error:
            for told in error.errors(include_url=False, include_input=False):
                longest = told.get("ctx", {}).get("max_length")
                fault = Fault("cannot be", told["msg"].removeprefix("Value error, "))
                self._refuse(
                    str(told["loc"][0]) if told["loc"] else "",
                    Fault(f"is longer than {longest}", "shorten it") if longest else fault,
                )
            return None

    def _values(self) -> Iterator[tuple[str, object]]:
        for key in ("name", "ou_path", "name_pattern", "product_tag"):
            yield from self._one(key, key, _text)
        for key in ("any_account", "apply"):
            yield from self._one(key, key, _flag)
        yield from self._one("tags", "tags", _texts)
        yield from self._one("under", "under", lambda value: _of_text(value, _node))
        yield from self._one("type", "account_type", lambda value: _of_text(value, read_type))
        if "product" in self.table and "shares" in self.table:
            self._refuse("product", Fault("is given, and so are shares", "write one of the two"))
        else:
            yield from self._one("product", "shares", _whole_share)
            yield from self._one("shares", "shares", _shares)

    def _one(self, key: str, name: str, read: Callable[[object], object]) -> Iterator[tuple[str, object]]:
        """The value by the name it has in the model, or nothing."""
        if key not in self.table:
            return
        found = read(self.table[key])
        if isinstance(found, Fault):
            self._refuse(key, found)
        else:
            yield name, found

    def _refuse(self, key: str, fault: Fault) -> None:
        self.problems.append(self.told(key, fault))

    def told(self, key: str, fault: Fault) -> str:
        name = self.table.get("name")
        called = f" ({_shown(name)})" if isinstance(name, str) else ""
        at = f", {_shown(key)}" if key and key not in KEYS else f", {key}" if key else ""
        return f"Rule {self.number}{called}{at}: {fault.problem}: {fault.remedy}."


def _text(value: object) -> str | Fault:
    return value if isinstance(value, str) else Fault(f"{_shown(value)} is not a text", "write it in quotes")


def _flag(value: object) -> bool | Fault:
    return value if isinstance(value, bool) else Fault(f"{_shown(value)} is not a yes or no", "write true or false")


def _of_text[T](value: object, read: Callable[[str], T | Fault]) -> T | Fault:
    text = _text(value)
    if isinstance(text, Fault):
        return text
    found = read(text)
    return Fault(f"{_shown(text)} {found.problem}", found.remedy) if isinstance(found, Fault) else found


def _node(text: str) -> NodePath | Fault:
    try:
        return NodePath.parse(text)
    except ValueError as error:
        return Fault(f"is not a path of the hierarchy: {error}", "write one such as Retail or Retail/Digital")


def _texts(value: object) -> dict[str, str] | Fault:
    if not isinstance(value, dict):
        return Fault(f"{_shown(value)} is not a table", 'write tags = { team = "shop" }')
    for key, text in value.items():
        if not isinstance(text, str):
            return Fault(f"{_shown(key)} has {_shown(text)}, which is not a text", "write the value in quotes")
    return value


def _whole_share(value: object) -> tuple[Share, ...] | Fault:
    product = _of_text(value, read_product)
    return product if isinstance(product, Fault) else (Share(product=product, percent=WHOLE_PERCENT),)


def _shares(value: object) -> tuple[Share, ...] | Fault:
    if not isinstance(value, dict) or not value:
        return Fault(f"{_shown(value)} is not a table of products", 'write shares = { "A/B/C/D" = 60, "A/B/C/E" = 40 }')
    shares: list[Share] = []
    for path, given in value.items():
        product, percent = _of_text(path, read_product), _percent(given)
        if isinstance(product, Fault):
            return product
        if isinstance(percent, Fault):
            return Fault(f"{_shown(path)} has {_shown(given)}, which {percent.problem}", percent.remedy)
        shares.append(Share(product=product, percent=percent))
    try:
        return checked_shares(shares)
    except Refusal as refusal:
        return Fault("cannot be", refusal.message.removesuffix("."))


def _percent(value: object) -> Decimal | Fault:
    """Exact, whether it is written as a number or as a text."""
    try:
        return read_percent(value if isinstance(value, str) else plain(exact(value)))
    except ValueError:
        return Fault("is not a percentage", _PERCENT_REMEDY)


def _bad(problems: Sequence[str]) -> BadInput:
    listed = list(problems[:PROBLEMS_LISTED_MAX])
    if len(problems) > PROBLEMS_LISTED_MAX:
        listed.append(f"And {len(problems) - PROBLEMS_LISTED_MAX:,} more.")
    return BadInput("\n".join(listed), code="InvalidRules")


def _shown(value: object) -> str:
    """In quotes where it is a text, and not too long."""
    try:
        text = plain(value) if isinstance(value, Decimal) and abs(value.adjusted()) < VALUE_CHARS_MAX else repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, or lists in lists
        return "what stands there"
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[: VALUE_CHARS_MAX - 1]}…"


def _one_line(text: str) -> str:
    return " ".join(text.split()).removesuffix(".")


# Writing


def _written(rule: AccountRule) -> str:
    """Tables that are too long for a line stand last, because all that follows in TOML would belong to them."""
    tags, shares = _table(rule.tags, _quoted), _table(_percents(rule), plain)
    lines = [f"{key} = {value}\n" for key, value in _simple(rule)]
    tables: list[str] = []
    for key, pairs in (("tags", tags), ("shares", shares)):
        inline = ", ".join(pairs)
        if inline and len(inline) <= INLINE_CHARS_MAX:
            lines.append(f"{key} = {{ {inline} }}\n")
        elif inline:
            tables.append(f"[rule.{key}]\n" + "".join(f"{pair}\n" for pair in pairs))
    return "".join(lines + tables)


def _simple(rule: AccountRule) -> Iterator[tuple[str, str]]:
    """What is as it is by default is left out, but for whether the rule applies."""
    under = "" if rule.under is None else str(rule.under)
    product = "" if _percents(rule) or not rule.shares else str(rule.shares[0].product)
    texts = {
        "name": rule.name,
        "ou_path": rule.ou_path,
        "name_pattern": rule.name_pattern,
        "product_tag": rule.product_tag,
        "under": under,
    }
    yield from ((key, _quoted(text)) for key, text in texts.items() if text)
    if rule.any_account:
        yield "any_account", "true"
    if product:
        yield "product", _quoted(product)
    yield "type", _quoted(rule.account_type)
    yield "apply", "true" if rule.apply else "false"


def _percents(rule: AccountRule) -> Mapping[str, Decimal]:
    """Empty for what is written as one product."""
    return {str(share.product): share.percent for share in rule.shares} if len(rule.shares) > 1 else {}


def _table[T](values: Mapping[str, T], written: Callable[[T], str]) -> list[str]:
    return [f"{_quoted(key)} = {written(value)}" for key, value in values.items()]


def _quoted(text: str) -> str:
    """A basic string: TOML escapes as JSON does, and the delete character besides."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
