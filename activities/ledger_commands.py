"""Activities of the ledger: record a command, keep a refusal, read a schedule, register a person.

They run on threads and share the ledger of their process. All may be repeated: the ledger keeps a receipt per command.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from temporalio import activity

from activities.admission import door
from activities.contracts import (
    AcceptedOnSchedule,
    ActivityName,
    RecordRequest,
    RefusalRequest,
    RefusedOnSchedule,
    ScheduleRequest,
)
from activities.errors import to_application_error
from activities.schedule_views import read_view
from domain.decision import Accepted, Organization, Origin, Outcome, Refused, Stream
from domain.errors import ERRORS, AllotError, BadInput, Unavailable
from domain.people_commands import RegisterPerson, require_user_manager
from domain.process import RegisterPersonRequest, ScheduleView
from domain.schedule_commands import ScheduleCommand
from domain.schedule_decisions import ApproveSchedule, DenyReschedule
from ledger.ledger import Ledger

ENDING = (ApproveSchedule, DenyReschedule)
"""Nobody waits after them, so what they lead to need not be read."""


class LedgerCommands:
    """The ledger as workflows see it."""

    def __init__(self, ledger: Ledger, organization: Organization) -> None:
        self._ledger = ledger
        self._organization = organization

    @activity.defn(name=ActivityName.RECORD)
    def record(self, request: RecordRequest) -> Outcome:
        with reported():
            command = request.command.model_copy(update={"channel": door(request.command.channel)})
            outcome = self._ledger.record(command, origin_of_activity())
            if not isinstance(command, ScheduleCommand):
                return outcome
            if isinstance(command, ENDING) and isinstance(outcome, Accepted) and outcome.events:
                return outcome
            view = read_view(self._ledger, self._organization, command.fiscal_year, command.product)
            return on_schedule(outcome, view)

    @activity.defn(name=ActivityName.RECORD_REFUSAL)
    def record_refusal(self, request: RefusalRequest) -> Refused:
        error = ERRORS.get(request.code, BadInput)(request.message)
        with reported():
            return self._ledger.record_refusal(
                request.command_id,
                Stream(request.category, request.key),
                request.command,
                error,
                request.actor,
                request.channel,
                origin_of_activity(),
                request.excerpt,
            )

    @activity.defn(name=ActivityName.READ_SCHEDULE)
    def read_schedule(self, request: ScheduleRequest) -> ScheduleView:
        with reported():
            return read_view(self._ledger, self._organization, request.fiscal_year, request.product)

    @activity.defn(name=ActivityName.REGISTER_PERSON)
    def register_person(self, request: RegisterPersonRequest) -> Outcome:
        """Adds the address first, because the event needs its id: where the actor may, or else it would stay behind.

        The name is kept only when the command is allowed.
        """
        people, channel, email = self._ledger.people, door(request.channel), request.email.strip() or request.email
        with reported():
            may = self._ledger.may(request.actor, channel, require_user_manager) is None
            if may and ("@" not in email or people.find(email) is None):  # an id or `system` is no address
                people.ensure(email, "")
            command = RegisterPerson(command_id=request.command_id, actor=request.actor, channel=channel, person=email)
            outcome = self._ledger.record(command, origin_of_activity())
            if isinstance(outcome, Accepted) and request.name:
                people.ensure(email, request.name)
            return outcome


def on_schedule(outcome: Accepted | Refused, view: ScheduleView) -> AcceptedOnSchedule | RefusedOnSchedule:
    """The outcome together with what is known after it."""
    kind = AcceptedOnSchedule if isinstance(outcome, Accepted) else RefusedOnSchedule
    return kind.model_validate({**dict(outcome), "view": view})


def origin_of_activity() -> Origin:
    """Which process records this."""
    info = activity.info()
    return Origin(
        workflow_id=info.workflow_id or "", workflow_run_id=info.workflow_run_id or "", activity_id=info.activity_id
    )


@contextmanager
def reported() -> Iterator[None]:
    """Errors of ours leave by name. The driver's own are taken to pass, so that the activity is tried again."""
    try:
        yield
    except AllotError as error:
        raise to_application_error(error) from error
    except psycopg.Error as error:
        passing = Unavailable(f"PostgreSQL could not do it ({type(error).__name__}); it will be tried again.")
        raise to_application_error(passing) from error
