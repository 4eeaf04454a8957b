"""The activities of the ledger, on a real database, without a Temporal server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.contracts import RecordRequest, RefusalRequest, ScheduleRequest
from activities.ledger_commands import LedgerCommands, reported
from domain.decision import (
    SYSTEM,
    SYSTEM_ID,
    Accepted,
    Channel,
    CommandRefused,
    Organization,
    Persona,
    PersonId,
    Refused,
)
from domain.errors import BadInput, CommandConflict, Contention, DamagedReport, Unavailable
from domain.hierarchy import NodePath
from domain.people import person_stream
from domain.people_commands import GrantPersona
from domain.process import RegisterPersonRequest
from domain.schedule import State, schedule_stream
from domain.schedule_commands import SubmitSchedule
from ledger.ledger import Ledger
from rights.cedar import CedarRights
from tests.workflows.stage import LEAD, MONTHS, OWNER, PRODUCT, STRANGER, YEAR, company


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    with company(database_url) as ledger:
        yield ledger


@pytest.fixture
def commands(ledger: Ledger) -> LedgerCommands:
    return LedgerCommands(ledger, Organization())


def run[T](activity: Callable[..., T], request: Any) -> T:
    return ActivityEnvironment().run(activity, request)


def submission(command_id: UUID | None = None, actor: str = OWNER, each: str = "100.00") -> RecordRequest:
    command = SubmitSchedule(
        command_id=command_id or uuid4(),
        actor=actor,
        fiscal_year=YEAR,
        product=PRODUCT,
        amounts=dict.fromkeys(MONTHS, each),
    )
    return RecordRequest(command=command)


def test_a_command_is_recorded_once_with_the_process_that_recorded_it(commands: LedgerCommands, ledger: Ledger) -> None:
    request = submission()
    first, again = run(commands.record, request), run(commands.record, request)
    (event,) = ledger.read(schedule_stream(YEAR, PRODUCT))
    info = ActivityEnvironment.default_info()

    assert isinstance(first, Accepted)
    assert first == again
    assert (event.workflow_id, event.workflow_run_id, event.activity_id) == (
        info.workflow_id,
        info.workflow_run_id,
        info.activity_id,
    )


def test_a_refusal_is_an_answer_and_no_error(commands: LedgerCommands) -> None:
    outcome = run(commands.record, submission(actor=LEAD))

    assert isinstance(outcome, Refused)
    assert (outcome.error, outcome.code) == ("Forbidden", "NotGranted")


def test_another_command_with_the_same_id_is_never_tried_again(commands: LedgerCommands) -> None:
    command_id = uuid4()
    run(commands.record, submission(command_id))
    with pytest.raises(ApplicationError) as conflict:
        run(commands.record, submission(command_id, each="1.00"))

    assert (conflict.value.type, conflict.value.non_retryable) == (CommandConflict.__name__, True)


@pytest.mark.parametrize(
    ("error", "name", "final"),
    [
        (BadInput("x"), "BadInput", True),
        (DamagedReport("x", code="MissingPart"), "DamagedReport", True),
        (Contention("x"), "Contention", False),
        (Unavailable("x"), "Unavailable", False),
        (psycopg.OperationalError("the password is secret"), "Unavailable", False),
    ],
)
def test_errors_leave_by_name_and_only_those_that_pass_are_tried_again(
    error: Exception, name: str, final: bool
) -> None:
    with pytest.raises(ApplicationError) as left, reported():
        raise error

    assert (left.value.type, left.value.non_retryable) == (name, final)
    assert "secret" not in left.value.message
    assert left.value.details == (getattr(error, "code", "Unavailable"),)


def test_without_a_database_the_error_says_so_and_is_tried_again() -> None:
    ledger = Ledger("postgresql://nobody@127.0.0.1:1/none", Organization(), rights=CedarRights(), pool_size=1)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        ledger.open()


def test_a_message_that_is_no_command_is_kept_as_a_refusal(commands: LedgerCommands, ledger: Ledger) -> None:
    request = RefusalRequest(
        command_id=uuid4(),
        category="schedule",
        key=f"{YEAR}/{PRODUCT}",
        command="aprove",
        message="There is no signal 'aprove' here.",
        code="BadInput",
        excerpt='{"by": "ann@corp.example"}',
    )
    first, again = run(commands.record_refusal, request), run(commands.record_refusal, request)
    kept = [event for event in ledger.follow(0, 1000) if isinstance(event.fact, CommandRefused)]

    assert first == again
    assert [event.fact.subject for event in kept if isinstance(event.fact, CommandRefused)] == [
        f"schedule/{YEAR}/{PRODUCT}"
    ]
    assert kept[0].channel is Channel.SIGNAL
    assert "ann@corp" not in str(kept[0])


def test_a_schedule_is_read_as_the_ledger_has_it(commands: LedgerCommands) -> None:
    request = ScheduleRequest(fiscal_year=YEAR, product=PRODUCT, round=1)
    before = run(commands.read_schedule, request)
    run(commands.record, submission())
    after = run(commands.read_schedule, request)

    assert (before.state, before.version, before.annual, before.planned) == (State.DRAFT, 0, "1200.00", "0")
    assert (after.state, after.version, after.planned, after.awaiting) == (State.PENDING, 1, "0", "portfolio_owner")
    assert list(after.amounts.values()) == ["100.00"] * 12


def test_an_unknown_product_has_an_empty_schedule(commands: LedgerCommands) -> None:
    view = run(commands.read_schedule, ScheduleRequest(fiscal_year=YEAR, product=NodePath(("A",)), round=1))

    assert (view.state, view.annual, view.currency) == (State.DRAFT, "", "")


def registration(actor: str, email: str = "new@example.com", name: str = "New Person") -> RegisterPersonRequest:
    return RegisterPersonRequest(command_id=uuid4(), actor=actor, email=email, name=name)


@pytest.fixture
def engineer(ledger: Ledger) -> str:
    """Somebody who may add people."""
    grant = GrantPersona(
        command_id=uuid4(),
        actor="system",
        channel=Channel.SETUP,
        person=STRANGER,
        persona=Persona.CLOUD_ENGINEER,
    )
    assert isinstance(ledger.record(grant), Accepted)
    return STRANGER


def test_a_person_gets_an_id_and_a_name_and_becomes_known(
    commands: LedgerCommands, ledger: Ledger, engineer: str
) -> None:
    request = registration(engineer)
    first, again = run(commands.register_person, request), run(commands.register_person, request)
    person = ledger.people.find("new@example.com")

    assert person is not None
    assert first == again
    assert isinstance(first, Accepted)
    assert ledger.states([person_stream(person)])[person_stream(person)].registered
    assert ledger.people.names([person]) == {person: "New Person"}


def test_whoever_may_not_add_people_cannot_rename_them_either(commands: LedgerCommands, ledger: Ledger) -> None:
    outcome = run(commands.register_person, registration(OWNER, email=LEAD, name="Mallory"))
    lead: PersonId | None = ledger.people.find(LEAD)

    assert isinstance(outcome, Refused)
    assert lead is not None
    assert ledger.people.names([lead]) == {lead: "lead"}


@pytest.mark.parametrize("email", ["nobody", "system", "@a.example", "a b@a.example", "a@", "x" * 320, "a\0@a.example"])
def test_what_is_no_address_is_refused(commands: LedgerCommands, engineer: str, email: str) -> None:
    with pytest.raises(ApplicationError) as wrong:
        run(commands.register_person, registration(engineer, email=email))

    assert (wrong.value.type, wrong.value.non_retryable) == ("BadInput", True)


def test_a_refused_registration_leaves_nobody_in_the_directory(commands: LedgerCommands, ledger: Ledger) -> None:
    outcome = run(commands.register_person, registration(OWNER))

    assert isinstance(outcome, Refused)
    assert (outcome.error, outcome.code) == ("Forbidden", "NotGranted")
    assert ledger.people.find("new@example.com") is None


def test_nobody_learns_who_is_known_by_being_refused(commands: LedgerCommands) -> None:
    outcomes = [run(commands.register_person, registration(OWNER, email=email)) for email in (LEAD, "new@example.com")]

    assert len({(outcome.kind, outcome.message) for outcome in outcomes}) == 1


@pytest.mark.parametrize("channel", [Channel.WORKFLOW, Channel.SETUP])
@pytest.mark.parametrize("actor", [SYSTEM, str(SYSTEM_ID)])
def test_a_process_started_by_hand_cannot_claim_to_be_the_system(
    commands: LedgerCommands, ledger: Ledger, actor: str, channel: Channel
) -> None:
    grant = GrantPersona(
        command_id=uuid4(), actor=actor, channel=channel, person=STRANGER, persona=Persona.FINANCIAL_ADMIN
    )
    granted = run(commands.record, RecordRequest(command=grant))
    registered = run(commands.register_person, registration(actor).model_copy(update={"channel": channel}))

    for outcome in (granted, registered):
        assert isinstance(outcome, Refused)
        assert (outcome.error, outcome.code) == ("Forbidden", "SystemActor")
    assert ledger.people.find("new@example.com") is None
    refused = [event for event in ledger.follow(0, 1000) if isinstance(event.fact, CommandRefused)]
    assert {(event.actor == SYSTEM_ID, event.channel) for event in refused} == {(False, Channel.UPDATE)}
