"""Activities of the ledger: record a command, keep a refusal, read a schedule, register a person.

They run on threads and share the ledger of their process. All may be repeated: the ledger keeps a receipt per command.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from temporalio import activity

from activities.admission import door, refusal_beforehand
from activities.contracts import ActivityName, RecordRequest, RefusalRequest, ScheduleRequest
from activities.errors import to_application_error
from domain.budget import BudgetLine, line_stream
from domain.decision import Accepted, Origin, Outcome, Refused, Stream
from domain.errors import ERRORS, AllotError, BadInput, Unavailable
from domain.money import plain, total
from domain.people import RegisterPerson, require_user_manager
from domain.process import TURN_OF, RegisterPersonRequest, ScheduleView
from domain.schedule import Schedule, schedule_stream
from ledger.ledger import Ledger


class LedgerCommands:
    """The ledger as workflows see it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn(name=ActivityName.RECORD)
    def record(self, request: RecordRequest) -> Outcome:
        with reported():
            command = request.command.model_copy(update={"channel": door(request.command.channel)})
            return self._ledger.record(command, origin_of_activity())

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
        """A product without a budget has a view too, so that its process can refuse what is sent to it."""
        schedule_of = schedule_stream(request.fiscal_year, request.product)
        line_of = line_stream(request.fiscal_year, request.product)
        with reported():
            states = self._ledger.states([schedule_of, line_of])
        return _view(request, states[schedule_of], states[line_of])

    @activity.defn(name=ActivityName.REGISTER_PERSON)
    def register_person(self, request: RegisterPersonRequest) -> Outcome:
        """Adds the address first, because the event needs its id: where the actor may, or else it would stay behind.

        The name is kept only when the command is allowed.
        """
        people, channel, email = self._ledger.people, door(request.channel), request.email.strip() or request.email
        with reported():
            may = refusal_beforehand(self._ledger, request.actor, channel, require_user_manager) is None
            if may and ("@" not in email or people.find(email) is None):  # an id or `system` is no address
                people.ensure(email, "")
            command = RegisterPerson(command_id=request.command_id, actor=request.actor, channel=channel, person=email)
            outcome = self._ledger.record(command, origin_of_activity())
            if isinstance(outcome, Accepted) and request.name:
                people.ensure(email, request.name)
            return outcome


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


def _view(request: ScheduleRequest, schedule: Schedule, line: BudgetLine) -> ScheduleView:
    amounts = schedule.amounts or {}
    return ScheduleView(
        fiscal_year=request.fiscal_year,
        product=request.product,
        round=request.round,
        state=schedule.state,
        version=schedule.version,
        annual=plain(line.annual.amount) if line.annual else "",
        planned=plain(total(list(amounts.values()))),
        currency=line.annual.currency if line.annual else "",
        amounts={month: plain(amount) for month, amount in sorted(amounts.items())},
        awaiting=TURN_OF.get(schedule.state, ""),
    )
