"""Decisions through the command line, with a real worker: what goes, and what people in a hurry get wrong.

Each refusal says what is wrong and what to do next.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from domain.business_days import BusinessCalendar
from domain.decision import Organization
from domain.people_commands import DeactivatePerson
from tests.cli.company import CHECKOUT, GRACE_DAYS, Company, address
from tests.cli.conftest import Allot
from tests.support.workers import own_namespace, start_worker, stop_worker, worker_environment
from views.queries import Views

THIS_YEAR = datetime.now(UTC).year
LAST_YEAR = THIS_YEAR - 1
PRODUCT = str(CHECKOUT)
EVENLY = ("--even", "--as", address("Ann"))


@pytest.fixture
def grace_days() -> int:
    """Days in which a year that has ended can still be decided on; a test may ask for some."""
    return 0


@pytest.fixture
async def namespace(temporal: str, database_url: str, tmp_path: Path, grace_days: int) -> AsyncIterator[str]:
    """With a worker in it."""
    client = await own_namespace(temporal, f"refusals-{uuid4().hex[:8]}")
    directory = tmp_path / "worker"
    surroundings = worker_environment(client, database_url, directory)
    worker = start_worker(surroundings, directory, ALLOT_YEAR_GRACE_DAYS=str(grace_days))
    try:
        yield client.namespace
    finally:
        stop_worker(worker)


@pytest.fixture
def company(
    allot: Allot,
    namespace: str,
    temporal: str,
    database_url: str,
    grace_days: int,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Company]:
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOT_TEMPORAL_ADDRESS", temporal)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", namespace)
    monkeypatch.setenv("ALLOT_YEAR_GRACE_DAYS", str(grace_days))
    organization = Organization(business=BusinessCalendar(year_grace_days=grace_days))
    made = Company(database_url, datetime.now(UTC), organization)
    made.found(THIS_YEAR)
    made.load(LAST_YEAR, "1200.00")
    made.show()
    yield made
    made.ledger.close()


def test_what_cannot_be_done_is_refused_with_what_to_do_instead(
    allot: Allot, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    this, last = ("--year", str(THIS_YEAR)), ("--year", str(LAST_YEAR))
    ann, pat = ("--as", address("Ann")), ("--as", address("Pat"))

    def done(*arguments: str) -> None:
        answer = allot("schedule", *arguments)
        assert answer.status == 0, answer.err

    def refused(status: int, *said: str, arguments: tuple[str, ...]) -> None:
        answer = allot(*arguments)
        assert (answer.status, answer.out) == (status, ""), answer
        for part in said:
            assert part in answer.err

    refused(3, "YearEnded", "not decided on any more", arguments=("schedule", "submit", PRODUCT, *last, *EVENLY))
    stranger = ("schedule", "submit", PRODUCT, *this, "--even", "--as", "anne@example.com")
    refused(5, "UnknownPerson", "Did you mean 'ann@example.com'", arguments=stranger)
    refused(4, "NotGranted", "product_owner", arguments=("schedule", "submit", PRODUCT, *this, "--even", *pat))
    done("submit", PRODUCT, *this, *EVENLY)
    refused(3, "NotSubmittable", "Withdraw it first", arguments=("schedule", "submit", PRODUCT, *this, *EVENLY))
    refused(3, "NotApproved", arguments=("schedule", "request", PRODUCT, *this, "--reason", "x", *ann))
    done("withdraw", PRODUCT, *this, *ann)
    refused(3, "NothingToWithdraw", arguments=("schedule", "withdraw", PRODUCT, *this, *ann))
    done("submit", PRODUCT, *this, "--amounts", ",".join(["90"] * 12), *ann)
    stale = ("schedule", "approve", PRODUCT, *this, "--version", "1", *pat)
    refused(6, "StaleVersion", "version 2 withdrawn; version 3 submitted", "differ", arguments=stale)
    refused(4, "OwnSubmission", arguments=("schedule", "approve", PRODUCT, *this, "--version", "3", *ann))
    done("approve", PRODUCT, *this, *pat)
    done("request", PRODUCT, *this, "--reason", "More.", *ann)
    # As when the views are behind: the message goes to the process of a round that is over.
    with monkeypatch.context() as behind:
        behind.setattr(Views, "current_round", lambda *_, **__: 1)
        refused(3, "OtherRound", "give the command again", arguments=("schedule", "grant", PRODUCT, *this, *pat))
    done("grant", PRODUCT, *this, *pat)
    ended = ("person", "delegate", "--to", address("Bea"), "--until", "2020-01-01", "--from", "2020-01-01", *pat)
    refused(3, "WrongDays", "before today", arguments=ended)
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    admin = ("person", "delegate", "--to", address("Bea"), "--until", str(tomorrow), "--as", address("Fin"))
    refused(4, arguments=admin)
    two = ("person", "grant", address("Bea"), "vendor_manager", "product_owner:Retail", "--as", address("Fin"))
    refused(3, "Granted: vendor_manager", "WrongLevel", arguments=two)
    refused(3, "MonthOpen", arguments=("month", "close", f"{THIS_YEAR}-12", "--as", address("Fin")))
    refused(4, "OwnGrant", arguments=("person", "deactivate", address("Fin"), "--as", address("Fin")))
    company.record(DeactivatePerson(command_id=uuid4(), actor=address("Fin"), person=address("Ann")))
    refused(4, "Deactivated", arguments=("schedule", "submit", PRODUCT, *this, *EVENLY))


@pytest.mark.parametrize("grace_days", [GRACE_DAYS])
@pytest.mark.usefixtures("company")
def test_a_schedule_goes_all_its_ways_and_closed_months_stay(allot: Allot) -> None:
    about = (PRODUCT, "--year", str(LAST_YEAR))
    ann, pat, fin = (("--as", address(name)) for name in ("Ann", "Pat", "Fin"))
    january = f"{LAST_YEAR}-01"

    def answer(*arguments: str) -> dict[str, Any]:
        given = allot(*arguments, "--json")
        assert given.status == 0, given.err
        document: dict[str, Any] = json.loads(given.out)
        return document

    def state(what: str, *arguments: str) -> str:
        return str(answer("schedule", what, *about, *arguments)["schedule"]["state"])

    assert state("submit", "--even", *ann) == "PENDING"
    assert state("reject", "--reason", "Too even.", *pat) == "REJECTED"
    assert state("revise", *ann) == "DRAFT"
    assert state("submit", "--amounts", ",".join(["90"] * 12), *ann) == "PENDING"
    assert state("approve", *pat) == "APPROVED"
    assert answer("month", "close", january, *fin)["message"] == f"{january} is closed."
    assert [one["month"] for one in answer("month", "list", "--year", str(LAST_YEAR))["closed"]] == [january]
    moved = allot("schedule", "request", *about, "--reason", "x", "--amounts", ",".join(["91"] * 12), *ann)
    assert (moved.status, moved.out) == (3, "")
    assert f"ClosedMonth: Closed months do not change any more: {january} stays USD 90.00." in moved.err
    evenly = answer("schedule", "request", *about, "--reason", "More.", "--even", *ann)["schedule"]
    assert (evenly["submitted"][january], evenly["submitted"][f"{LAST_YEAR}-02"]) == ("90.00", "100.91")
    assert evenly["submitted_total"] == "1200.00"
    assert state("deny", "--reason", "Not this year.", *pat) == "APPROVED"
    late = answer("schedule", "grant", *about, *pat)
    assert (late["events"], late["message"]) == (0, "Version 6 was denied already; that decision stands.")
    assert state("request", "--reason", "Much more.", *ann) == "RESCHEDULE_REQUESTED"
    assert state("grant", *pat) == "RESCHEDULING"
    again = answer("schedule", "grant", *about, *pat)
    assert (again["events"], "that decision stands" in again["message"]) == (0, True)
    assert state("withdraw", "--note", "Not needed.", *ann) == "APPROVED"
    assert state("request", "--reason", "At last.", "--even", *ann) == "RESCHEDULE_REQUESTED"
    assert state("grant", *pat) == "APPROVED"
    late = answer("schedule", "deny", *about, "--reason", "No.", *pat)
    assert (late["events"], "was granted already; that decision stands" in late["message"]) == (0, True)
    assert answer("month", "reopen", january, "--reason", "A late bill.", *fin)["events"] == 1
    assert answer("schedule", "show", *about)["round"] == 4
    assert {event["channel"] for event in answer("audit", PRODUCT)["events"] if "schedule" in event["fact_name"]} == {
        "cli"
    }
