"""Whose figures somebody may see: the nodes that they hold today, themselves or in somebody else's place.

A query is kept to such nodes by `at_or_below`, so that a view, an export and an answer draw the same line.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from psycopg import Cursor

from domain.decision import Persona
from domain.hierarchy import NodePath
from domain.people import OWNERS
from views.paths import path_text

OFFICES = frozenset(Persona) - OWNERS
"""They hold the whole organization."""

_HELD = """
SELECT persona, node FROM grants WHERE person_id = %(person)s
UNION SELECT g.persona, g.node FROM delegations d JOIN grants g ON g.person_id = d.delegated_by
WHERE d.person_id = %(person)s AND d.ended_at IS NULL AND %(today)s BETWEEN d.first_day AND d.last_day
    AND g.persona = ANY(%(owners)s)
ORDER BY 1, 2"""
# `0` is the character after `/`. Between the node and all below it stand only names that begin alike, such as `Web 2`.
_AT_OR_BELOW = "({c} >= %({p})s AND {c} < %({p})s || '0' AND ({c} = %({p})s OR {c} > %({p})s || '/'))"


def held(cursor: Cursor[Any], person_id: UUID, today: date, personas: Collection[Persona]) -> tuple[NodePath, ...]:
    """Nodes that the person holds on that day as one of these personas, the outermost of them, in order.

    Whoever holds the organization holds nothing else that would count.
    """
    parameters = {"person": person_id, "today": today, "owners": sorted(OWNERS)}
    rows = cursor.execute(_HELD.encode(), parameters).fetchall()
    nodes = sorted({NodePath.parse(node) for persona, node in rows if persona in personas})
    return tuple(node for node in nodes if not any(other != node and other.contains(node) for other in nodes))


def at_or_below(column: str, parameter: str, node: NodePath) -> tuple[str, dict[str, str]]:
    """A condition on a column of paths, and its parameter: the node and all below it."""
    if node == NodePath.ROOT:
        return "true", {}
    return _AT_OR_BELOW.format(c=column, p=parameter), {parameter: path_text(node)}
