"""What a change may not say, what it leaves alone because its file has no column for it, and the year's total."""

from __future__ import annotations

from dataclasses import astuple
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from domain.budget import (
    AnnualApproved,
    Book,
    BudgetLine,
    BudgetLoaded,
    ProductWithdrawn,
    book_stream,
    evolve_book,
    evolve_line,
    line_stream,
)
from domain.budget_load import impact_of
from domain.calendar import FiscalCalendar
from domain.decision import Context, Event, Organization
from domain.errors import Refusal
from domain.hierarchy import NodePath
from domain.money import Money
from domain.registry import RULES
from tests.domain.budget_load_given import (
    ALL,
    CART,
    JULY,
    LABELS,
    LOADED,
    book_of,
    change,
    entry,
    line_fact,
    load,
    override,
    row,
)
from tests.domain.schedule_given import refused
from tests.domain.specs import ADMIN, CHECKOUT, NOW, ORGANIZATION, RIGHTS, SEARCH, amounts, decide, fold, person

OTHER = ("Unit", "Portfolio", "Department", "Product")
PEOPLE = {"ann@example.com": person("ann"), "bo@example.com": person("bo")}
FULL: dict[str, Any] = {"estimated": Decimal("7.00"), "code": "P1", "owner": "ann@example.com", "proposal": amounts()}
EVERY_COLUMN = ("Estimated", "Code", "Owner", "months")


def full_year() -> list[Event]:
    """Whose Checkout has a value in every column."""
    return list(decide(load(row(**FULL), row(SEARCH, "600.00"), is_new=True), ADMIN, people=PEOPLE).events)


def checkout(facts: list[Event]) -> BudgetLine:
    line: BudgetLine = fold(facts, [line_stream(2026, CHECKOUT)])[line_stream(2026, CHECKOUT)]
    return line


# Labels


def test_a_change_names_the_levels_as_the_year_does() -> None:
    refusal = refused(change(row(), labels=OTHER), ADMIN, LOADED)
    assert (type(refusal), refusal.code) == (Refusal, "OtherLabels")
    assert refusal.message == (
        "The first four columns are 'Unit', 'Portfolio', 'Department', 'Product', and in 2026 they are "
        "'Unit', 'Department', 'Portfolio', 'Product': write these, or load an override, which may name the levels "
        "anew."
    )


def test_an_override_names_the_levels_anew_and_later_changes_follow_it() -> None:
    facts = [*LOADED, *decide(override(*(row(product) for product in ALL), labels=OTHER), ADMIN, LOADED).events]
    assert book_of(facts).labels == OTHER
    assert refused(change(row(), labels=LABELS), ADMIN, facts).code == "OtherLabels"
    assert decide(change(row(annual="1.00"), labels=OTHER), ADMIN, facts).events


# The day from which it takes effect


@pytest.mark.parametrize("day", [date(2026, 7, 2), date(2026, 7, 31), date(2025, 12, 1), date(2027, 1, 1)])
def test_a_change_takes_effect_on_the_1st_of_a_month_of_its_year(day: date) -> None:
    for command in (change(row(), effective_on=day), override(row(), effective_on=day)):
        refusal = refused(command, ADMIN, LOADED)
        assert refusal.code == "NotFirstOfMonth"
        assert refusal.message == (f"A change to 2026 takes effect on the 1st of one of its months, and {day} is none.")


def test_the_first_and_the_last_month_of_the_organizations_year_are_of_it() -> None:
    april = Organization("USD", FiscalCalendar(4))
    for day in (date(2025, 4, 1), date(2026, 3, 1)):
        decision = decide(change(row(annual="1.00"), effective_on=day), ADMIN, LOADED, organization=april)
        assert entry(decision).effective_on == day
    with pytest.raises(Refusal, match="and 2026-04-01 is none"):
        decide(change(row(), effective_on=date(2026, 4, 1)), ADMIN, LOADED, organization=april)


# Columns that a file does not have


def test_a_change_leaves_alone_what_its_file_has_no_column_for() -> None:
    facts = full_year()
    same = decide(change(row(), absent=EVERY_COLUMN), ADMIN, facts)
    assert line_fact(same, CHECKOUT) is None
    changed = decide(change(row(annual="1300.00"), absent=EVERY_COLUMN[:3]), ADMIN, facts)
    line = checkout([*facts, *changed.events])
    assert (line.annual, line.estimated, line.code, line.owner) == (
        Money(Decimal("1300.00"), "USD"),
        Decimal("7.00"),
        "P1",
        person("ann"),
    )


@pytest.mark.parametrize(
    ("column", "field", "kept"),
    [
        ("Estimated", "estimated", Decimal("7.00")),
        ("Code", "code", "P1"),
        ("Owner", "owner", person("ann")),
        ("months", "proposal", amounts()),
    ],
)
def test_each_column_is_left_alone_for_itself(column: str, field: str, kept: object) -> None:
    facts = full_year()
    new: dict[str, Any] = {
        "estimated": Decimal("8.00"),
        "code": "P2",
        "owner": "bo@example.com",
        "proposal": amounts("99.00"),
    }
    told: dict[str, Any] = {**new, field: row().model_dump()[field]}
    line = checkout([*facts, *decide(change(row(**told), absent=(column,)), ADMIN, facts, people=PEOPLE).events])
    assert vars_of(line) == {**new, "owner": person("bo"), field: kept}
    every = decide(change(row(**new), absent=()), ADMIN, facts, people=PEOPLE)
    assert vars_of(checkout([*facts, *every.events])) == {**new, "owner": person("bo")}


def vars_of(line: BudgetLine) -> dict[str, object]:
    return {name: getattr(line, name) for name in ("estimated", "code", "owner", "proposal")}


def test_a_column_that_is_there_and_empty_takes_the_value_away() -> None:
    facts = full_year()
    line = checkout([*facts, *decide(change(row()), ADMIN, facts).events])
    assert vars_of(line) == {"estimated": None, "code": "", "owner": None, "proposal": None}


def test_months_of_another_annual_budget_do_not_outlive_it() -> None:
    facts = full_year()
    changed = decide(change(row(annual="1300.00"), absent=EVERY_COLUMN), ADMIN, facts)
    assert checkout([*facts, *changed.events]).proposal is None


def test_a_new_product_has_nothing_that_could_be_left_alone() -> None:
    gift = NodePath(("Retail", "Digital", "App", "Gift"))
    fact = line_fact(decide(change(row(gift), absent=EVERY_COLUMN), ADMIN, LOADED), gift)
    assert isinstance(fact, AnnualApproved)
    assert (fact.estimated, fact.code, fact.owner, fact.proposal) == (None, "", None, {})


def test_an_override_says_all_that_is_so_even_by_leaving_columns_out() -> None:
    facts = full_year()
    wanted = override(row(), row(SEARCH, "600.00"), known=(), absent=EVERY_COLUMN)
    line = checkout([*facts, *decide(wanted, ADMIN, facts).events])
    assert vars_of(line) == {"estimated": None, "code": "", "owner": None, "proposal": None}


def test_what_is_withdrawn_already_keeps_nothing_else_in_the_year() -> None:
    without_search = override(row(), row(CART, "0.05"))
    facts = [*LOADED, *decide(without_search, ADMIN, LOADED).events]
    wanted = override(row(), content_hash="e" * 64, known=(SEARCH, CART, CHECKOUT))
    decision = decide(wanted, ADMIN, facts)
    assert line_fact(decision, SEARCH) is None
    assert isinstance(line_fact(decision, CART), ProductWithdrawn)


# The total of the year


def test_the_year_adds_up_after_each_load() -> None:
    assert (entry(decide(load(row(), is_new=True), ADMIN)).year_total, book_of(LOADED).total) == (
        None,
        Decimal("1800.05"),
    )
    facts = LOADED
    gift = NodePath(("Retail", "Digital", "App", "Gift"))
    for command, wanted in (
        (change(row(annual="1300.00"), row(SEARCH, "600.00")), "1900.05"),
        (change(row(gift, "50.00"), content_hash="e" * 64), "1950.05"),
        (override(row(annual="1000.00"), known=(*ALL, gift)), "1000.00"),
    ):
        decision = decide(command, ADMIN, facts)
        assert entry(decision).year_total == Decimal(wanted)
        facts = [*facts, *decision.events]
        assert book_of(facts).total == Decimal(wanted)


def test_an_impact_tells_the_total_before_and_after() -> None:
    command = override(row(annual="1000.00"))
    context = Context(NOW, ADMIN, ORGANIZATION, {}, RIGHTS)
    read = [book_stream(2026)]
    states = fold(LOADED, [*read, *RULES[type(command)].reads_more(fold(LOADED, read), command, context)])
    impact = impact_of(states, command, context)
    assert (impact.old_total, impact.new_total) == (Decimal("1800.05"), Decimal("1000.00"))


def loaded(**fields: Any) -> BudgetLoaded:
    return entry(decide(load(row(), is_new=True), ADMIN)).model_copy(update=fields)


def test_facts_from_before_changes_were_loaded_had_the_whole_year() -> None:
    old = loaded(products=7, total=Decimal("70.00"), added=None, year_total=None)
    book = evolve_book(Book(), old)
    assert astuple(book) == (LABELS, ("a" * 64,), 7, Decimal("70.00"))
    later = loaded(products=7, total=Decimal("70.00"), added=2, year_total=Decimal("90.00"), content_hash="b" * 64)
    assert astuple(evolve_book(book, later)) == (LABELS, ("a" * 64, "b" * 64), 9, Decimal("90.00"))


def test_a_withdrawn_product_keeps_its_owner_and_code_and_loses_its_proposal() -> None:
    line = checkout(full_year())
    withdrawn = ProductWithdrawn(
        fiscal_year=2026,
        product=CHECKOUT,
        annual=Decimal("1.00"),
        currency="USD",
        effective_on=JULY,
        content_hash="d" * 64,
    )
    assert vars_of(line)["proposal"] == amounts()
    gone = evolve_line(line, withdrawn)
    assert vars_of(gone) == {"estimated": Decimal("7.00"), "code": "P1", "owner": person("ann"), "proposal": None}
    assert (gone.annual, gone.withdrawn, gone.effective_on) == (Money(Decimal("1.00"), "USD"), True, JULY)
