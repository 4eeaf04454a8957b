"""What `allot cost show` and `allot cost history` say of a billing period, as tables and as JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from domain.calendar import Month
from domain.cost import InvoiceState
from domain.cost_metric import CostMetric
from tests.command_line.conftest import Allot
from tests.views.given import ORGANIZATION, ListLog, cost, imported, measured, metric_chosen, restated, store_costs
from views.projector import Projector

ACCOUNT = "000000000001"
OTHER_PAYER = "222222222222"


@pytest.fixture
def reported(allot: Allot, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Allot:
    """May in two versions of one payer, the second one an adjustment, and in one of another."""
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    costs = [
        measured(cost(ACCOUNT, "2026-05-03", "100.00"), "60", "90", "50"),
        measured(cost(ACCOUNT, "2026-05-04", "-10", charge_type="Credit"), "-10", "-10", "-10"),
        measured(cost(ACCOUNT, "2026-05-03", "101.50", version="v2"), "61.50", "91", "50"),
        measured(cost(ACCOUNT, "2026-05-03", "0.25", version="v2", charge_type="unclassified"), "0.25", "0.2", "0.2"),
        measured(cost(ACCOUNT, "2026-05-03", "7", version="theirs"), "7", "7", "7"),
    ]
    store_costs(database_url, costs)
    open_, invoiced = (
        InvoiceState(billing_entity="AWS", bill_type="Anniversary", lines=9, lines_without_invoice=n, invoice_ids=ids)
        for n, ids in ((4, ()), (0, ("INV-1",)))
    )
    log = ListLog(
        imported(costs, "2026-05", invoices=(open_,), upfront=Decimal(50), true_up=Decimal(-10)),
        imported(costs, "2026-05", "theirs", payer=OTHER_PAYER, format="FOCUS 1.2"),
        imported(
            costs,
            "2026-05",
            "v2",
            booked_in=Month(2026, 6),
            invoices=(invoiced,),
            format="CUR 2.0",
            engine="Athena",
            upfront=Decimal(50),
            true_up=Decimal(-10),
            unclassified={"NewKind": 3},
            split_lines=12,
        ),
        restated(ACCOUNT, Month(2026, 5), "v1", "v2", booked_in=Month(2026, 6)),
        metric_chosen(CostMetric.NET_AMORTIZED),
    )
    Projector(log, database_url, ORGANIZATION).catch_up()
    return allot


def answer(allot: Allot, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(allot("cost", *arguments, "--json").out)
    return found


@pytest.mark.usefixtures("reported")
def test_versions_stand_in_the_order_of_their_import_with_what_each_changed(allot: Allot) -> None:
    first, theirs, second = answer(allot, "history", "2026-05")["versions"]
    assert [(one["report_version"], one["payer_account_id"], one["ordinal"]) for one in (first, theirs, second)] == [
        ("v1", "111111111111", 1),
        ("theirs", OTHER_PAYER, 1),
        ("v2", "111111111111", 2),
    ]
    assert (first["changes"], first["is_shown"], first["adjustment"], first["is_final"]) == ([], True, False, False)
    assert second["totals"] == {
        "unblended": "101.75",
        "amortized": "61.75",
        "net_unblended": "91.20",
        "net_amortized": "50.20",
    }
    assert {one["charge_type"]: one["difference"]["unblended"] for one in second["changes"]} == {
        "Credit": "10.00",
        "Usage": "1.50",
        "unclassified": "0.25",
    }
    assert [
        second[key] for key in ("replaced", "booked_in", "restated", "is_final", "is_shown", "engine", "format")
    ] == [
        "v1",
        "2026-06",
        1,
        True,
        False,
        "Athena",
        "CUR 2.0",
    ]
    assert second["accounts"] == []


@pytest.mark.usefixtures("reported")
def test_of_an_account_the_history_says_what_changed(allot: Allot) -> None:
    versions = answer(allot, "history", "2026-05", "--account", ACCOUNT)["versions"]
    assert [len(version["accounts"]) for version in versions] == [0, 0, 1]
    assert versions[2]["accounts"][0] == {
        "account_id": ACCOUNT,
        "before": {"unblended": "1.5"},
        "after": {"unblended": "2"},
        "first_changed": "2026-05-01",
        "last_changed": "2026-05-31",
    }
    shown = allot("cost", "history", "2026-05", "--account", ACCOUNT)
    assert shown.status == 0
    for text in ("adjustment, booked in 2026-06, final", "What v2 changed, USD", "2026-05-01 to 2026-05-31", "INV-1"):
        assert text in shown.out


@pytest.mark.usefixtures("reported")
def test_a_period_is_shown_by_charge_type_and_metric_over_all_payers(allot: Allot) -> None:
    found = answer(allot, "show", "2026-05")
    assert found["totals"] == {
        "unblended": "108.75",
        "amortized": "68.75",
        "net_unblended": "98.20",
        "net_amortized": "57.20",
    }
    assert [(one["group"], one["charge_type"], one["totals"]["unblended"]) for one in found["charges"]] == [
        ("Usage", "Usage", "108.50"),
        ("Unclassified", "unclassified", "0.25"),
    ]
    assert (found["payers"], found["versions"]) == (["111111111111", OTHER_PAYER], ["v2", "theirs"])
    assert (found["unclassified"], found["split_lines"], found["is_final"]) == ({"NewKind": 3}, 12, False)
    assert (found["difference"], found["metric"]) == ("0.00", "net_amortized")
    text = allot("cost", "show", "2026-05").out
    for line in (
        "Unclassified: NewKind (3 lines)",
        "To the last digit: amortized USD 68.75 + upfront USD 50.00 + true-up USD -10.00 = unblended USD 108.75.",
        "12 lines of split cost allocation",
        "compared with net amortized cost",
        "AWS has not invoiced all that was used.",
    ):
        assert line in text


@pytest.mark.usefixtures("reported")
def test_a_bill_that_does_not_follow_awss_formulas_says_so(allot: Allot, database_url: str) -> None:
    costs = [measured(cost(ACCOUNT, "2026-07-03", "10"), "8", "10", "8")]
    log = ListLog(imported(costs, "2026-07"))
    log.events = [event._replace(position=event.position + 50) for event in log.events]
    Projector(log, database_url, ORGANIZATION).catch_up()
    shown = allot("cost", "show", "2026-07").out
    assert "Not equal by USD 2.00: amortized USD 8.00 + upfront USD 0.00 + true-up USD 0.00" in shown
    assert "Of this report it is not known what AWS has invoiced." in shown


@pytest.mark.usefixtures("reported")
@pytest.mark.parametrize("command", ["show", "history"])
def test_a_period_that_nobody_imported(allot: Allot, command: str) -> None:
    told = allot("cost", command, "2026-04")
    assert told.status == 5
    assert "No cost report was imported for 2026-04: see `allot cost import`." in told.err
    assert "YYYY-MM" in allot("cost", command, "April").err


@pytest.mark.usefixtures("reported")
def test_the_rollup_says_what_is_booked_elsewhere(allot: Allot) -> None:
    text = " ".join(allot("rollup", "--year", "2026").out.split())
    assert (
        "unallocated USD 57.20 + booked elsewhere USD 10.20 - booked here of other months USD 10.20 = report USD 57.20"
    ) in text
