"""Claims of resources (product rules, section 6): whose a resource's cost is, wholly, from which day on.

      OPEN ──claim──► CLAIMED by one workload ──release──► OPEN
                         └─ ends with its workload

One stream per account and resource key (`domain.resource_key`). All takes effect on the day after (UTC), so a day that
has begun never changes. Days are half-open: a claim holds from `since` until the day before `until`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from domain.account_facts import AccountId
from domain.decision import Fact, LineText, PersonId, Stream
from domain.hierarchy import NodePath
from domain.model import Model
from domain.resource_key import RESOURCE_KEY_CHARS_MAX
from domain.workload import Component, WorkloadName


def resource_key_of_claim(text: str) -> str:
    """Raises ValueError for a key that would not fit the index of a view. Ids and usage types of AWS are ASCII."""
    if len(text.encode()) > RESOURCE_KEY_CHARS_MAX:
        raise ValueError(f"a resource's key has at most {RESOURCE_KEY_CHARS_MAX:,} bytes")
    return text


ResourceKey = Annotated[
    LineText, Field(min_length=1, max_length=RESOURCE_KEY_CHARS_MAX), AfterValidator(resource_key_of_claim)
]


class ResourceName(Model):
    """A resource: its key, within its account."""

    account_id: AccountId
    resource: ResourceKey


class ClaimFact(Fact):
    """What all facts of claims share."""

    account_id: AccountId
    resource: ResourceKey
    product: NodePath
    workload: WorkloadName


class Claimed(ClaimFact):
    """From that day on, all that the resource costs belongs to the workload, and with it to its product."""

    fact_name: ClassVar[str] = "claim.Claimed"
    component: Component
    effective_on: date
    """The first day."""
    claimed_by: PersonId
    note: str = ""


class Released(ClaimFact):
    """From that day on, what the resource costs is split like the rest of its account."""

    fact_name: ClassVar[str] = "claim.Released"
    effective_on: date
    """The first day on which the claim does not hold any more."""
    released_by: PersonId
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Of one workload, from a day on."""

    product: NodePath
    workload: str
    component: Component
    since: date


@dataclass(frozen=True, slots=True)
class Resource:
    claim: Claim | None = None
    """The last one, over or not."""
    until: date | None = None
    """The day from which it was released; None where it was not. It ends with its workload, too."""


def evolve(resource: Resource, fact: Claimed | Released) -> Resource:
    match fact:
        case Claimed():
            return Resource(Claim(fact.product, fact.workload, fact.component, fact.effective_on))
        case Released():
            return replace(resource, until=fact.effective_on)


def claim_stream(account_id: str, resource: str) -> Stream:
    return Stream("claim", f"{account_id}/{resource}")


def stream_of(name: ResourceName) -> Stream:
    return claim_stream(name.account_id, name.resource)


FACTS: tuple[type[Fact], ...] = (Claimed, Released)
