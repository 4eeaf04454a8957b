"""Who acts, on what authority, and the question whether they may (product rules, section 2).

The answer comes from policies outside of this room, which every decision is given as `Context.rights`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, NewType, Protocol
from uuid import UUID, uuid5

from domain.hierarchy import NodePath

NAMESPACE = UUID("6f1d9f0e-8a57-5c53-9f0b-1c4f2b1d7a10")
"""Of every id derived from a natural key, so that creating the same subject twice is impossible."""

PersonId = NewType("PersonId", UUID)

SYSTEM = "system"
"""The actor of what Allot does on its own: imports, synchronisation, set-up. Never accepted from outside."""
SYSTEM_ID = PersonId(uuid5(NAMESPACE, "person/system"))


class Persona(StrEnum):
    """What a grant lets a person be; see product rules, section 2."""

    FINANCIAL_ADMIN = "financial_admin"
    VENDOR_MANAGER = "vendor_manager"
    CLOUD_ENGINEER = "cloud_engineer"
    BU_OWNER = "bu_owner"
    DEPARTMENT_OWNER = "department_owner"
    PORTFOLIO_OWNER = "portfolio_owner"
    PRODUCT_OWNER = "product_owner"


class Authority(NamedTuple):
    """On whose authority somebody acts, and which policies gave it; kept with every event of the decision."""

    policies: tuple[str, ...] = ()
    """Ids of the policies that allowed it."""
    version: str = ""
    """Of the whole set of policies."""
    on_behalf_of: PersonId | None = None
    """Whoever delegated their decisions to the actor, where it is that person's grants that count."""


class Action(StrEnum):
    """What the rights table (product rules, section 2) lets a persona do or not do."""

    LOAD_BUDGET = "load_budget"
    UPLOAD_BUDGET = "upload_budget"  # hand in a file and see what it would do
    MANAGE_USERS = "manage_users"
    MANAGE_GRANTS = "manage_grants"
    DELEGATE = "delegate"
    ALLOCATE_ACCOUNT = "allocate_account"  # for the first time
    REMAP_ACCOUNT = "remap_account"
    PROPOSE_ALLOCATION = "propose_allocation"
    MANAGE_ACCOUNT_RULES = "manage_account_rules"
    VIEW_WORKLOAD = "view_workload"
    SUBMIT_ESTIMATE = "submit_estimate"
    DECIDE_ESTIMATE = "decide_estimate"
    CLAIM_RESOURCE = "claim_resource"
    VIEW_SCHEDULE = "view_schedule"
    SUBMIT_SCHEDULE = "submit_schedule"
    REQUEST_RESCHEDULE = "request_reschedule"
    DECIDE_SCHEDULE = "decide_schedule"
    DECIDE_RESCHEDULE = "decide_reschedule"
    VIEW_SPEND_CARD = "view_spend_card"
    ACCEPT_SPEND_CARD = "accept_spend_card"
    DECIDE_SPEND_CARD = "decide_spend_card"
    MANAGE_CREDITS = "manage_credits"
    VIEW_SAVINGS = "view_savings"
    DECIDE_SAVINGS = "decide_savings"
    IMPLEMENT_SAVINGS = "implement_savings"
    CLOSE_MONTH = "close_month"
    CHOOSE_METRIC = "choose_metric"
    EXPORT_FINANCE = "export_finance"
    VIEW_AUDIT = "view_audit"
    IMPORT_COST = "import_cost"
    OBSERVE_ORGANIZATION = "observe_organization"


class Grant(NamedTuple):
    """A persona held over a node and all below it."""

    persona: Persona
    node: NodePath


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts, with the grants held at the moment of the decision."""

    person_id: PersonId
    grants: frozenset[Grant] = frozenset()

    @property
    def is_system(self) -> bool:
        return self.person_id == SYSTEM_ID


class Question(NamedTuple):
    """May they do that there?"""

    principal: Actor
    """Whose grants count."""
    action: Action
    node: NodePath
    """What it is done to: a product, another node, or the organization."""
    actor: PersonId
    """Who acts: the principal, or somebody to whom the principal delegated."""
    submitted_by: frozenset[PersonId] = frozenset()
    """Whoever asked for what is decided on, themselves or through somebody else."""
    stand_in: bool = False
    """Whether the level above may decide: after escalation, or where nobody is left to decide."""


class Ruling(NamedTuple):
    """The policies' answer."""

    allowed: bool
    policies: tuple[str, ...] = ()
    """Ids of those that made the difference; empty where none allows it."""


class Rights(Protocol):
    """The rights table, as policies."""

    @property
    def version(self) -> str:
        """Changes whenever a policy does."""
        ...

    def rule(self, question: Question) -> Ruling: ...

    def personas(self, action: Action, *, stand_in: bool = False) -> tuple[Persona, ...]:
        """Who may do it on a node of theirs."""
        ...
