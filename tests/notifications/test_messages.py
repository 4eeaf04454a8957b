"""What is said of each event: plain words, the command to copy, where to look, and nobody's name."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from domain.account_facts import Vended
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
from tests.views.given import ANN, BOB, CALENDAR, recorded, rejected, submitted, vended

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
    vended("123456789012"),
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
    if isinstance(event.fact, Granted | Delegated):
        assert "You" in subject or "you" in subject
    elif not isinstance(event.fact, GrantWithdrawn | DelegationEnded | Vended):
        assert str(PRODUCT) in subject
        assert "2026" in subject


@pytest.mark.parametrize("fact", [Revised(**OF), Deactivated(person_id=ANN)])
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
