"""The rights table applied by Cedar's engine: `domain.actor.Rights` on `policies.cedar`.

Names of nodes and ids of people reach the engine as JSON values only, never as text of its language, so that no name
can be read as a policy. A node's id is its path in text form, which no other path has.

The policies are parsed once. The engine's handles are immutable, so one `CedarRights` serves all threads.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib import resources
from typing import Any
from uuid import UUID

from cedarpy import Decision, Entities, PolicySet, is_authorized, policies_to_json_str

from domain.actor import Action, Actor, Grant, Persona, PersonId, Question, Ruling
from domain.hierarchy import PRODUCT_LEVEL, NodePath
from domain.people import LEVEL_OF_PERSONA

VERSION_CHARS = 12
"""Hexadecimal digits of the SHA-256: 48 bits tell the few versions of one installation apart."""
ACTORS_REMEMBERED_MAX = 256
"""People whose grants are kept in the engine's form; to convert 1,000 grants takes about 10 ms."""
RULINGS_REMEMBERED_MAX = 2_048
"""Questions whose answers are kept."""
NODES_REMEMBERED_MAX = 4_096
"""Nodes whose lineage is kept as JSON."""

_SOMEBODY = Actor(PersonId(UUID(int=0)))
_PRODUCT = NodePath(("unit", "department", "portfolio", "product")[:PRODUCT_LEVEL])
"""Anybody and any product: what a persona may do on a node of its own is the same for all."""


class PolicyProblem(RuntimeError):
    """The policies or the engine are at fault. Never read as an answer: a `forbid` that fails would allow."""


class CedarRights:
    """Answers by the policies in a text; by those that come with Allot, where none is given."""

    def __init__(self, policies: str | None = None) -> None:
        """Raises PolicyProblem for what cannot be read as policies, or where one has no id of its own."""
        text = packaged_policies() if policies is None else policies
        self._names = _names(text)
        self._policies = PolicySet.from_str(text)
        self._version = hashlib.sha256(text.encode()).hexdigest()[:VERSION_CHARS]
        # An answer follows from the question alone. A decision that is taken anew, or sent again, asks the same.
        self._remembered = lru_cache(RULINGS_REMEMBERED_MAX)(self._rule)
        # Threads may compute the same answer at once; either may be kept.
        self._personas: dict[tuple[Action, bool], tuple[Persona, ...]] = {}

    @property
    def version(self) -> str:
        return self._version

    def rule(self, question: Question) -> Ruling:
        """Raises PolicyProblem where the engine could not apply every policy."""
        return self._remembered(question)

    def _rule(self, question: Question) -> Ruling:
        principal = question.principal.person_id
        request = {
            "principal": _person_uid(principal),
            "action": {"type": "Action", "id": question.action.value},
            "resource": _node_uid(question.node),
            "context": {
                "actor": {"__entity": _person_uid(question.actor)},
                "submitted_by": [{"__entity": _person_uid(person)} for person in question.submitted_by],
                "stand_in": question.stand_in,
                "delegated": question.actor != principal,
            },
        }
        entities = _person_entities(question.principal).with_added_json_str(_lineage_json(question.node))
        answer = is_authorized(request, self._policies, entities)
        if answer.diagnostics.errors or answer.decision is Decision.NoDecision:
            raise PolicyProblem(
                f"The rights policies (version {self._version}) could not be applied to {question.action}, so nothing "
                f"was decided: correct rights/policies.cedar. The engine says: {'; '.join(answer.diagnostics.errors)}"
            )
        return Ruling(answer.allowed, tuple(sorted(self._names[reason] for reason in answer.diagnostics.reasons)))

    def personas(self, action: Action, *, stand_in: bool = False) -> tuple[Persona, ...]:
        """The policies are asked, so that a refusal never names somebody whom they would refuse, too."""
        key = (action, stand_in)
        if key not in self._personas:
            self._personas[key] = tuple(persona for persona in Persona if self._may(persona, action, stand_in))
        return self._personas[key]

    def _may(self, persona: Persona, action: Action, stand_in: bool) -> bool:
        node = NodePath(_PRODUCT.parts[: LEVEL_OF_PERSONA[persona]])
        holder = Actor(_SOMEBODY.person_id, frozenset({Grant(persona, node)}))
        return self.rule(Question(holder, action, node, holder.person_id, stand_in=stand_in)).allowed


def packaged_policies() -> str:
    """The text of `policies.cedar`."""
    return resources.files(__package__).joinpath("policies.cedar").read_text(encoding="utf-8")


def _names(text: str) -> dict[str, str]:
    """The `@id` of each policy, by the number that the engine gives it (`policy0` and up)."""
    try:
        parsed = json.loads(policies_to_json_str(text))
    except ValueError as error:
        raise PolicyProblem(f"The rights policies cannot be read: {error}") from error
    if parsed["templates"] or parsed["templateLinks"]:
        raise PolicyProblem("The rights policies must not be templates: write each with its own condition.")
    names: dict[str, str] = {}
    for number, policy in parsed["staticPolicies"].items():
        name = policy.get("annotations", {}).get("id")
        if not name or name in names.values():
            raise PolicyProblem(f'Each rights policy needs an @id("…") of its own; {number} has {name or "none"}.')
        names[number] = name
    return names


def _person_uid(person: PersonId) -> dict[str, str]:
    return {"type": "Person", "id": str(person)}


def _node_uid(node: NodePath) -> dict[str, str]:
    return {"type": "Node", "id": str(node)}


@lru_cache(ACTORS_REMEMBERED_MAX)
def _person_entities(actor: Actor) -> Entities:
    """The person alone; the nodes that they hold need not be there to be compared with those that are."""
    held: dict[str, list[Any]] = {persona.value: [] for persona in Persona}
    for grant in actor.grants:
        held[grant.persona].append({"__entity": _node_uid(grant.node)})
    return Entities.from_json_str(json.dumps([{"uid": _person_uid(actor.person_id), "attrs": held, "parents": []}]))


@lru_cache(NODES_REMEMBERED_MAX)
def _lineage_json(node: NodePath) -> str:
    """The node and all above it, each with its parent, up to the organization."""
    lineage = [NodePath.ROOT, *node.lineage()]
    return json.dumps(
        [
            {"uid": _node_uid(each), "attrs": {}, "parents": [_node_uid(each.parent)] if each.level else []}
            for each in lineage
        ]
    )
