"""When a version is an adjustment, and in which month it counts; several payers; which versions are still needed."""

from __future__ import annotations

from typing import Any

import pytest

from domain.account import ORGANIZATION_STREAM
from domain.account_facts import OrganizationSeen
from domain.calendar import FiscalCalendar, Month
from domain.closing import MonthClosed, closing_stream
from domain.cost import (
    CostPeriod,
    ImportPeriod,
    InvoiceState,
    PeriodImported,
    ReportVersion,
    is_final,
    payers_listed,
    period_stream,
)
from domain.decision import Event, Organization
from domain.errors import Refusal
from tests.domain.specs import ORGANIZATION, SYSTEM_ACTOR, command_id, decide, fold

PAYER, OTHER = "999999999999", "888888888888"
JUNE = Month(2026, 6)
STREAM = period_stream(JUNE)
SEEN = Event(ORGANIZATION_STREAM, OrganizationSeen(organization_id="o-1", management_account_id=PAYER))
TWO_PAYERS = Organization(payer_account_id=f"{PAYER}, {OTHER}")


def bill(kind: str = "Anniversary", open_lines: int = 0, entity: str = "AWS") -> InvoiceState:
    return InvoiceState(billing_entity=entity, bill_type=kind, lines=5, lines_without_invoice=open_lines)


INVOICED = (bill(),)


def closed(*months: str, calendar: FiscalCalendar = FiscalCalendar()) -> list[Event]:
    found = [Month.parse(month) for month in months]
    years = [calendar.fiscal_year_of(month) for month in found]
    return [
        Event(closing_stream(year), MonthClosed(fiscal_year=year, month=month))
        for year, month in zip(years, found, strict=True)
    ]


def command(version: str = "v2", payer: str = PAYER, **changes: Any) -> ImportPeriod:
    values: dict[str, Any] = {"currencies": ("USD",), "payers": (payer,), "lines": 1, "rows": 1} | changes
    report = ReportVersion(source="cur", billing_period=JUNE, version=version, payer_account_id=payer)
    return ImportPeriod(
        command_id=command_id(), actor="x", report=report, manifest_hash="0" * 64, totals_in={}, totals_out={}, **values
    )


def imports(wanted: ImportPeriod, facts: list[Event], organization: Organization = ORGANIZATION) -> PeriodImported:
    (event,) = decide(wanted, SYSTEM_ACTOR, facts, organization=organization).events
    assert isinstance(event.fact, PeriodImported)
    return event.fact


def first(**changes: Any) -> Event:
    return Event(STREAM, imports(command("v1", **changes), []))


def test_a_version_of_an_open_month_that_is_not_invoiced_is_no_adjustment() -> None:
    for facts in ([], [first()], [first(invoices=(bill(open_lines=1),))], closed("2026-05")):
        fact = imports(command(), facts)
        assert (fact.booked_in, fact.is_booked) == (None, False)


def test_what_comes_after_aws_has_invoiced_is_an_adjustment_of_the_month_itself() -> None:
    facts = [first(invoices=INVOICED)]
    assert imports(command(), facts).booked_in == JUNE
    decision = decide(command(), SYSTEM_ACTOR, facts)
    assert decision.message == (
        "Imported 2026-06: 1 lines, USD 0. AWS had invoiced 2026-06 before, so what this version changes is an "
        "adjustment."
    )
    # Once final, always: a line without an invoice that comes later does not take it back.
    later = Event(STREAM, imports(command(invoices=(bill(open_lines=3),)), facts))
    assert imports(command("v3"), [*facts, later]).booked_in == JUNE


def test_the_version_that_makes_a_month_final_is_no_adjustment() -> None:
    assert imports(command(invoices=INVOICED), [first()]).booked_in is None


def test_a_closed_month_is_never_changed_but_by_an_adjustment_in_the_next_open_one() -> None:
    assert imports(command(), [first(), *closed("2026-06")]).booked_in == Month(2026, 7)
    assert imports(command(), [first(), *closed("2026-06", "2026-07", "2026-09")]).booked_in == Month(2026, 8)
    assert decide(command(), SYSTEM_ACTOR, [first(), *closed("2026-06")]).message == (
        "Imported 2026-06: 1 lines, USD 0. 2026-06 is closed, so what this version changes is an adjustment in 2026-07."
    )


@pytest.mark.parametrize("first_month", [1, 4])
def test_years_of_closed_months_are_passed_over(first_month: int) -> None:
    calendar = FiscalCalendar(first_month)
    months = [str(JUNE.plus(n)) for n in range(40)]
    facts = [first(), *closed(*months, calendar=calendar)]
    assert imports(command(), facts, Organization(calendar=calendar)).booked_in == JUNE.plus(40)


def test_each_kind_of_bill_is_invoiced_on_its_own() -> None:
    assert not is_final(())
    assert not is_final((bill("Refund"), bill(entity="AWS Marketplace")))
    assert not is_final((bill(), bill(open_lines=1)))
    assert is_final((bill(), bill("Refund", 4), bill("Purchase", 1), bill(open_lines=2, entity="AWS Marketplace")))
    assert is_final((bill(entity="AISPL"),))


def test_each_payer_has_a_version_in_force() -> None:
    ours = Event(STREAM, imports(command("a"), [], TWO_PAYERS))
    theirs = Event(STREAM, imports(command("b", OTHER, invoices=INVOICED), [ours], TWO_PAYERS))
    period: CostPeriod = fold([ours, theirs], [STREAM])[STREAM]
    assert {payer: part.shown_version for payer, part in period.payers.items()} == {PAYER: "a", OTHER: "b"}
    assert imports(command("c"), [ours, theirs], TWO_PAYERS).booked_in is None  # the other payer's month is final
    assert imports(command("d", OTHER), [ours, theirs], TWO_PAYERS).booked_in == JUNE


def test_several_payers_are_listed_by_comma() -> None:
    assert payers_listed(f" {PAYER},{OTHER} ,, {PAYER}") == (PAYER, OTHER)
    assert payers_listed("") == ()
    with pytest.raises(Refusal) as refused:
        decide(command(payer="777777777777"), SYSTEM_ACTOR, [SEEN], organization=TWO_PAYERS)
    assert refused.value.message == (
        f"The report is of payer 777777777777, but this organization is paid by {PAYER}, {OTHER}: check the source, "
        "or set ALLOT_PAYER_ACCOUNT_ID."
    )


def test_a_report_of_one_payer_with_lines_of_another_one_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        decide(command(payers=(PAYER, OTHER)), SYSTEM_ACTOR, organization=TWO_PAYERS)
    assert refused.value.code == "SeveralPayers"
    assert refused.value.message == (
        f"The report is of payer {PAYER}, but has lines of payer {OTHER}: import the report of each payer by itself."
    )


def test_versions_that_the_views_are_computed_from_are_needed() -> None:
    """The shown one and the newest; of what is booked elsewhere the two versions whose difference it is."""

    def needed(*versions: tuple[str, Month | None]) -> set[str]:
        fact = imports(command("v1"), [])
        facts = [
            Event(STREAM, fact.model_copy(update={"report_version": version, "booked_in": booked_in}))
            for version, booked_in in versions
        ]
        period: CostPeriod = fold(facts, [STREAM])[STREAM]
        return set(period.of(PAYER).needed)

    july = Month(2026, 7)
    assert needed() == set()
    assert needed(("v1", None), ("v2", None)) == {"v2"}
    assert needed(("v1", None), ("v2", None), ("v3", july)) == {"v2", "v3"}
    assert needed(("v1", None), ("v2", july), ("v3", None), ("v4", None)) == {"v1", "v2", "v4"}
