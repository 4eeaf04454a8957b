"""The schedule's state machine as a table: what each command does in each state, or how it is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from domain.decision import Command, Event
from domain.errors import NotFound
from domain.schedule import (
    EDITABLE,
    LIVING,
    State,
    awaited,
    schedule_stream,
)
from domain.schedule_commands import ROUNDS_MAX
from tests.domain import schedule_given as given
from tests.domain.schedule_given import PORTFOLIO, STREAM, refused, schedule_of
from tests.domain.specs import CHECKOUT, LEAD, OWNER, SEARCH, amounts, decide, line

SITUATIONS: dict[str, list[Event]] = {
    "draft": given.DRAFT,
    "taken back": given.TAKEN_BACK,
    "pending": given.PENDING,
    "approved": given.APPROVED,
    "rejected": given.REJECTED,
    "requested": given.REQUESTED,
    "attached": given.ATTACHED,
    "rescheduling": given.RESCHEDULING,
    "pending again": given.PENDING_AGAIN,
    "rejected again": given.REJECTED_AGAIN,
    "over budget": given.OVER_BUDGET,
    "closed": given.CLOSED,
}
COMMANDS: dict[str, Callable[[int], Command]] = {
    "submit": lambda _version: given.submit(amounts("80.00")),
    "withdraw": lambda _version: given.withdraw(),
    "revise": lambda _version: given.revise(),
    "request": lambda _version: given.request(),
    "approve": given.approve,
    "reject": given.reject,
    "grant": given.grant,
    "deny": given.deny,
}
# Where it is allowed, the state it leads to and what is recorded; else the code of its refusal.
SAME_FOR_ALL = "submit withdraw revise request approve reject grant deny"
TABLE = """
draft          | PENDING Submitted         | NothingToWithdraw      | NotRejected          | NotApproved                              | NothingSubmitted     | NothingSubmitted  | NothingSubmitted                              | NothingSubmitted
taken back     | PENDING Submitted         | NothingToWithdraw      | NotRejected          | NotApproved                              | NotDecidable         | NotDecidable      | NotDecidable                                  | NotDecidable
pending        | NotSubmittable            | DRAFT Withdrawn        | NotRejected          | NotApproved                              | APPROVED Approved    | REJECTED Rejected | NotDecidable                                  | NotDecidable
approved       | NotSubmittable            | NothingToWithdraw      | NotRejected          | RESCHEDULE_REQUESTED RescheduleRequested | NotDecidable         | NotDecidable      | NotDecidable                                  | NotDecidable
rejected       | PENDING Revised Submitted | NothingToWithdraw      | DRAFT Revised        | NotApproved                              | NotDecidable         | NotDecidable      | NotDecidable                                  | NotDecidable
requested      | NotSubmittable            | APPROVED Withdrawn     | NotRejected          | NotApproved                              | NotDecidable         | NotDecidable      | RESCHEDULING RescheduleGranted                | APPROVED RescheduleDenied
attached       | NotSubmittable            | APPROVED Withdrawn     | NotRejected          | NotApproved                              | NotDecidable         | NotDecidable      | APPROVED RescheduleGranted Approved           | APPROVED RescheduleDenied
rescheduling   | PENDING Submitted         | APPROVED Withdrawn     | NotRejected          | NotApproved                              | NotDecidable         | NotDecidable      | NotDecidable                                  | NotDecidable
pending again  | NotSubmittable            | RESCHEDULING Withdrawn | NotRejected          | NotApproved                              | APPROVED Approved    | REJECTED Rejected | NotDecidable                                  | NotDecidable
rejected again | PENDING Revised Submitted | NothingToWithdraw      | RESCHEDULING Revised | NotApproved                              | NotDecidable         | NotDecidable      | NotDecidable                                  | NotDecidable
over budget    | NotSubmittable            | NothingToWithdraw      | NotRejected          | RESCHEDULE_REQUESTED RescheduleRequested | NotDecidable         | NotDecidable      | NotDecidable                                  | NotDecidable
closed         | NotSubmittable            | NothingToWithdraw      | NotRejected          | NotApproved                              | NotDecidable         | NotDecidable      | NotDecidable                                  | NotDecidable
"""  # noqa: E501 - a table is read across
CELLS = [
    (situation.strip(), command, cell.strip())
    for situation, *cells in (row.split("|") for row in TABLE.strip().splitlines())
    for command, cell in zip(SAME_FOR_ALL.split(), cells, strict=True)
]


def test_the_table_has_every_situation_and_every_command() -> None:
    assert {situation for situation, _, _ in CELLS} == set(SITUATIONS)
    assert {command for _, command, _ in CELLS} == set(COMMANDS)
    assert {schedule_of(facts).state for facts in SITUATIONS.values()} == set(State)


@pytest.mark.parametrize(("situation", "name", "cell"), CELLS)
def test_each_command_in_each_state(situation: str, name: str, cell: str) -> None:
    before = SITUATIONS[situation]
    command = COMMANDS[name](max(1, schedule_of(before).version))
    who = OWNER if name in SAME_FOR_ALL.split()[:4] else LEAD
    state, *facts = cell.split()
    if not facts:
        assert refused(command, who, before).code == state
        return
    decision = decide(command, who, before)
    assert [type(event.fact).__name__ for event in decision.events] == facts
    assert {event.stream for event in decision.events} == {STREAM}
    after = schedule_of([*before, *decision.events])
    assert after.state == state
    assert decision.authority.policies == (("schedule-submit",) if who is OWNER else ("schedule-decide",))


WORDS = {
    ("pending", "submit"): (
        "The schedule of Retail/Digital/Web/Checkout for 2026 is PENDING: only a draft or a rejected schedule can be "
        "submitted. Withdraw it first, to change it."
    ),
    ("approved", "submit"): (
        "The schedule of Retail/Digital/Web/Checkout for 2026 is APPROVED: only a draft or a rejected schedule can be "
        "submitted. Request a reschedule, to change it."
    ),
    ("requested", "submit"): (
        "The schedule of Retail/Digital/Web/Checkout for 2026 is RESCHEDULE_REQUESTED: only a draft or a rejected "
        "schedule can be submitted. The reschedule has to be granted first."
    ),
    ("closed", "submit"): (
        "The schedule of Retail/Digital/Web/Checkout for 2026 is CLOSED: only a draft or a rejected schedule can be "
        "submitted."
    ),
    ("approved", "withdraw"): (
        "The schedule of Retail/Digital/Web/Checkout for 2026 is APPROVED: there is nothing to withdraw."
    ),
    ("pending", "revise"): (
        "The schedule of Retail/Digital/Web/Checkout for 2026 is PENDING: only a rejected schedule is revised."
    ),
    ("rejected", "request"): (
        "The schedule of Retail/Digital/Web/Checkout for 2026 is REJECTED: only an approved schedule can be "
        "rescheduled."
    ),
    ("draft", "approve"): "Nothing was submitted for Retail/Digital/Web/Checkout yet.",
    ("approved", "approve"): (
        "The schedule of Retail/Digital/Web/Checkout for 2026 is APPROVED, so this cannot be decided."
    ),
    ("pending", "grant"): (
        "The schedule of Retail/Digital/Web/Checkout for 2026 is PENDING, so this cannot be decided. "
        "A schedule was submitted: approve or reject it."
    ),
    ("requested", "reject"): (
        "The schedule of Retail/Digital/Web/Checkout for 2026 is RESCHEDULE_REQUESTED, so this cannot be decided. "
        "A reschedule was requested: grant or deny it."
    ),
}


@pytest.mark.parametrize(("situation", "name"), WORDS)
def test_a_refusal_says_what_is_wrong_and_what_to_do_instead(situation: str, name: str) -> None:
    before = SITUATIONS[situation]
    who = OWNER if name in SAME_FOR_ALL.split()[:4] else LEAD
    assert refused(COMMANDS[name](max(1, schedule_of(before).version)), who, before).message == WORDS[situation, name]


MESSAGES = [
    ("draft", "submit", "Submitted; version 1 awaits approval."),
    ("rejected", "submit", "Submitted; version 4 awaits approval."),
    ("pending", "withdraw", "Withdrawn."),
    ("pending again", "withdraw", "Withdrawn; the approved schedule stays in force."),
    ("rejected", "revise", "It can be changed and submitted again."),
    ("approved", "request", "Reschedule requested, without a new schedule yet; version 3 awaits a decision."),
    ("pending", "approve", "Approved version 1."),
    ("pending", "reject", "Rejected version 1."),
    ("requested", "grant", "Granted version 3."),
    ("attached", "grant", "Granted and approved version 3."),
    ("requested", "deny", "Denied version 3."),
]


@pytest.mark.parametrize(("situation", "name", "message"), MESSAGES)
def test_an_answer_says_what_was_done(situation: str, name: str, message: str) -> None:
    before = SITUATIONS[situation]
    who = OWNER if name in SAME_FOR_ALL.split()[:4] else LEAD
    assert decide(COMMANDS[name](max(1, schedule_of(before).version)), who, before).message == message


@pytest.mark.parametrize("name", COMMANDS)
def test_a_product_without_a_budget_line_is_unknown(name: str) -> None:
    who = OWNER if name in SAME_FOR_ALL.split()[:4] else LEAD
    refusal = refused(COMMANDS[name](1), who, [line(SEARCH), line(year=2027)])
    assert isinstance(refusal, NotFound)
    assert refusal.code == "UnknownProduct"
    assert refusal.message == (
        "There is no product Retail/Digital/Web/Checkout in the budget of 2026: check the path, or load its budget "
        "with `allot budget load`."
    )


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(("round_", "told"), [(1, True), (2, False), (3, True)])
def test_what_comes_through_the_process_of_another_round_is_refused_there(name: str, round_: int, told: bool) -> None:
    """The process of another round would not learn of it."""
    before = given.APPROVED if name == "request" else given.PENDING_AGAIN if name != "grant" else given.REQUESTED
    before = given.REQUESTED if name == "deny" else given.REJECTED_AGAIN if name in ("revise", "submit") else before
    command = COMMANDS[name](schedule_of(before).version).model_copy(update={"round": round_})
    who = OWNER if name in SAME_FOR_ALL.split()[:4] else LEAD
    if not told:
        assert decide(command, who, before).events
        return
    refusal = refused(command, who, before)
    assert refusal.code == "OtherRound"
    assert refusal.message == (
        f"This belongs to round 2 of Retail/Digital/Web/Checkout for 2026, and came through the process of round "
        f"{round_}: send it to the process of round 2."
    )


def test_a_request_that_is_not_possible_belongs_to_the_round_that_runs() -> None:
    assert refused(given.request(round_=2), OWNER, given.PENDING).code == "OtherRound"
    assert refused(given.request(round_=1), OWNER, given.PENDING).code == "NotApproved"


def test_a_round_is_1_to_10_000() -> None:
    facts = [*given.APPROVED, given.requested(ROUNDS_MAX - 1), given.denied(3)]
    last = decide(given.request(), OWNER, facts).events
    assert last == [given.requested(ROUNDS_MAX)]
    refusal = refused(given.request(), OWNER, [*facts, *last, given.denied(5)])
    assert refusal.code == "TooManyRounds"
    assert refusal.message == "A schedule has at most 10,000 rounds in a year."


def test_states_that_wait_and_states_that_can_be_changed() -> None:
    assert {State.PENDING, State.REJECTED, State.RESCHEDULE_REQUESTED, State.RESCHEDULING} == LIVING
    assert {State.DRAFT, State.REJECTED, State.RESCHEDULING} == EDITABLE


AWAITED = {
    "draft": ("product_owner", CHECKOUT),
    "taken back": ("product_owner", CHECKOUT),
    "pending": ("portfolio_owner", PORTFOLIO),
    "approved": None,
    "rejected": ("product_owner", CHECKOUT),
    "requested": ("portfolio_owner", PORTFOLIO),
    "attached": ("portfolio_owner", PORTFOLIO),
    "rescheduling": ("product_owner", CHECKOUT),
    "pending again": ("portfolio_owner", PORTFOLIO),
    "rejected again": ("product_owner", CHECKOUT),
    "over budget": ("product_owner", CHECKOUT),
    "closed": None,
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_whose_turn_it_is(situation: str) -> None:
    assert awaited(schedule_of(SITUATIONS[situation]), CHECKOUT) == AWAITED[situation]


def test_one_schedule_a_product_and_year() -> None:
    assert str(schedule_stream(2026, CHECKOUT)) == "schedule/2026/Retail/Digital/Web/Checkout"


def test_every_command_is_about_the_schedule_of_its_product_and_year() -> None:
    assert {command(1).subject for command in COMMANDS.values()} == {STREAM}
    assert all("round" in command(1).hints for command in COMMANDS.values())


AFTER_THE_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_happens_any_more_once_the_year_is_over(name: str) -> None:
    before = given.REQUESTED if name in ("grant", "deny") else given.REJECTED if name in ("submit", "revise") else None
    before = before or (given.APPROVED if name == "request" else given.PENDING)
    command = COMMANDS[name](schedule_of(before).version)
    who = OWNER if name in SAME_FOR_ALL.split()[:4] else LEAD
    refusal = refused(command, who, before, now=AFTER_THE_YEAR)
    assert refusal.code == "YearEnded"
    assert refusal.message == (
        "The fiscal year 2026 was over by 2027-01-01: its schedules are not decided on any more."
    )
    last_moment = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert decide(command, who, before, now=last_moment).events
