"""Decisions through the command line, with a real worker: what goes, and what people in a hurry get wrong.

Each refusal says what is wrong and what to do next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from domain.business_days import BusinessCalendar
from domain.decision import Channel, Organization
from domain.people_commands import DeactivatePerson
from domain.process import schedule_process_id
from domain.process_texts import REFUSAL_CHARS_MAX
from domain.schedule import schedule_stream
from tests.command_line.company import CHECKOUT, GRACE_DAYS, Company, address
from tests.command_line.conftest import Allot
from tests.command_line.doors import in_temporal, refused_signal, refused_update
from views.queries import Views

THIS_YEAR = datetime.now(UTC).year
LAST_YEAR = THIS_YEAR - 1
PRODUCT = str(CHECKOUT)
EVENLY = ("--even", "--as", address("Ann"))


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
    metric = ("cost", "metric", "amortized", "--fiscal-year", str(THIS_YEAR))
    refused(4, "financial_admin", arguments=(*metric, *pat))
    chosen = allot(*metric, "--as", address("Fin"))
    assert f"From fiscal year {THIS_YEAR} on, budgets are compared with amortized cost." in chosen.out
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


TWELVE = {f"{THIS_YEAR}-{month:02d}": "100" for month in range(1, 13)}
DOORS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "OwnSubmission": ("approve", {"actor": "Ann", "version": 1}, ("--version", "1")),
    "StaleVersion": ("reject", {"actor": "Pat", "version": 7, "reason": "No."}, ("--version", "7", "--reason", "No.")),
    "NotGranted": ("approve", {"actor": "Bea", "version": 1}, ("--version", "1")),
    "NotDecidable": ("grant", {"actor": "Pat", "version": 1}, ("--version", "1")),
    "NotSubmittable": ("submit", {"actor": "Ann", "amounts": TWELVE}, ("--amounts", ",".join(["100"] * 12))),
    "NotRejected": ("revise", {"actor": "Ann"}, ()),
}
"""By the code of the refusal: what is sent, as the fields of a message and as flags of the command line."""


def test_three_doors_refuse_in_the_same_words_and_do_the_same(allot: Allot, company: Company) -> None:
    year = ("--year", str(THIS_YEAR))
    assert allot("schedule", "submit", PRODUCT, *year, *EVENLY).status == 0
    for code, (name, fields, flags) in DOORS.items():
        said = {**fields, "actor": address(fields["actor"])}
        through_update = in_temporal(process(), partial(refused_update, name=name, message=message(said)))
        through_signal = in_temporal(process(), partial(refused_signal, name=name, fields=said))
        through_cli = allot("schedule", name, PRODUCT, *year, *flags, "--as", said["actor"])
        assert through_update[0] == code
        assert through_signal == through_update[1][:REFUSAL_CHARS_MAX]
        assert through_update[1] in through_cli.err
        assert code in through_cli.err
        assert through_cli.status != 0
    approve = {"actor": address("Pat"), "version": 1}
    in_temporal(process(), lambda handle: handle.signal("approve", approve))
    in_temporal(process(), lambda handle: handle.result())
    assert allot("schedule", "request", PRODUCT, *year, "--reason", "More.", "--as", address("Ann")).status == 0
    decision = message({**approve, "version": 3})
    granted = in_temporal(process(2), lambda handle: handle.execute_update("grant", decision))
    assert granted["events"] == 1
    again = allot("schedule", "deny", PRODUCT, *year, "--version", "3", "--reason", "No.", "--as", address("Pat"))
    assert "Version 3 was granted already" in again.out
    doors = [event.channel for event in company.ledger.read(schedule_stream(THIS_YEAR, CHECKOUT))]
    assert doors == [Channel.CLI, Channel.SIGNAL, Channel.CLI, Channel.UPDATE]


def message(fields: dict[str, Any]) -> dict[str, Any]:
    return {"command_id": str(uuid4()), "fiscal_year": THIS_YEAR, "product": PRODUCT, **fields}


def process(round_: int = 1) -> str:
    return schedule_process_id(THIS_YEAR, CHECKOUT, round_)
