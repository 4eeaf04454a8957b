"""Claims: which resource belongs wholly to which workload, and from when to when."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from views.batch import Projection
from views.tables import Table


class ClaimRow(NamedTuple):
    account_id: str
    resource: str
    """Resource key, as in the cost mart (`domain.resource_key`)."""
    since: date
    until: date | None
    """Exclusive; null while it is claimed."""
    product: str
    workload: str


CLAIMS = Table("claims", ClaimRow, key=3)

PROJECTION = Projection((CLAIMS,))
