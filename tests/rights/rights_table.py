"""What docs/rights.md says, as an oracle: the table is read from the page, the few rules beside it are written here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product as combinations
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from domain.actor import Action, Actor, Grant, Persona, PersonId, Question, Rights
from domain.hierarchy import NodePath

PAGE = Path(__file__).parents[2] / "docs" / "rights.md"
PERSONAS = tuple(Persona)
"""In the order of the table's columns."""
COLUMNS = (
    "Financial Admin",
    "Vendor Manager",
    "Cloud Engineer",
    "BU Owner",
    "Dept Owner",
    "Portfolio Owner",
    "Product Owner",
)
HELD = {
    Persona.FINANCIAL_ADMIN: NodePath.ROOT,
    Persona.VENDOR_MANAGER: NodePath.ROOT,
    Persona.CLOUD_ENGINEER: NodePath.ROOT,
    Persona.BU_OWNER: NodePath(("Retail",)),
    Persona.DEPARTMENT_OWNER: NodePath(("Retail", "Digital")),
    Persona.PORTFOLIO_OWNER: NodePath(("Retail", "Digital", "Web")),
    Persona.PRODUCT_OWNER: NodePath(("Retail", "Digital", "Web", "Checkout")),
}
OFFICES = frozenset({Persona.FINANCIAL_ADMIN, Persona.VENDOR_MANAGER, Persona.CLOUD_ENGINEER})
"""Not owners, so theirs cannot be delegated."""
NEVER_DELEGATED = frozenset({Action.DELEGATE, Action.MANAGE_USERS, Action.MANAGE_GRANTS})

HOLDER, DELEGATE, OTHER = (PersonId(UUID(int=number)) for number in (1, 2, 3))
SUBMITTERS: tuple[frozenset[PersonId], ...] = (
    frozenset(),
    frozenset({OTHER}),
    frozenset({HOLDER, OTHER}),
    frozenset({DELEGATE}),
)


class Row(NamedTuple):
    separated: bool
    """Nobody decides on their own submission."""
    cells: dict[Persona, str]


def rows(text: str) -> dict[Action, Row]:
    """The table, by action. Raises ValueError for a word that it does not explain."""
    heading = f"| what | action | {' | '.join(COLUMNS)} |"
    if heading not in text:
        raise ValueError(f"docs/rights.md has no table with the heading {heading}")
    found = {}
    for line in text.split(heading, 1)[1].splitlines()[2:]:
        if not line.startswith("|"):
            break
        what, action, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if unknown := set(cells) - {"yes", "stand-in", "–"}:
            raise ValueError(f"docs/rights.md does not explain {unknown} in the row {what!r}")
        found[Action(action.strip("`"))] = Row("◆" in what, dict(zip(PERSONAS, cells, strict=True)))
    return found


class Case(NamedTuple):
    """Somebody holds a persona; they, or their delegate, ask for something on a node that stands so to it."""

    persona: Persona
    relation: str
    question: Question


def relations(held: NodePath) -> dict[str, NodePath]:
    """Nodes by how they stand to the one that is held, as far as there are such."""
    below = ("Retail", "Digital", "Web", "Checkout")
    found = {"own node": held, "organization": NodePath.ROOT}
    if held.level < 4:
        found["child"] = NodePath(below[: held.level + 1])
        found["descendant"] = NodePath(below)
    if held.level:
        found["parent"] = held.parent
        # A name that begins with the other's: paths are not compared as text.
        found["sibling"] = NodePath((*held.parent.parts, f"{held.name} 2"))
        found["other unit"] = NodePath(("Wholesale", *below[1:]))
        found["below a sibling"] = NodePath((*found["sibling"].parts, *below[held.level :]))
    return found


def cases(actions: Iterable[Action] = tuple(Action)) -> Iterator[Case]:
    flags = (False, True)
    for action, persona, submitted_by, stand_in, delegated in combinations(actions, Persona, SUBMITTERS, flags, flags):
        holder = Actor(HOLDER, frozenset({Grant(persona, HELD[persona])}))
        actor = DELEGATE if delegated else HOLDER
        for relation, node in relations(HELD[persona]).items():
            yield Case(persona, relation, Question(holder, action, node, actor, submitted_by, stand_in))


def expected(table: dict[Action, Row], case: Case) -> tuple[bool, frozenset[str]]:
    """Whether it is allowed, and the policies that forbid it. By parts of paths, not by the engine's hierarchy."""
    question = case.question
    row = table[question.action]
    delegated = question.actor != HOLDER
    forbidding = set()
    if row.separated and {question.actor, HOLDER} & question.submitted_by:
        forbidding.add("own-submission")
    if delegated and question.action in NEVER_DELEGATED:
        forbidding.add("no-passing-on")
    held = HELD[case.persona].parts
    in_scope = question.node.parts[: len(held)] == held
    cell = row.cells[case.persona]
    granted = cell == "yes" or (cell == "stand-in" and question.stand_in)
    own = not (delegated and case.persona in OFFICES)
    return granted and in_scope and own and not forbidding, frozenset(forbidding)


def differences(text: str, rights: Rights, actions: Iterable[Action] = tuple(Action)) -> Iterator[str]:
    """Where the page and the policies do not say the same."""
    table = rows(text)
    for case in cases(actions):
        allowed, forbidding = expected(table, case)
        ruling = rights.rule(case.question)
        same = ruling.allowed == allowed and (bool(ruling.policies) if allowed else forbidding == set(ruling.policies))
        if not same:
            yield f"{case}: docs/rights.md says {allowed} {sorted(forbidding)}, the policies say {ruling}"


def actions_of(policy: str) -> list[Action]:
    """Those that a policy's text names."""
    return [Action(name) for name in re.findall(r'Action::"(\w+)"', policy)]
