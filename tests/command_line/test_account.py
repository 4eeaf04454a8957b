"""`allot account list` and `show`: where accounts stand, how long it took, their history, what is proposed."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from command_line.account_shown import EVENTS_SHOWN_MAX
from domain.account import Lifecycle
from domain.account_observing import Departure, RecordDepartures
from domain.alignment import AlignAccount, EscalateAlignment, RemindAlignment
from domain.calendar import next_spend_period, spend_period_of
from tests.command_line.account_company import LABS, LAST_MONTH, SHOP, STRANGER, TODAY, AccountCompany, rule
from tests.command_line.conftest import Allot
from tests.views.given import cost

DAY = timedelta(days=1)
FIRST_USAGE = LAST_MONTH + 3 * DAY


def listed(allot: Allot, *arguments: str) -> list[dict[str, Any]]:
    answer = allot("account", "list", *arguments, "--json")
    assert answer.status == 0, answer.err
    found: list[dict[str, Any]] = json.loads(answer.out)["accounts"]
    return found


def shown(allot: Allot, account_id: str = SHOP) -> str:
    answer = allot("account", "show", account_id)
    assert answer.status == 0, answer.err
    return answer.out


def line_of(text: str, beginning: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(beginning)]
    return line


def test_before_the_first_account_it_is_said_how_they_come(allot: Allot, accounts: AccountCompany) -> None:
    accounts.show()
    assert "No accounts are known yet: `allot organization sync`" in allot("account", "list").out
    assert listed(allot) == []


def test_a_list_shows_where_accounts_stand_and_what_is_proposed(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend(ou_path="/Workloads/Production")
    accounts.allocate(Checkout="60", Search="40")
    accounts.vend(LABS, "labs")
    accounts.propose(LABS, Search="100")
    accounts.vend(STRANGER, "new")
    accounts.show()
    shop, labs, new = listed(allot)
    assert [one["lifecycle"] for one in (shop, labs, new)] == ["ALIGNED", "PROPOSED", "VENDED"]
    assert [share["percent"] for share in shop["allocation"]["shares"]] == ["60", "40"]
    assert (labs["allocation"], labs["proposal"]["number"]) == (None, 1)
    lines = {line[:12]: line for line in allot("account", "list").out.splitlines()}
    assert "/Workloads/Production" in lines[SHOP]
    assert "60 % Retail/Digital/Web/Checkout" in lines[SHOP]
    assert "proposed: 100 % Retail/Digital/Web/Search" in lines[LABS]
    assert lines[STRANGER].rstrip().endswith("unallocated")


def test_a_list_can_be_of_some_states_only(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.allocate(Checkout="100")
    accounts.vend(LABS, "labs", state="SUSPENDED")
    accounts.vend(STRANGER, "new")
    accounts.show()
    assert [one["account_id"] for one in listed(allot, "--state", "SUSPENDED")] == [LABS]
    both = listed(allot, "--state", "VENDED", "--state", "ALIGNED")
    assert [one["account_id"] for one in both] == [SHOP, STRANGER]
    assert "No account is in that state." in allot("account", "list", "--state", "CLOSED").out
    assert listed(allot, "--state", "CLOSED") == []
    wrong = allot("account", "list", "--state", "vended")
    assert wrong.status == 2
    assert all(state in wrong.err for state in Lifecycle)


def test_names_from_aws_steer_no_terminal(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend(name="[red]shop\x1b[2J", tags={"team": "\x07"})
    accounts.show()
    for answer in (allot("account", "list"), allot("account", "show", SHOP)):
        assert "[red]shop\\x1b[2J" in answer.out
        assert not {"\x1b", "\x07"} & set(answer.out)


def test_the_times_count_from_vending(allot: Allot, accounts: AccountCompany) -> None:
    accounts.now -= timedelta(days=3)
    accounts.vend(days_ago=0)
    accounts.now += timedelta(hours=5)
    accounts.allocate(Checkout="100")
    accounts.show()
    text = shown(allot)
    assert line_of(text, "Known").endswith("UTC, within a second, by sync")
    assert line_of(text, "Aligned").endswith("UTC, 5 h after vending")
    assert line_of(text, "First bill") == "First bill  none yet"
    assert "ALIGNED: allocated, and not billed yet" in text


def test_an_account_that_spends_says_since_when_and_that_it_is_nobody_s(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.bill([cost(SHOP, str(FIRST_USAGE), "10.00")])
    accounts.show()
    text = shown(allot)
    assert "SPENDING_UNALLOCATED: billed, and the money belongs to nobody's budget" in text
    assert line_of(text, "First bill").endswith(f"for usage of {FIRST_USAGE}")
    assert line_of(text, "Aligned") == "Aligned     not yet"
    assert "waiting.Escalated (it spends without an allocation)" in text


def test_a_history_marks_what_is_past_current_new_expiring_and_to_come(allot: Allot, accounts: AccountCompany) -> None:
    now, then = spend_period_of(TODAY), next_spend_period(TODAY + DAY)
    accounts.vend()
    accounts.allocate(on=LAST_MONTH, Checkout="100")
    accounts.allocate(on=now, Search="100", note="Moved.")
    accounts.allocate(on=then, Checkout="50", Search="50")
    accounts.show()
    text = shown(allot)
    past, current, future = (line_of(text, str(day)) for day in (LAST_MONTH, now, then))
    assert f"{now - DAY}  Past " in past, "the last day on which it holds"
    assert f"{then - DAY}  Current, new, expires {then - DAY}" in current
    assert "Moved." in current
    assert "Future" in future
    assert "new" not in future
    assert "50 % Retail/Digital/Web/Checkout" in future
    assert "Fin (by hand)" in future
    data = json.loads(allot("account", "show", SHOP, "--json").out)
    marks = [(one["status"], one["is_new"], one["is_expiring"]) for one in data["allocations"]]
    assert marks[0][0] == "Past"
    assert marks[1:] == [("Current", True, True), ("Future", False, False)]
    assert data["account"]["allocation"]["effective_on"] == str(now), "the one that holds today"


def test_what_waits_says_so_with_commands_to_copy(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.show()
    waiting = shown(allot)
    assert line_of(waiting, "Waits for an allocation since").endswith(": first sight")
    assert f"  allot account allocate {SHOP} PRODUCT=100 --type TYPE --as EMAIL" in waiting
    accounts.step(RemindAlignment, count=1)
    accounts.step(EscalateAlignment)
    accounts.rule(rule("web", ou_path="/Workloads"))
    accounts.step(AlignAccount)
    accounts.show()
    text = shown(allot)
    assert "PROPOSED: known, and an allocation is proposed" in text
    assert ": first sight, reminded once, escalated at " in text
    assert "Proposal 1 by the rule 'web': 100 % Retail/Digital/Web/Checkout, Production." in text
    commands = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("  allot account")]
    assert [command[:5] for command in commands] == [
        ["account", "accept", SHOP, "--proposal", "1"],
        ["account", "decline", SHOP, "--proposal", "1"],
    ]
    for command in commands:  # understood as a whole: what is missing is a server
        assert allot(*(part.replace("EMAIL", "fin@example.com") for part in command)).status == 10


def test_a_proposal_of_a_person_is_shown_with_its_note_beside_what_holds(
    allot: Allot, accounts: AccountCompany
) -> None:
    accounts.vend()
    accounts.allocate(Checkout="100")
    accounts.propose(Search="100")
    accounts.show()
    text = shown(allot)
    assert ": another allocation was proposed" in text
    assert "Proposal 1 by Cleo: 100 % Retail/Digital/Web/Search, Production." in text
    assert "Current" in text


def test_what_happened_is_told_in_order_and_by_whom(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.allocate(Checkout="100")
    accounts.vend(name="renamed", ou_path="/Workloads/Old")
    accounts.show()
    text = shown(allot)
    what = [
        "account.Vended (sync)",
        "account.AlignmentOpened (first sight)",
        "account.Allocated (by hand)",
        "account.Changed (",
    ]
    places = [text.index(words) for words in what]
    assert places == sorted(places)
    assert "Allot" in line_with(text, what[0])
    assert "Fin" in line_with(text, what[2])


def line_with(text: str, words: str) -> str:
    (line,) = [line for line in text.splitlines() if words in line]
    return line


def test_of_a_long_history_the_last_events_are_shown(allot: Allot, accounts: AccountCompany) -> None:
    for number in range(EVENTS_SHOWN_MAX):
        accounts.vend(name=f"shop-{number}")
    accounts.show()
    events = EVENTS_SHOWN_MAX + 1  # and the alignment that was opened
    text = shown(allot)
    assert "account.Vended" not in text
    assert f"The last {EVENTS_SHOWN_MAX} of {events}: `allot audit {SHOP}` has all of them." in text
    assert len(json.loads(allot("account", "show", SHOP, "--json").out)["events"]) == events


def test_an_account_that_left_says_when_and_how(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.now += timedelta(hours=1)
    at = accounts.now
    departure = Departure(account_id=SHOP, how="Left", at=at)
    accounts.step(RecordDepartures, departures=(departure,), observed_at=at)
    accounts.show()
    text = shown(allot)
    assert "DEPARTED: not in the organization any more" in text
    assert f"Left the organization at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC (Left)" in text


def test_an_account_that_only_the_bill_knows_can_be_looked_at(allot: Allot, accounts: AccountCompany) -> None:
    accounts.vend()
    accounts.bill([cost(STRANGER, str(FIRST_USAGE), "10.00")])
    accounts.show()
    text = shown(allot, STRANGER)
    assert "UNKNOWN_TO_ORGANIZATIONS: billed, and AWS Organizations has never shown it" in text
    assert line_of(text, "Vended") == "Vended      unknown"
    assert line_of(text, "Known") == "Known       from a cost report alone"
    assert line_of(text, "Waits").endswith("spends without an allocation, escalated at " + text_of(accounts.now))
    assert f"allot account allocate {STRANGER} PRODUCT=100" in text
    audit = allot("audit", STRANGER)
    assert audit.status == 0
    assert "account.FirstBilled  by system" in audit.out
    data = json.loads(allot("audit", STRANGER, "--json").out)
    assert {event["fact"]["account_id"] for event in data["events"] if "account_id" in event["fact"]} == {STRANGER}
    (stranger,) = listed(allot, "--state", "UNKNOWN_TO_ORGANIZATIONS")
    assert (stranger["name"], stranger["joined_at"]) == ("", None)


def text_of(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@pytest.mark.parametrize(
    ("account_id", "status", "said"),
    [
        ("10000000000", 2, "is not an account id, which has 12 digits"),
        ("1000000000011", 2, "is not an account id, which has 12 digits"),
        ("10000000000x", 2, "is not an account id, which has 12 digits"),
        ("١٠٠٠٠٠٠٠٠٠٠١", 2, "is not an account id, which has 12 digits"),
        ("100000000009", 5, f"Did you mean '{SHOP}'"),
        ("777777777777", 5, "neither AWS Organizations nor a cost report has shown it"),
    ],
)
def test_a_mistyped_account_is_said(
    allot: Allot, accounts: AccountCompany, account_id: str, status: int, said: str
) -> None:
    accounts.vend()
    accounts.show()
    for machine in ((), ("--json",)):
        answer = allot("account", "show", account_id, *machine)
        assert (answer.status, answer.out) == (status, "")
        assert said in answer.err
