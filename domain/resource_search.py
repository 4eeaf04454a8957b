"""Looking for resources in the detail of a cost report: the messages of ResourceSearch, as pure data.

Nothing is decided here: what is found is a hint, and each claim is decided on by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field

from domain.account_facts import AccountId
from domain.calendar import Month
from domain.cost_metric import DEFAULT_METRIC, CostMetric
from domain.decision import LineText
from domain.hierarchy import NodePath
from domain.model import Model
from domain.money import Amount

PAGE_MAX = 200
"""Resources of one answer: with the longest keys and tags they stay below half of the 2 MiB of a payload."""
OFFSET_MAX = 1_000_000
ACCOUNTS_MAX = 1_000
TAGS_MAX = 10
TEXT_CHARS_MAX = 500
TAGS_CHARS_SHOWN_MAX = 1_000

SearchText = Annotated[LineText, Field(max_length=TEXT_CHARS_MAX)]


class ResourceQuery(Model):
    """Starts ResourceSearch. All that is given must hold; texts are looked for within, whatever their case."""

    billing_period: Month | None = None
    """Default: the newest one that was imported."""
    account_ids: Annotated[tuple[AccountId, ...], Field(max_length=ACCOUNTS_MAX)] = ()
    service: SearchText = ""
    resource: SearchText = ""
    name: SearchText = ""
    tags: Annotated[Mapping[SearchText, SearchText], Field(max_length=TAGS_MAX)] = {}
    """Each of them, with exactly that value."""
    claimed: bool | None = None
    """Only what is claimed, or only what is open."""
    product: NodePath | None = None
    workload: SearchText = ""
    """Claimed by that workload of that product."""
    metric: CostMetric = DEFAULT_METRIC
    offset: Annotated[int, Field(ge=0, le=OFFSET_MAX)] = 0
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = PAGE_MAX


class FoundResource(Model):
    account_id: str
    resource: str
    service: str
    name: str = ""
    tags: str = ""
    """JSON, or its beginning."""
    cost: Amount = Decimal(0)
    """In that billing period."""
    product: NodePath | None = None
    """Whose it is from tomorrow on, where it is claimed."""
    workload: str = ""
    component: str = ""
    since: date | None = None


class ResourcePage(Model):
    """The dearest first."""

    billing_period: Month | None = None
    """None where nothing was imported yet."""
    versions: tuple[str, ...] = ()
    """Of the report, one a payer."""
    currency: str = ""
    metric: CostMetric = DEFAULT_METRIC
    resources: tuple[FoundResource, ...] = ()
    total: int = 0
    """All that were found, on whatever page."""


def resource_search_process_id(search_id: UUID) -> str:
    return f"resource-search/{search_id}"
