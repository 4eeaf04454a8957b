"""`allot account rules`: which rules say where accounts belong, and what they would do before they are on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from command_line import options
from command_line.account_terms import seen, told
from command_line.acting import acting
from command_line.decisions import carry_out, outcome_data, similar_products
from command_line.files import bytes_of
from command_line.output import Column, Styled, console, moment, show, table
from command_line.session import Session
from domain.account import CLOSED_STATE, Lifecycle
from domain.account_facts import Basis
from domain.account_rules import AccountRule, ReplaceAccountRules, Suggestion, as_product, suggestion_for
from domain.account_rules_file import read_rules, rules_toml
from domain.errors import BadInput
from domain.hierarchy import NodePath
from views.account_models import AccountDetail
from views.queries import Views

RULES_BYTES_MAX = 1_000_000
UNALLOCATED = frozenset({Lifecycle.VENDED, Lifecycle.PROPOSED, Lifecycle.SPENDING})
"""Whoever is there like that is looked at, at the latest with the next read of AWS Organizations."""
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="TOML file with [[rule]] tables, in order.")]

app = typer.Typer(no_args_is_help=True, help="Rules that say which products a new account belongs to.")


class Taken(NamedTuple):
    """An account, and the rule that would take it."""

    account: AccountDetail
    suggestion: Suggestion | None

    @property
    def is_same(self) -> bool:
        """Whether it is allocated like that already."""
        now, suggested = self.account.allocation, self.suggestion
        if now is None or suggested is None:
            return False
        shares = [(share.product, share.percent) for share in now.shares]
        return (now.account_type, shares) == (
            suggested.rule.account_type,
            [(share.product, share.percent) for share in suggested.shares],
        )

    @property
    def consequence(self) -> str:
        account = self.account
        if self.suggestion is None:
            return "" if account.allocation else "a person decides"
        if self.is_same:
            return "as it is"
        if not (account.open_reason or account.lifecycle in UNALLOCATED):
            return "on its next move or tag change"
        if account.proposal and account.proposal.basis != Basis.RULE:
            return "not asked: somebody's proposal waits"
        return "applied" if self.suggestion.rule.apply else "proposed"


@app.command("list")
def list_rules(
    toml: Annotated[bool, typer.Option("--toml", help="As the file that `set` takes, to be edited.")] = False,
    as_json: options.Json = False,
) -> None:
    """List the rules in force, in order: the first one that fits takes an account."""
    session = Session.open(as_json)
    with session.views() as views:
        found = views.account_rules()
    if toml and not as_json:
        console().print(rules_toml(found.rules), markup=False, end="", soft_wrap=True)
        return
    data = {**dict(found), "rules": [dict(rule) for rule in found.rules]}
    if not found.rules:
        show(data, as_json, lambda: ["No rules are in force: `allot account rules set FILE`."])
        return
    columns = (
        Column("#", right=True),
        Column("Rule", fold=True),
        Column("Takes", fold=True),
        Column("Suggests", fold=True),
        Column("Type"),
        Column("How"),
    )
    rows = [
        (n, rule.name, conditions(rule), suggests(rule), rule.account_type, "applies" if rule.apply else "proposes")
        for n, rule in enumerate(found.rules, start=1)
    ]
    title = f"Rules since {moment(found.set_at)}, set by {found.set_by_name}"
    show(data, as_json, lambda: [table(title, columns, rows)])


@app.command("set")
@acting
def set_rules(session: Session, file: FileArgument, note: options.Note = "") -> None:
    """Put the rules of a file in the place of those in force; accounts that wait are looked at anew."""
    rules = _rules(file)
    outcome = carry_out(session, ReplaceAccountRules(**session.shared(), rules=rules, note=note))
    show({**outcome_data(session, outcome), "rules": len(rules)}, session.as_json, lambda: [outcome.message])


@app.command("test")
def try_rules(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Rules to try; default: those in force.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also accounts for which nothing would change.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show which rule would take which account. Nothing is recorded, and the rules need not be in force."""
    session = Session.open(as_json)
    wanted = _rules(file) if file else None
    with session.views() as views:
        rules = wanted if wanted is not None else views.account_rules().rules
        accounts = [one for one in views.accounts() if _may_be_taken(one)]  # with the last allocation, as it is decided
        year = session.fiscal_year(None)
        products = frozenset(views.known_products(year, day=session.today()))
        resolve = _resolver(views, year, products)
        taken = [Taken(one, suggestion_for(rules, seen(one), resolve)) for one in accounts]
        strange = [_strange(views, year, *named) for named in _named(rules) if named[1] not in products]
    counts = Counter(map(_took, taken))
    data = {
        "rules": len(rules),
        "accounts": [_data(one) for one in taken],
        "taken": {rule.name: counts[rule.name] for rule in rules},
        "warnings": strange,
    }
    show(data, as_json, lambda: [*_shown(taken, everything=everything), *_said_of(rules, counts, strange)])


def _named(rules: tuple[AccountRule, ...]) -> Iterator[tuple[AccountRule, NodePath]]:
    return ((rule, share.product) for rule in rules for share in rule.shares)


def _strange(views: Views, year: int, rule: AccountRule, product: NodePath) -> str:
    """What the decision would refuse."""
    similar = similar_products(views, year, product)
    return f"Rule {rule.name!r} names {product}, which is not in the budget of {year}: it cannot be set.{similar}"


def _said_of(rules: tuple[AccountRule, ...], counts: Counter[str], strange: list[str]) -> Iterator[str]:
    if not rules:
        yield "There are no rules: name a file to try, or put one in force by `allot account rules set FILE`."
    unused = [rule.name for rule in rules if not counts[rule.name]]
    if unused:
        yield f"{'Takes' if len(unused) == 1 else 'Take'} no account: {', '.join(unused)}."
    yield from strange
    yield "Nothing was recorded."


def _shown(taken: list[Taken], *, everything: bool) -> Iterator[Any]:
    rows = [one for one in taken if everything or not (one.is_same or (one.account.allocation and not one.suggestion))]
    columns = (
        Column("Account"),
        Column("Name", fold=True),
        Column("Unit", fold=True),
        Column("Rule", fold=True),
        Column("Would get", fold=True),
        Column("Type"),
        Column("How"),
    )
    if rows:
        yield table("Which rule would take which account", columns, map(_row, rows))
    else:
        yield "For no account would anything change." if taken else "There are no accounts to try rules on."
    left = len(taken) - len(rows)
    if left == 1:
        yield "1 account stays as it is; --all shows it, too."
    elif left:
        yield f"{left:,} accounts stay as they are; --all shows them, too."


def _row(one: Taken) -> Styled:
    account, suggested = one.account, one.suggestion
    would = "; ".join(told(suggested.shares)) if suggested else ""
    kind = suggested.rule.account_type if suggested else ""
    cells = (account.account_id, account.name, account.ou_path, _took(one), would, kind, one.consequence)
    return Styled(cells, "" if suggested else "dim")


def _data(one: Taken) -> dict[str, Any]:
    suggested = one.suggestion
    return {
        "account_id": one.account.account_id,
        "name": one.account.name,
        "ou_path": one.account.ou_path,
        "rule": _took(one),
        "account_type": suggested.rule.account_type if suggested else "",
        "shares": list(suggested.shares) if suggested else [],
        "consequence": one.consequence,
    }


def _took(one: Taken) -> str:
    return one.suggestion.rule.name if one.suggestion else ""


def _may_be_taken(account: AccountDetail) -> bool:
    return account.joined_at is not None and account.departed_at is None and account.state != CLOSED_STATE


def _resolver(views: Views, fiscal_year: int, products: Collection[NodePath]) -> Callable[[str], NodePath | None]:
    """As the decision does it: a product in the budget by its path, or the only one with that code."""

    def resolve(text: str) -> NodePath | None:
        named = as_product(text)
        if named is not None:
            return named if named in products else None
        found = views.products_coded(text, fiscal_year) if text else ()
        return found[0] if len(found) == 1 else None

    return resolve


def _rules(file: Path) -> tuple[AccountRule, ...]:
    content = bytes_of(file, "a file of rules", RULES_BYTES_MAX)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file.name} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from None
    return read_rules(text)


def conditions(rule: AccountRule) -> str:
    """What a rule asks for, in words."""
    found = ["every account"] if rule.any_account else []
    found += [f"in {rule.ou_path}"] if rule.ou_path else []
    found += [f"named {rule.name_pattern}"] if rule.name_pattern else []
    found += [f"tag {key}={pattern}" for key, pattern in sorted(rule.tags.items())]
    if rule.product_tag:
        below = f" under {rule.under}" if rule.under else ""
        found.append(f"tag {rule.product_tag} names a product{below}")
    return ", ".join(found)


def suggests(rule: AccountRule) -> str:
    return "; ".join(told(rule.shares)) if rule.shares else f"the product that the tag {rule.product_tag} names"
