"""The first load of a year's budget."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from domain.budget import AnnualApproved, BudgetLoaded, BudgetRow, line_stream
from domain.budget_load import LoadBudget
from domain.decision import Event, Persona
from domain.errors import Forbidden, NotFound, Refusal
from domain.hierarchy import NodePath
from tests.domain.specs import ADMIN, CHECKOUT, LEAD, RIGHTS, SEARCH, actor, command_id, decide, person


def load(
    *, is_new: bool = True, is_override: bool = False, content_hash: str = "a" * 64, owner: str = ""
) -> LoadBudget:
    return LoadBudget(
        command_id=command_id(),
        actor="x",
        fiscal_year=2026,
        content_hash=content_hash,
        customer="Acme",
        option="Budget",
        file_version="v1",
        is_new=is_new,
        is_override=is_override,
        effective_on=date(2026, 3, 1),
        labels=("Unit", "Department", "Portfolio", "Product"),
        rows=(
            BudgetRow(product=CHECKOUT, annual=Decimal("1200.00"), owner=owner, code="P1"),
            BudgetRow(product=SEARCH, annual=Decimal("0.05")),
        ),
    )


def loaded() -> list[Event]:
    return list(decide(load(), ADMIN).events)


def test_a_load_writes_the_book_and_every_line_from_the_first_day_of_the_year() -> None:
    book, *lines = loaded()
    assert isinstance(book.fact, BudgetLoaded)
    assert (book.fact.products, book.fact.total, book.fact.effective_on) == (2, Decimal("1200.05"), date(2026, 1, 1))
    assert [event.stream for event in lines] == [line_stream(2026, CHECKOUT), line_stream(2026, SEARCH)]
    assert all(isinstance(event.fact, AnnualApproved) for event in lines)


def test_the_same_bytes_again_change_nothing() -> None:
    assert decide(load(), ADMIN, loaded()).events == ()
    assert decide(load(is_new=False), ADMIN, loaded()).events == ()


def test_a_year_is_loaded_first_once() -> None:
    with pytest.raises(Refusal) as refused:
        decide(load(content_hash="b" * 64), ADMIN, loaded())
    assert refused.value.code == "YearAlreadyLoaded"


def test_a_year_that_is_not_loaded_cannot_be_changed() -> None:
    with pytest.raises(Refusal) as refused:
        decide(load(is_new=False), ADMIN)
    assert refused.value.code == "YearNotLoaded"


def test_finance_loads_budgets() -> None:
    vendor_manager = actor("vendor", (Persona.VENDOR_MANAGER, NodePath.ROOT))
    decision = decide(load(), vendor_manager)
    assert decision.events
    assert decision.authority == (("budget-load",), RIGHTS.version, None)
    for other in (LEAD, actor("engineer", (Persona.CLOUD_ENGINEER, NodePath.ROOT))):
        with pytest.raises(Forbidden):
            decide(load(), other)


def test_an_owner_is_kept_by_id_and_must_be_in_the_directory() -> None:
    events = decide(load(owner="ann@example.com"), ADMIN, people={"ann@example.com": person("ann")}).events
    assert isinstance(events[1].fact, AnnualApproved)
    assert events[1].fact.owner == person("ann")
    assert "ann@example.com" not in events[1].fact.model_dump_json()
    with pytest.raises(NotFound):
        decide(load(owner="ann@example.com"), ADMIN)
