"""All projections, in the order in which they fold an event and settle a batch."""

from __future__ import annotations

from typing import Any

from domain.registry import FACTS
from views import (
    account_rules,
    account_troubles,
    accounts,
    actuals,
    audit,
    budgets,
    claims,
    closing,
    cost_periods,
    expected_accounts,
    people,
    rollup,
    schedules,
    tasks,
)
from views.batch import Projection
from views.tables import Table

PROJECTIONS: tuple[Projection, ...] = (
    people.PROJECTION,
    budgets.PROJECTION,
    schedules.PROJECTION,
    closing.PROJECTION,
    accounts.PROJECTION,
    expected_accounts.PROJECTION,
    account_rules.PROJECTION,
    account_troubles.PROJECTION,
    tasks.PROJECTION,  # after all whose rows it looks at: people, budgets, schedules, accounts
    claims.PROJECTION,
    cost_periods.PROJECTION,
    actuals.PROJECTION,
    audit.PROJECTION,
    rollup.PROJECTION,  # the last one: it adds up what the others changed
)

TABLES: tuple[Table[Any], ...] = tuple(table for projection in PROJECTIONS for table in projection.tables)

if set(audit.PROJECTION.facts) != set(FACTS.values()):
    raise TypeError("the audit trail must know exactly the facts of the registry")
