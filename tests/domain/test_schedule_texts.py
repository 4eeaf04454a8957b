"""The current details of a schedule's process: what is so, whose turn it is, and what may be sent."""

from __future__ import annotations

import pytest

from domain.hierarchy import NODE_NAME_CHARS_MAX, NodePath
from domain.process import ScheduleView
from domain.schedule import State
from domain.schedule_texts import DETAILS_BYTES_MAX, schedule_details, waiting_summary
from tests.domain.specs import MONTHS
from tests.domain.texts_given import (
    APPROVED,
    ESCALATE_AT,
    REMIND_AT,
    SINCE,
    VIEW,
    YEAR_OVER,
    details_of,
    sent,
)

NAMES = "### Retail › Digital › Web › Checkout\n\nUnit › Department › Portfolio › Product\n\n"
AT = f"{NAMES}Schedule for fiscal year 2026, round 2. **PENDING** at version 6"
TURN = f"{AT}: it is the turn of the **portfolio owner**"


def monthly(*amounts: str) -> str:
    """The rows of the table of months, each with these amounts."""
    return "\n".join(f"| {month} | {' | '.join(amounts)} |" for month in MONTHS)


def parts(details: str) -> list[str]:
    return details.split("\n\n")


# All of it


def test_details_of_a_schedule_that_waits_for_a_decision() -> None:
    view = {
        "approved": APPROVED,
        "reason": "too flat",
        "remind_at": REMIND_AT,
        "reminders": 2,
        "escalate_at": ESCALATE_AT,
        "year_ends_at": YEAR_OVER,
        "refusals": 7,
    }
    refusals = ["one", "two <b>", "three", "four", "five", "six"]
    assert (
        schedule_details(VIEW.model_copy(update=view), SINCE, refusals)
        == f"""{TURN}, since 2026-05-04 10:12 UTC.

- Next reminder: 2026-05-06 10:12 UTC (2 so far).
- Waits until 2026-05-11 10:12 UTC: the department owner and every financial admin may decide, too, from then on.
- The fiscal year is over on 2027-01-01 00:00 UTC: the round ends then, in any case.

Last reason given: *too flat*

|  | USD |
| --- | ---: |
| Annual budget | 1,200.00 |
| Planned (approved) | 1,200.00 |
| Unallocated | 0.00 |
| Submitted | 1,086.00 |
| Annual less submitted | 114.00 |

| Month | Approved | Submitted |
| --- | ---: | ---: |
{monthly("100.00", "90.50")}

Decide with `allot schedule`, or where signals are accepted, by one of these:

Signal `approve`: the portfolio owner approves it as it is

```json
{{
  "actor": "you@example.com",
  "version": 6
}}
```

Signal `reject`: the portfolio owner sends it back, with a reason

```json
{{
  "actor": "you@example.com",
  "version": 6,
  "reason": "Why it cannot be approved like this"
}}
```

Signal `withdraw`: the product owner takes it back

```json
{{
  "actor": "you@example.com"
}}
```

**Refused messages: 7**, the last ones first:

- six
- five
- four
- three
- two \\<b\\>"""
    )


def test_details_of_an_approved_schedule_that_is_over_budget() -> None:
    details = details_of(
        state=State.APPROVED,
        awaiting="",
        approved=APPROVED,
        annual="1000.00",
        over_budget=True,
        remind_at=REMIND_AT,
        year_ends_at=YEAR_OVER,
    )
    assert (
        details
        == f"""{NAMES}Schedule for fiscal year 2026, round 2. **APPROVED** at version 6.

**Over budget**: the approved months add up to 1,200.00, and the annual budget is 1,000.00 by now. The approved \
schedule stays in force until another one is approved.

|  | USD |
| --- | ---: |
| Annual budget | 1,000.00 |
| Planned (approved) | 1,200.00 |
| Unallocated | -200.00 |

| Month | Approved |
| --- | ---: |
{monthly("100.00")}

To change it, the product owner requests a reschedule with `allot schedule request`."""
    )


def test_details_of_a_product_that_is_not_in_the_budget() -> None:
    details = details_of(state=State.DRAFT, version=0, annual="", amounts={}, awaiting="", labels=())
    assert details == (
        "### Retail › Digital › Web › Checkout\n\n"
        "Schedule for fiscal year 2026, round 2. **DRAFT**, nothing submitted.\n\n"
        "This product is not in the budget of this year."
    )
    assert "not in the budget" not in details_of(annual="")


def test_details_of_a_round_that_is_over_leave_what_to_do_to_the_next_one() -> None:
    view = VIEW.model_copy(update={"round": 3, "remind_at": REMIND_AT, "year_ends_at": YEAR_OVER})
    headline, *rest = parts(schedule_details(view, SINCE, (), 2))[2:]
    assert headline == (
        "Schedule for fiscal year 2026, round 2. This round is over: the schedule is in round 3 now (PENDING)."
    )
    assert [part.split("\n")[0] for part in rest] == ["|  | USD |", "| Month | Submitted |"]
    # Of its own round, or where nobody asks for one, all is said.
    assert "round 3. **PENDING** at version 6: it is the turn" in schedule_details(view, SINCE, (), 3)
    assert schedule_details(view, SINCE, (), 3) == schedule_details(view, SINCE, ())
    assert "Signal `approve`" in schedule_details(view, SINCE, (), 3)


# Whose turn it is, and until when


def test_a_turn_is_named_with_and_without_the_time_it_began() -> None:
    assert schedule_details(VIEW, None, ()).startswith(f"{TURN}.\n\n|  | USD |")
    nobodys = schedule_details(VIEW.model_copy(update={"awaiting": ""}), SINCE, ())
    assert nobodys.startswith(f"{AT}.\n\n")


def test_reminders_that_are_over_are_counted_and_an_escalation_is_told() -> None:
    times = parts(details_of(reminders=3, escalated=True, escalate_at=ESCALATE_AT))[3]
    assert times == (
        "- Reminded 3 times.\n"
        "- It has waited too long or nobody is left: the department owner and every financial admin "
        "may decide, too, since then."
    )
    times = parts(details_of(awaiting="product_owner", remind_at=REMIND_AT, escalate_at=ESCALATE_AT))[3]
    assert times == (
        "- Next reminder: 2026-05-06 10:12 UTC.\n"
        "- Waits until 2026-05-11 10:12 UTC: the portfolio owner is told, too, from then on."
    )


@pytest.mark.parametrize("state", [State.DRAFT, State.APPROVED, State.CLOSED])
def test_nobody_is_waited_for_in_a_schedule_at_rest(state: State) -> None:
    details = details_of(state=state, reminders=3, remind_at=REMIND_AT, escalate_at=ESCALATE_AT, year_ends_at=YEAR_OVER)
    for word in ("eminde", "Waits until", "The fiscal year is over"):
        assert word not in details


def test_timers_say_what_they_wait_for() -> None:
    def told(step: str) -> str:
        return waiting_summary(step, SINCE, "portfolio_owner", 3)

    assert told("remind") == "2026-05-04 10:12 UTC: remind the portfolio owner (reminder 3)"
    assert told("escalate") == "2026-05-04 10:12 UTC: ask the level above, because the portfolio owner has not acted"
    assert told("end_year") == "2026-05-04 10:12 UTC: end with the fiscal year"


# Figures


def test_amounts_that_nobody_waits_for_are_those_submitted_last() -> None:
    details = details_of(state=State.REJECTED, awaiting="product_owner")
    assert "| Submitted last | 1,086.00 |\n| Annual less submitted last | 114.00 |" in details
    assert f"| Month | Submitted last |\n| --- | ---: |\n{monthly('90.50')}\n" in details


def test_months_stand_in_order_and_beside_each_other_where_there_are_both() -> None:
    backwards = {month: str(n * 100) for n, month in reversed(list(enumerate(MONTHS[1:], start=2)))}
    details = details_of(amounts=backwards, approved={MONTHS[0]: "50.00", MONTHS[11]: "60.00"})
    rows = [line for line in details.split("\n") if line.startswith("| 2026-")]
    assert rows == [
        "| 2026-01 | 50.00 |  |",
        *(f"| 2026-{n:02} |  | {n * 100:,}.00 |" for n in range(2, 12)),
        "| 2026-12 | 60.00 | 1,200.00 |",
    ]


def test_a_request_shows_its_amounts_only_where_they_are_attached() -> None:
    asked = {"state": State.RESCHEDULE_REQUESTED, "approved": APPROVED}
    assert "| Month | Approved | Submitted |" in details_of(**asked, attached=True)
    assert "| Month | Approved |\n" in details_of(**asked)
    assert "| Submitted |" not in details_of(**asked)


def test_an_approved_schedule_without_what_is_in_force_shows_no_months() -> None:
    assert "| Month |" not in details_of(state=State.APPROVED)
    assert "| Month |" not in details_of(amounts={})


# What may be sent


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            State.PENDING,
            {
                "approve": "the portfolio owner approves it as it is",
                "reject": "the portfolio owner sends it back, with a reason",
                "withdraw": "the product owner takes it back",
            },
        ),
        (
            State.REJECTED,
            {
                "submit": "the product owner asks for approval of these amounts (change them first)",
                "revise": "the product owner takes it up again, to change it",
            },
        ),
        (
            State.RESCHEDULE_REQUESTED,
            {
                "grant": "the portfolio owner lets it be changed",
                "deny": "the portfolio owner leaves the approved schedule as it is, with a reason",
                "withdraw": "the product owner takes it back",
            },
        ),
        (
            State.RESCHEDULING,
            {
                "submit": "the product owner asks for approval of these amounts (change them first)",
                "withdraw": "the product owner takes it back",
            },
        ),
        (State.DRAFT, {}),
        (State.APPROVED, {}),
        (State.CLOSED, {}),
    ],
)
def test_what_may_be_sent_now_is_shown_and_nothing_else(state: State, said: dict[str, str]) -> None:
    details = details_of(state=state)
    assert set(sent(details)) == set(said)
    for name, what in said.items():
        assert f"Signal `{name}`: {what}\n" in details
    assert ("allot schedule request" in details) is (state is State.APPROVED)
    assert ("Decide with" in details) is bool(said)


def test_each_signal_shows_what_a_person_has_to_give() -> None:
    actor = {"actor": "you@example.com"}
    on_version = {**actor, "version": 6}
    reason = {"reason": "Why it cannot be approved like this"}
    requested = sent(details_of(state=State.RESCHEDULE_REQUESTED))
    assert requested == {"grant": on_version, "deny": on_version | reason, "withdraw": actor}
    backwards = dict(reversed(VIEW.amounts.items()))
    rejected = sent(details_of(state=State.REJECTED, amounts=backwards, approved=APPROVED))
    assert rejected == {
        "submit": {**actor, "amounts": {str(month): "90.50" for month in MONTHS}},
        "revise": actor,
    }
    assert list(rejected["submit"]["amounts"]) == [str(month) for month in MONTHS]
    granted = sent(details_of(state=State.RESCHEDULING, amounts={}, approved=APPROVED))
    assert set(granted["submit"]["amounts"].values()) == {"100.00"}


# Limits, and what is not ours


@pytest.mark.parametrize("state", list(State))
def test_details_of_the_largest_schedule_fit_the_server(state: State) -> None:
    wide = "\N{GRINNING FACE}" * NODE_NAME_CHARS_MAX
    largest = "9" * 36 + ".99"
    view = ScheduleView(
        fiscal_year=2026,
        product=NodePath((wide,) * 4),
        round=10_000,
        state=state,
        version=9,
        annual=largest,
        planned=largest,
        currency="USD",
        amounts=dict.fromkeys(MONTHS, largest),
        approved=dict.fromkeys(MONTHS, largest),
        attached=True,
        over_budget=True,
        awaiting="portfolio_owner",
        labels=(wide,) * 4,
        reason=wide * 20,
        reminders=400,
        remind_at=SINCE,
        escalate_at=SINCE,
        year_ends_at=SINCE,
        refusals=100,
    )
    for refusal in ("<" * 2_000, wide * 20):
        details = schedule_details(view, SINCE, [refusal] * 9)
        assert len(details.encode()) <= DETAILS_BYTES_MAX
        assert "**Refused messages: 100**" in details


def test_nothing_of_others_can_format_the_page() -> None:
    hostile = NodePath(("<b>", "*D*", "Web", "a|b"))
    details = details_of(product=hostile, labels=("<U>", "[D]", "P", "E"), currency="|$|", reason="Too much <b>")
    assert details.startswith("### \\<b\\> › \\*D\\* › Web › a\\|b\n\n\\<U\\> › \\[D\\] › P › E\n\n")
    assert "|  | \\|\\$\\| |" in details
    assert "Last reason given: *Too much \\<b\\>*" in details


def test_a_reason_is_shown_at_some_length() -> None:
    assert f"*{'x' * 600}*" in details_of(reason="x" * 600)
    assert f"*{'x' * 599}…*" in details_of(reason="x" * 601)
