"""The first generation comes from a migration, which must be what the code declares."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.registry import FACTS
from ledger.migrate import DIRECTORY
from views import audit
from views.generations import migration
from views.registry import PROJECTIONS, TABLES
from views.tables import Rows


def test_the_migration_is_what_the_code_declares() -> None:
    text = (DIRECTORY / "0101_views.sql").read_text()
    assert text == migration(), "write it anew, or rather add a generation: `allot view rebuild`"


def test_every_fact_of_the_registry_is_folded_and_audited() -> None:
    folded = {fact for projection in PROJECTIONS for fact in projection.facts}
    assert folded == set(FACTS.values()) == set(audit.PROJECTION.facts)


def test_table_names_are_unique() -> None:
    assert len({table.name for table in TABLES}) == len(TABLES)


def test_a_row_that_was_not_announced_cannot_be_asked_for() -> None:
    rows = Rows(audit.AUDIT, 1)
    with pytest.raises(LookupError, match="not announced"):
        rows.get(1)


def test_amounts_have_room_for_the_largest_ones() -> None:
    kinds = {kind for table in TABLES for kind, _ in table.types if "numeric" in kind}
    assert kinds == {"numeric(60,18)"}
    assert Decimal(10) ** 42 > Decimal("9.99e38") * 1_000
