"""What is said of each event: plain words, the command to copy, where to look, and nobody's name."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from domain.account_facts import Occasion
from domain.decision import Event, Fact, Grant, Persona
from domain.hierarchy import NodePath
from domain.people import Deactivated, Delegated, DelegationEnded, Granted, GrantWithdrawn, person_stream
from domain.schedule import (
    Approved,
    RescheduleDenied,
    RescheduleGranted,
    RescheduleRequested,
    Returned,
    Revised,
    WentOverBudget,
    schedule_stream,
)
from domain.waiting import Escalated, Overdue, Reminded, waiting_stream
from notifications import messages
from notifications.messages import SUBJECT_CHARS_MAX, TOLD, Notice, notice_of, one_line
from tests.views import given_workloads
from tests.views.given import ANN, BOB, CALENDAR, allocated_to, recorded, rejected, submitted, vended
from tests.views.given_accounts import account_escalated, account_reminded, declined, opened, proposed

PRODUCT = NodePath(("Retail", "A B", "Web", "Checkout"))
UI = "http://ui.example/namespaces/default"
OF: dict[str, Any] = {"fiscal_year": 2026, "product": PRODUCT}
DECIDED: dict[str, Any] = {**OF, "decided_version": 1, "decided_by": BOB}
MONEY: dict[str, Any] = {"annual": Decimal(1000), "currency": "USD"}
WAITING: dict[str, Any] = {**OF, "subject": "schedule/2026/x", "turn": 1}


def decider(**more: Any) -> dict[str, Any]:
    return {**WAITING, "persona": Persona.PORTFOLIO_OWNER, "node": PRODUCT.portfolio, **more}


def owner(**more: Any) -> dict[str, Any]:
    return {**WAITING, "persona": Persona.PRODUCT_OWNER, "node": PRODUCT, **more}


EVENTS = [
    submitted(str(PRODUCT), "100", note="As agreed"),
    rejected(str(PRODUCT), "Too much"),
    *(
        Event(schedule_stream(2026, PRODUCT), fact)
        for fact in (
            Approved(**DECIDED),
            RescheduleRequested(
                **OF, **MONEY, round=2, reason="Less", requested_by=ANN, amounts={CALENDAR.months(2026)[0]: Decimal(9)}
            ),
            RescheduleGranted(**DECIDED),
            RescheduleDenied(**DECIDED, reason="No"),
            Returned(**OF, **MONEY, reason="Less budget", submitted=Decimal(1200)),
            WentOverBudget(**OF, **MONEY, planned=Decimal(1200)),
        )
    ),
    *(
        Event(waiting_stream(schedule_stream(2026, PRODUCT)), fact)
        for fact in (
            Reminded(**decider(count=2)),
            Escalated(**decider(reason=Overdue.NOBODY_LEFT)),
        )
    ),
    *(
        Event(person_stream(ANN), fact)
        for fact in (
            Granted(person_id=ANN, persona=Persona.PRODUCT_OWNER, node=PRODUCT),
            GrantWithdrawn(person_id=ANN, persona=Persona.FINANCIAL_ADMIN, node=NodePath.ROOT, reason="Moved"),
            Delegated(person_id=ANN, delegated_by=BOB, first_day=date(2026, 1, 1), last_day=date(2026, 1, 9)),
            DelegationEnded(person_id=ANN, delegated_by=BOB),
        )
    ),
]
ACCOUNT = "123456789012"
SPLIT = {str(PRODUCT): "60", "Retail/A B/Web/Cart": "40"}
ADMINS, ENGINEERS = (Grant(persona, NodePath.ROOT) for persona in (Persona.FINANCIAL_ADMIN, Persona.CLOUD_ENGINEER))
OF_ACCOUNTS = [
    opened(ACCOUNT),
    proposed(ACCOUNT, SPLIT, number=4, rule="prod"),
    declined(ACCOUNT, 4),
    allocated_to(ACCOUNT, date(2026, 3, 1), SPLIT, note="As agreed"),
    account_reminded(ACCOUNT, count=2),
    account_escalated(ACCOUNT),
]
OF_WORKLOADS = [
    given_workloads.submitted(str(PRODUCT), "Bas ket", note="As agreed"),
    given_workloads.approved(str(PRODUCT), "Bas ket", 2),
    given_workloads.rejected(str(PRODUCT), "Bas ket", 2),
    given_workloads.reminded(str(PRODUCT), "Bas ket", 2),
    given_workloads.escalated(str(PRODUCT), "Bas ket", 2),
]
EVENTS += [*OF_ACCOUNTS, *OF_WORKLOADS]


def told(of: Fact | Event) -> Notice:
    stream, fact = of if isinstance(of, Event) else (schedule_stream(2026, PRODUCT), of)
    notice = notice_of(recorded(7, stream, 3, fact), UI)
    assert notice
    return notice


def test_there_is_an_example_of_everything_that_is_told() -> None:
    assert {event.fact.fact_name for event in EVENTS} == TOLD


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.fact.fact_name)
def test_every_message_says_what_happened_where_to_look_and_nobodys_name(event: Event) -> None:
    subject, body = told(event)[1:]
    assert subject == one_line(subject)
    assert "/run/history" in body
    assert f"{UI}/workflows/workflow%2F" in body
    assert "Event " in body
    assert str(BOB) not in body  # who decided or delegated
    assert "@example" not in body
    if event in OF_ACCOUNTS:
        assert subject.endswith(f"AWS account {ACCOUNT}")
        assert f"    allot account show {ACCOUNT}" in body
    elif event in OF_WORKLOADS:
        assert subject.endswith(f"estimate of Bas ket of {PRODUCT}")
        assert "    allot workload " in body
    elif isinstance(event.fact, Granted | Delegated):
        assert "You" in subject or "you" in subject
    elif not isinstance(event.fact, GrantWithdrawn | DelegationEnded):
        assert str(PRODUCT) in subject
        assert "2026" in subject


@pytest.mark.parametrize(
    "fact",
    [
        Revised(**OF),
        Deactivated(person_id=ANN),
        vended(ACCOUNT).fact,  # the occasion that is recorded with it tells
        opened(ACCOUNT, reason=Occasion.PROPOSED).fact,  # so does the proposal
        opened(ACCOUNT, reason=Occasion.SPENDING).fact,  # so does the escalation
    ],
)
def test_of_everything_else_nobody_is_told(fact: Fact) -> None:
    assert notice_of(recorded(1, schedule_stream(2026, PRODUCT), 1, fact), UI) is None


def test_a_decision_can_be_copied_with_the_version_that_was_seen() -> None:
    body = told(EVENTS[0]).body
    assert "USD 1,200.00 of USD 10,000.00" in body
    assert "Note: As agreed" in body
    assert "    allot schedule approve 'Retail/A B/Web/Checkout' --year 2026 --version 3 --as YOU@EXAMPLE.COM" in body
    assert "    allot schedule reject 'Retail/A B/Web/Checkout' --year 2026 --version 3 --reason" in body


def test_a_reminder_goes_to_whose_turn_it_is() -> None:
    assert told(Reminded(**decider(count=1))).audience.holders == (Grant(Persona.PORTFOLIO_OWNER, PRODUCT.portfolio),)
    audience = told(Reminded(**owner(count=1))).audience
    assert audience.holders == (Grant(Persona.PRODUCT_OWNER, PRODUCT),)
    assert not audience.not_submitters  # the owner did submit, and has to act now


def test_an_escalation_goes_to_the_level_above() -> None:
    late = told(Escalated(**decider(reason=Overdue.WAITED_TOO_LONG)))
    assert late.audience.holders == (
        Grant(Persona.DEPARTMENT_OWNER, PRODUCT.portfolio.parent),
        Grant(Persona.FINANCIAL_ADMIN, NodePath.ROOT),
    )
    assert late.audience.not_submitters
    assert "waited for too long. You may decide" in late.body
    owners = told(Escalated(**owner(reason=Overdue.WAITED_TOO_LONG)))
    assert owners.audience.holders == (Grant(Persona.PORTFOLIO_OWNER, PRODUCT.portfolio),)
    assert "cannot do it in their place" in owners.body


@pytest.mark.parametrize("reason", sorted(set(Occasion) - {Occasion.PROPOSED, Occasion.SPENDING}))
def test_financial_admins_are_told_why_an_account_has_to_be_looked_at(reason: Occasion) -> None:
    notice = told(opened(ACCOUNT, reason=reason))
    assert notice.audience.holders == (ADMINS,)
    assert f"AWS account {ACCOUNT} " in notice.body
    assert f"    allot account allocate {ACCOUNT} 'Unit/Department/Portfolio/Product=100' --type" in notice.body


def test_each_reason_is_in_words_of_its_own() -> None:
    told_of = (Occasion.FIRST_SIGHT, Occasion.MOVED, Occasion.RETURNED, Occasion.TAGS_CHANGED)
    assert len({told(opened(ACCOUNT, reason=reason)).body for reason in told_of}) == len(told_of)


def test_a_proposal_can_be_decided_by_what_is_copied_from_it() -> None:
    by_rule = told(proposed(ACCOUNT, SPLIT, number=4, rule="prod"))
    assert by_rule.audience.holders == (ADMINS,)
    assert "Rule 'prod' suggests" in by_rule.body
    assert "    40 % Retail/A B/Web/Cart\n    60 % Retail/A B/Web/Checkout" in by_rule.body
    assert f"    allot account accept {ACCOUNT} --proposal 4 --as YOU@EXAMPLE.COM" in by_rule.body
    assert f"    allot account decline {ACCOUNT} --proposal 4 --reason" in by_rule.body
    by_person = told(proposed(ACCOUNT, SPLIT, by=ANN, effective_on=date(2026, 2, 1), note="It is theirs"))
    assert "Somebody suggests" in by_person.body
    assert "from 2026-02-01 on" in by_person.body
    assert "Note: It is theirs" in by_person.body
    assert str(ANN) not in by_person.body


def test_whoever_proposed_it_hears_why_it_was_declined() -> None:
    notice = told(declined(ACCOUNT, 4))
    assert notice.audience.proposal == (ACCOUNT, 4)
    assert (notice.audience.holders, notice.audience.people) == ((), ())
    assert "Why: another product" in notice.body


def test_owners_hear_of_an_account_that_their_product_gets() -> None:
    notice = told(allocated_to(ACCOUNT, date(2026, 3, 1), SPLIT, note="As agreed"))
    cart = NodePath((*PRODUCT.portfolio.parts, "Cart"))
    assert notice.audience.holders == (Grant(Persona.PRODUCT_OWNER, cart), Grant(Persona.PRODUCT_OWNER, PRODUCT))
    assert "From 2026-03-01 on" in notice.body
    assert "Note: As agreed" in notice.body


def test_an_account_that_waits_too_long_goes_to_cloud_engineers_too() -> None:
    reminder = told(account_reminded(ACCOUNT, count=2))
    assert reminder.audience.holders == (ADMINS,)
    assert "reminder 2" in reminder.body
    assert "spen" not in reminder.subject
    alert = told(account_reminded(ACCOUNT, count=2, spending_since=date(2026, 3, 4)))
    assert alert.subject == f"Alert: AWS account {ACCOUNT} spends without an allocation"
    assert "since 2026-03-04" in alert.body
    assert "reminder 2" in alert.body
    late = {reason: told(account_escalated(ACCOUNT, reason=reason)) for reason in Overdue}
    assert {notice.audience.holders for notice in late.values()} == {(ADMINS, ENGINEERS)}
    assert len({notice.body for notice in late.values()}) == len(Overdue)
    assert "belongs to nobody's budget" in late[Overdue.SPENDING].body


def test_an_estimate_is_told_to_those_who_decide_and_then_to_those_who_asked() -> None:
    asked = told(OF_WORKLOADS[0])
    assert asked.audience.holders == (Grant(Persona.PORTFOLIO_OWNER, PRODUCT.portfolio),)
    assert asked.audience.not_submitters
    assert "USD 175.50 were estimated in all." in asked.body
    assert "allot workload approve 'Retail/A B/Web/Checkout' 'Bas ket' --version 3 --as" in asked.body
    for event in OF_WORKLOADS[1:3]:
        answered = told(event)
        assert answered.audience.workload == (PRODUCT, "Bas ket")
        assert answered.audience.holders == (Grant(Persona.PRODUCT_OWNER, PRODUCT),)
        assert answered.audience.submitters_too
    reminder, late = (told(event) for event in OF_WORKLOADS[3:])
    assert reminder.subject == f"Reminder: estimate of Bas ket of {PRODUCT}"
    assert reminder.audience.not_submitters
    assert late.audience.holders == (
        Grant(Persona.DEPARTMENT_OWNER, PRODUCT.portfolio.parent),
        Grant(Persona.FINANCIAL_ADMIN, NodePath.ROOT),
    )


def test_no_text_of_somebody_else_begins_a_line_of_its_own_or_goes_on_for_ever() -> None:
    body = told(rejected(str(PRODUCT), "Why\r\nBcc: a@example.com\n" + "x" * 5_000)).body
    assert "\nBcc" not in body
    assert len(body) < 3_000
    assert len(one_line("x" * 1_000)) == SUBJECT_CHARS_MAX


def test_without_a_process_there_is_no_address() -> None:
    event = recorded(1, *_stream_and_version(), EVENTS[0].fact)
    assert messages.process_url(UI, event._replace(workflow_id="")) == ""
    assert messages.process_url("", event) == ""


def _stream_and_version() -> tuple[Any, int]:
    return schedule_stream(2026, PRODUCT), 1
