"""Loading a budget in every mode: who may, what is recorded, what is not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from domain.budget import AnnualApproved, BudgetLoaded, BudgetRow, ProductWithdrawn, book_stream, line_stream
from domain.budget_load import (
    Impact,
    LoadBudget,
    Mode,
    impact_of,
    require_loader,
    require_uploader,
    summary,
)
from domain.calendar import FiscalCalendar
from domain.closing import closing_stream
from domain.decision import Context, Decision, Event, Organization, Persona
from domain.errors import Contention, Forbidden
from domain.hierarchy import NodePath
from domain.money import Money
from domain.registry import FOLDS, RULES
from domain.schedule import WentOverBudget, schedule_stream
from tests.domain import schedule_given as given
from tests.domain.budget_load_given import (
    ALL,
    CART,
    FIRST,
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
    with_schedule,
)
from tests.domain.schedule_given import HEAD, refused
from tests.domain.specs import (
    ADMIN,
    CHECKOUT,
    LEAD,
    NOW,
    ORGANIZATION,
    OWNER,
    RIGHTS,
    SEARCH,
    actor,
    amounts,
    decide,
    fold,
    person,
)

# The first load


def test_the_first_load_is_from_the_first_day_of_the_year_whatever_the_file_says() -> None:
    decision = decide(FIRST, ADMIN)
    assert decision.message == "Loaded 3 products for 2026."
    assert decision.authority.policies == ("budget-load",)
    assert decision.events[0] == Event(
        book_stream(2026),
        BudgetLoaded(
            fiscal_year=2026,
            content_hash="a" * 64,
            customer="Acme",
            option="Budget",
            file_version="v1",
            labels=LABELS,
            effective_on=date(2026, 1, 1),
            currency="USD",
            products=3,
            total=Decimal("1800.05"),
            mode="new",
            added=3,
        ),
    )
    assert [event.stream for event in decision.events[1:]] == [line_stream(2026, product) for product in ALL]


def test_the_year_begins_with_the_organizations_fiscal_year() -> None:
    april = Organization("EUR", FiscalCalendar(4))
    decision = decide(FIRST, ADMIN, organization=april)
    assert (entry(decision).effective_on, entry(decision).currency) == (date(2025, 4, 1), "EUR")
    line = line_fact(decision, CHECKOUT)
    assert line is not None
    assert (line.effective_on, line.currency) == (date(2025, 4, 1), "EUR")


def test_a_line_keeps_all_of_its_row() -> None:
    full = row(estimated=Decimal("7.00"), code="P1", owner="ann@example.com", proposal=amounts())
    decision = decide(load(full, is_new=True), ADMIN, people={"ann@example.com": person("ann")})
    assert line_fact(decision, CHECKOUT) == AnnualApproved(
        fiscal_year=2026,
        product=CHECKOUT,
        annual=Decimal("1200.00"),
        currency="USD",
        effective_on=date(2026, 1, 1),
        content_hash="a" * 64,
        estimated=Decimal("7.00"),
        code="P1",
        owner=person("ann"),
        proposal=amounts(),
    )
    line = fold(decision.events, [line_stream(2026, CHECKOUT)])[line_stream(2026, CHECKOUT)]
    assert (line.annual, line.estimated, line.code, line.owner) == (
        Money(Decimal("1200.00"), "USD"),
        Decimal("7.00"),
        "P1",
        person("ann"),
    )
    assert (line.proposal, line.effective_on, line.withdrawn) == (amounts(), date(2026, 1, 1), False)


def test_owners_are_looked_up_once_each() -> None:
    command = load(row(owner="b@x.org"), row(SEARCH, owner="a@x.org"), row(CART, owner="b@x.org"))
    assert command.people() == ("b@x.org", "a@x.org")
    assert load(row()).people() == ()


def test_an_override_of_a_year_that_is_not_loaded_is_its_first_load() -> None:
    decision = decide(load(row(), is_new=True, is_override=True), ADMIN)
    assert (entry(decision).mode, decision.message) == ("new", "Loaded 1 products for 2026.")


def test_a_change_of_a_year_that_is_not_loaded_is_refused() -> None:
    for command in (change(row()), override(row())):
        refusal = refused(command, ADMIN, [])
        assert refusal.code == "YearNotLoaded"
        assert refusal.message == (
            "The budget of 2026 is not loaded yet, so there is nothing to change: load the year first (isNew=true)."
        )


def test_a_year_is_loaded_for_the_first_time_once() -> None:
    refusal = refused(load(row(), is_new=True, content_hash="b" * 64), ADMIN, LOADED)
    assert refusal.code == "YearAlreadyLoaded"
    assert refusal.message == (
        "The budget of 2026 is loaded already: load a change (isNew=false) or an override (isOverride=true) instead."
    )


def test_the_same_bytes_change_nothing_whatever_came_between() -> None:
    facts = [*LOADED, *decide(change(row(annual="900.00")), ADMIN, LOADED).events]
    for again in (FIRST, change(row(annual="900.00")), FIRST.model_copy(update={"is_override": True})):
        answer = decide(again, ADMIN, facts)
        assert (answer.events, answer.message) == ((), "These bytes were loaded for 2026 already; nothing changed.")
        assert answer.authority == Decision().authority


def test_another_year_is_another_book() -> None:
    command = load(row(), is_new=True, fiscal_year=2027, content_hash="a" * 64)
    assert decide(command, ADMIN, LOADED).events[0].stream == book_stream(2027)


# A change


def test_a_change_records_what_changed_and_nothing_else() -> None:
    decision = decide(change(row(annual="1300.00"), row(SEARCH, "600.00")), ADMIN, LOADED)
    assert [event.stream for event in decision.events] == [book_stream(2026), line_stream(2026, CHECKOUT)]
    assert decision.message == "Loaded for 2026 from 2026-07-01: 0 added, 1 changed, 0 withdrawn, 1 unchanged."
    book = entry(decision)
    assert (book.mode, book.added, book.changed, book.withdrawn) == ("change", 0, 1, 0)
    assert (book.products, book.total, book.effective_on) == (2, Decimal("1900.00"), JULY)
    line = line_fact(decision, CHECKOUT)
    assert isinstance(line, AnnualApproved)
    assert (line.annual, line.effective_on, line.content_hash) == (Decimal("1300.00"), JULY, "c" * 64)


@pytest.mark.parametrize(
    "changed",
    [
        row(annual="1200.01"),
        row(estimated=Decimal(1)),
        row(code="P2"),
        row(owner="ann@example.com"),
        row(proposal=amounts()),
    ],
)
def test_a_row_is_unchanged_only_if_all_of_it_is(changed: BudgetRow) -> None:
    assert line_fact(decide(change(row()), ADMIN, LOADED), CHECKOUT) is None
    people = {"ann@example.com": person("ann")}
    decision = decide(change(changed), ADMIN, LOADED, people=people)
    assert line_fact(decision, CHECKOUT) is not None
    later = [*LOADED, *decision.events]
    assert line_fact(decide(change(changed, content_hash="e" * 64), ADMIN, later, people=people), CHECKOUT) is None
    assert line_fact(decide(change(row(), content_hash="e" * 64), ADMIN, later), CHECKOUT) is not None


def test_a_change_adds_products() -> None:
    new = NodePath(("Retail", "Digital", "App", "Gift"))
    decision = decide(change(row(new, "50.00"), row()), ADMIN, LOADED)
    assert decision.message == "Loaded for 2026 from 2026-07-01: 1 added, 0 changed, 0 withdrawn, 1 unchanged."
    assert entry(decision).added == 1
    assert book_of([*LOADED, *decision.events]).products == 4


def test_large_counts_are_written_with_commas() -> None:
    command = change(row())
    impact = Impact(Mode.CHANGE, JULY, (), 12_345)
    assert summary(command, impact).endswith("0 added, 0 changed, 0 withdrawn, 12,345 unchanged.")
    rows = tuple(row(NodePath(("a", "b", "c", str(n)))) for n in range(1_000))
    assert decide(load(*rows, is_new=True), ADMIN).message == "Loaded 1,000 products for 2026."


def test_a_product_that_is_not_in_a_change_stays_as_it_is() -> None:
    decision = decide(change(row(SEARCH, "1.00")), ADMIN, LOADED)
    assert line_fact(decision, CHECKOUT) is None
    assert entry(decision).withdrawn == 0


# An override


def test_an_override_withdraws_what_is_missing() -> None:
    decision = decide(override(row(annual="1250.00")), ADMIN, LOADED)
    assert decision.message == "Loaded for 2026 from 2026-07-01: 0 added, 1 changed, 2 withdrawn, 0 unchanged."
    assert line_fact(decision, SEARCH) == ProductWithdrawn(
        fiscal_year=2026,
        product=SEARCH,
        annual=Decimal(0),
        currency="USD",
        effective_on=JULY,
        content_hash="d" * 64,
    )
    book = entry(decision)
    assert (book.mode, book.withdrawn, book.total, book.products) == ("override", 2, Decimal("1250.00"), 1)
    line = fold([*LOADED, *decision.events], [line_stream(2026, SEARCH)])[line_stream(2026, SEARCH)]
    assert (line.withdrawn, line.annual, line.proposal, line.effective_on) == (
        True,
        Money(Decimal(0), "USD"),
        None,
        JULY,
    )


def test_an_override_with_is_new_is_from_the_first_day_of_the_year() -> None:
    decision = decide(override(row(), is_new=True), ADMIN, LOADED)
    assert entry(decision).effective_on == date(2026, 1, 1)
    withdrawal = line_fact(decision, SEARCH)
    assert withdrawal is not None
    assert withdrawal.effective_on == date(2026, 1, 1)


def test_a_withdrawn_product_is_withdrawn_once() -> None:
    first = decide(override(row()), ADMIN, LOADED)
    again = decide(override(row(annual="1.00"), content_hash="e" * 64), ADMIN, [*LOADED, *first.events])
    assert line_fact(again, SEARCH) is None
    assert (entry(again).withdrawn, entry(again).changed) == (0, 1)


def test_a_withdrawn_product_comes_back_even_with_the_amount_that_remained() -> None:
    facts = [*LOADED, *decide(override(row()), ADMIN, LOADED).events]
    for mode in (change, override):
        decision = decide(mode(row(), row(SEARCH, "0"), content_hash="e" * 64), ADMIN, facts)
        assert isinstance(line_fact(decision, SEARCH), AnnualApproved)
        assert entry(decision).changed == 1
        assert entry(decision).added == 0
        later = [*facts, *decision.events]
        assert not fold(later, [line_stream(2026, SEARCH)])[line_stream(2026, SEARCH)].withdrawn
        assert book_of(later).products == 3


def test_an_override_must_know_every_product_of_the_year() -> None:
    with pytest.raises(Contention) as unknown:
        decide(override(row(), known=(SEARCH,)), ADMIN, LOADED)
    assert unknown.value.message == (
        "2 of the 3 products of 2026 are known so far, and an override must know all: it is tried again."
    )
    for known in (ALL, (SEARCH, CART), (SEARCH, CART, CART, NodePath(("never", "in", "the", "year")))):
        assert entry(decide(override(row(), known=known), ADMIN, LOADED)).withdrawn == 2


def test_withdrawn_products_are_counted_among_those_to_be_known() -> None:
    facts = [*LOADED, *decide(override(row()), ADMIN, LOADED).events]
    with pytest.raises(Contention):
        decide(override(row(), content_hash="e" * 64, known=(CHECKOUT, SEARCH)), ADMIN, facts)


def test_an_override_may_add_products() -> None:
    new = NodePath(("Retail", "Digital", "App", "Gift"))
    decision = decide(override(row(), row(SEARCH, "600.00"), row(CART, "0.05"), row(new)), ADMIN, LOADED)
    assert decision.message == "Loaded for 2026 from 2026-07-01: 1 added, 0 changed, 0 withdrawn, 3 unchanged."


# Before it is recorded, who may, and what is read


def test_an_impact_can_be_told_without_recording_it() -> None:
    command = override(row(annual="1000.00"), row(SEARCH, "600.00"))
    facts = with_schedule(given.APPROVED)
    context = Context(NOW, ADMIN, ORGANIZATION, {}, RIGHTS)
    read = (*RULES[LoadBudget].reads(command, context),)
    states = fold(facts, read)
    impact = impact_of(fold(facts, (*read, *RULES[LoadBudget].reads_more(states, command, context))), command, context)
    assert (impact.mode, impact.effective_on, impact.unchanged) == (Mode.OVERRIDE, JULY, 1)
    assert (impact.added, impact.changed, impact.withdrawn) == (0, 1, 1)
    told = [(c.product, c.old, c.new, [type(fact) for fact in c.schedule]) for c in impact.changes]
    assert told == [
        (CHECKOUT, Money(Decimal("1200.00"), "USD"), Money(Decimal("1000.00"), "USD"), [WentOverBudget]),
        (CART, Money(Decimal("0.05"), "USD"), Money(Decimal(0), "USD"), []),
    ]


def test_the_first_load_reads_the_book_alone_and_a_later_one_what_it_touches() -> None:
    context = Context(NOW, ADMIN, ORGANIZATION, {}, RIGHTS)
    rule = RULES[LoadBudget]
    book = book_stream(2026)
    new = {book: (FOLDS["budget"].initial, 0)}
    assert tuple(rule.reads(FIRST, context)) == (book,)
    assert tuple(rule.reads_more(fold([], new), FIRST, context)) == ()
    loaded = fold(LOADED, [book])
    assert tuple(rule.reads_more(loaded, FIRST, context)) == ()
    assert tuple(rule.reads_more(loaded, override(row(), known=(SEARCH, CHECKOUT)), context)) == (
        closing_stream(2026),
        line_stream(2026, CHECKOUT),
        line_stream(2026, SEARCH),
        schedule_stream(2026, CHECKOUT),
        schedule_stream(2026, SEARCH),
    )


def test_finance_and_the_vendor_manager_load_and_the_engineer_looks() -> None:
    vendor = actor("vendor", (Persona.VENDOR_MANAGER, NodePath.ROOT))
    engineer = actor("engineer", (Persona.CLOUD_ENGINEER, NodePath.ROOT))
    assert decide(FIRST, vendor).events
    for other in (engineer, OWNER, LEAD, HEAD):
        refusal = refused(FIRST, other, [])
        assert isinstance(refusal, Forbidden)
        assert "To load budget on / one must be financial_admin or vendor_manager there" in refusal.message
    looks = Context(NOW, engineer, ORGANIZATION, {}, RIGHTS)
    assert require_uploader(looks).policies == ("budget-upload",)
    with pytest.raises(Forbidden, match="upload budget on /"):
        require_uploader(Context(NOW, OWNER, ORGANIZATION, {}, RIGHTS))
    with pytest.raises(Forbidden):
        require_loader(looks)


def test_what_is_known_is_a_hint_and_the_subject_is_the_book() -> None:
    assert LoadBudget.hints == {"known"}
    assert FIRST.subject == book_stream(2026)
