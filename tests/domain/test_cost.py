"""A cost report is accepted once, whole, and only where it adds up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from domain.account import ORGANIZATION_STREAM
from domain.account_facts import OrganizationSeen
from domain.calendar import Month
from domain.cost import CostPeriod, ImportedVersion, ImportPeriod, PayerPeriod, PeriodImported, ReportVersion
from domain.decision import Event, Organization, Stream
from domain.errors import AllotError, DamagedReport, Forbidden, Refusal
from tests.domain.specs import ADMIN, LEAD, RIGHTS, SYSTEM_ACTOR, command_id, decide, fold

PAYER = "999999999999"
TOTALS = {"Usage": Decimal("16141.499999856000144"), "Tax": Decimal(1)}
ORGANIZATION = Event(ORGANIZATION_STREAM, OrganizationSeen(organization_id="o-1", management_account_id=PAYER))


def command(version: str = "v1", **changes: Any) -> ImportPeriod:
    values: dict[str, Any] = {
        "currencies": ("USD",),
        "payers": (PAYER,),
        "lines": 10,
        "rows": 2,
        "totals_in": TOTALS,
        "totals_out": TOTALS,
    } | changes
    report = ReportVersion(source="finops-cur", billing_period=Month(2026, 6), version=version, payer_account_id=PAYER)
    return ImportPeriod(command_id=command_id(), actor="x", report=report, manifest_hash="0" * 64, **values)


def test_an_import_keeps_version_counts_and_exact_totals() -> None:
    (event,) = decide(command(), SYSTEM_ACTOR, [ORGANIZATION]).events
    assert isinstance(event.fact, PeriodImported)
    assert event.fact.totals == TOTALS
    assert '"16141.499999856000144"' in event.fact.model_dump_json()
    assert decide(command(), SYSTEM_ACTOR).message == "Imported 2026-06: 10 lines, USD 16142.499999856000144."


def test_a_version_is_imported_once_and_a_later_one_takes_its_place() -> None:
    first = list(decide(command(), SYSTEM_ACTOR).events)
    assert decide(command(), SYSTEM_ACTOR, first).events == ()
    second = list(decide(command("v2"), SYSTEM_ACTOR, first).events)
    assert len(second) == 1
    assert decide(command(), SYSTEM_ACTOR, first + second).events == ()


def test_an_empty_month_is_fine() -> None:
    empty = command(currencies=(), payers=(), lines=0, rows=0, totals_in={}, totals_out={})
    assert decide(empty, SYSTEM_ACTOR, [ORGANIZATION]).message == "Imported 2026-06: 0 lines, USD 0."


def test_another_currency_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        decide(command(currencies=("USD", "EUR")), SYSTEM_ACTOR)
    assert refused.value.code == "OtherCurrency"
    assert refused.value.message.startswith("The report is in EUR, but budgets are in USD")


def test_another_payer_is_refused_whether_known_by_setting_or_from_organizations() -> None:
    for organization, given in [
        (Organization(payer_account_id="111111111111"), [ORGANIZATION]),
        (
            Organization(),
            [
                Event(
                    ORGANIZATION_STREAM, ORGANIZATION.fact.model_copy(update={"management_account_id": "222222222222"})
                )
            ],
        ),
    ]:
        with pytest.raises(Refusal) as refused:
            decide(command(), SYSTEM_ACTOR, given, organization=organization)
        assert refused.value.code == "OtherPayer"
    with pytest.raises(Refusal):
        decide(command(payers=(PAYER, "333333333333")), SYSTEM_ACTOR, [ORGANIZATION])


def test_a_difference_in_the_last_digit_stops_the_import() -> None:
    off = TOTALS | {"Tax": Decimal("1.000000000000000001")}
    with pytest.raises(DamagedReport) as refused:
        decide(command(totals_out=off), SYSTEM_ACTOR)
    assert refused.value.code == "NotReconciled"
    assert "Tax 1.000000000000000001" in refused.value.message


def test_who_may_import() -> None:
    assert decide(command(), ADMIN).events
    with pytest.raises(Forbidden):
        decide(command(), LEAD)


def test_each_refusal_says_what_is_wrong_and_what_to_do() -> None:
    def refused(wanted: ImportPeriod) -> AllotError:
        with pytest.raises(AllotError) as error:
            decide(wanted, SYSTEM_ACTOR, [ORGANIZATION])
        return error.value

    assert refused(command(currencies=("EUR", "USD", "CHF"))).message == (
        "The report is in CHF, EUR, but budgets are in USD: import a report in USD."
    )
    assert refused(command(payers=("333333333333", "222222222222"))).message == (
        f"The report is of payer 222222222222, 333333333333, but this organization is paid by {PAYER}: "
        "check the source, or set ALLOT_PAYER_ACCOUNT_ID."
    )
    assert refused(command(totals_in={"Usage": Decimal(2), "Tax": Decimal("1E+1")}, totals_out={})).message == (
        "The stored rows of 2026-06 do not add up to the report: nothing against Tax 10, Usage 2. Nothing was imported."
    )


def test_an_import_stands_with_its_month_and_with_who_allowed_it() -> None:
    decision = decide(command(lines=12_345), SYSTEM_ACTOR, [ORGANIZATION])
    assert [str(event.stream) for event in decision.events] == ["cost/2026-06"]
    assert decision.authority.version == RIGHTS.version
    assert decision.message == "Imported 2026-06: 12,345 lines, USD 16142.499999856000144."
    again = decide(command(), SYSTEM_ACTOR, decision.events)
    assert again.message == "Version v1 was imported already; nothing changed."
    stream = Stream("cost", "2026-06")
    version = ImportedVersion("v1", rows=2)
    assert fold(decision.events, [stream])[stream] == CostPeriod(
        ("v1",), {PAYER: PayerPeriod((version,), shown_version="v1")}
    )


def test_a_total_is_told_to_its_last_digit() -> None:
    """More of them than a decimal context keeps unless it is told to."""
    large = {"Usage": Decimal("12345678901234567890.123456789012345678")}
    assert decide(command(totals_in=large, totals_out=large), SYSTEM_ACTOR).message == (
        "Imported 2026-06: 10 lines, USD 12345678901234567890.123456789012345678."
    )
