"""How workflows call the activities of the ledger: one place for timeouts, retries and what a failure becomes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Unpack

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from activities.contracts import (
        HEARTBEAT_TIMEOUT,
        LOAD_TIMEOUT,
        RECORD_TIMEOUT,
        RETRIES,
        ActivityName,
        OutcomeOnSchedule,
        RecordRequest,
        RefusalRequest,
        ScheduleRequest,
        WaitingStep,
    )
    from domain.decision import Accepted, Outcome, Refused
    from domain.errors import ERRORS, BadInput, Refusal, Unavailable
    from domain.model import Model
    from domain.process import ScheduleView
    from domain.registry import AnyCommand

UNREADABLE = (ValidationError,)
"""For `failure_exception_types`: a process started with a message that does not fit ends and says so. It would else be
tried again for ever, and keep its id, which is that of a product, from the process that belongs there."""
_OUTCOME: Any = Outcome  # a union of two models is a type for pydantic, but not for `type[...]`
_ON_SCHEDULE: Any = OutcomeOnSchedule

type Told = tuple[Accepted | Refused, ScheduleView | None]
"""An outcome, and what the ledger knew after it, where it was told."""


def given[M](message: M | None) -> M:
    """What a process is started with. One that is started by hand may lack it: that ends it, like what does not fit."""
    if message is None:
        raise ApplicationError(
            "This process was started without input: start it with `allot`.", type=BadInput.__name__, non_retryable=True
        )
    return message


async def answer_of(
    activity: ActivityName, request: Model, result_type: Any, **how: Unpack[workflow.ActivityConfig]
) -> Any:
    """What an activity answers. An answer that this version does not understand is no fault of a message: the process
    waits for a worker that does.

    It is taken as it came and read here, because what cannot be read on its way to us ends the process: it would be
    one of the errors of `UNREADABLE`.
    """
    answer: RawValue = await workflow.execute_activity(activity, request, result_type=RawValue, **how)
    try:
        return workflow.payload_converter().from_payload(answer.payload, result_type)
    except ValidationError as error:
        raise RuntimeError(f"The answer of {activity} does not fit this version of the process") from error


async def record(command: AnyCommand, *, within: timedelta | None = None) -> Accepted | Refused:
    """Records a command once. Without a limit it is tried until the ledger answers, for a decision must not be lost.

    Raises ApplicationError only.
    """
    try:
        outcome: Accepted | Refused = await answer_of(
            ActivityName.RECORD,
            RecordRequest(command=command),
            _OUTCOME,
            start_to_close_timeout=RECORD_TIMEOUT,
            schedule_to_close_timeout=within,
            retry_policy=RETRIES,
            summary=command.kind,
        )
    except ActivityError as error:
        raise failure_of(error) from error
    return outcome


async def record_on_schedule(command: AnyCommand) -> Told:
    """The same for a schedule: with what the ledger knows since. Raises ApplicationError only."""
    return await _on_schedule(ActivityName.RECORD, RecordRequest(command=command), command.kind)


async def step_waiting(step: WaitingStep, summary: str) -> Told:
    """Does what time does to a schedule; tried until the ledger answers. Raises ApplicationError only."""
    return await _on_schedule(ActivityName.STEP_WAITING, step, summary)


async def _on_schedule(activity: ActivityName, request: RecordRequest | WaitingStep, summary: str) -> Told:
    try:
        told = await answer_of(
            activity,
            request,
            _ON_SCHEDULE,
            start_to_close_timeout=RECORD_TIMEOUT,
            retry_policy=RETRIES,
            summary=summary,
        )
    except ActivityError as error:
        raise failure_of(error) from error
    kind = Accepted if isinstance(told, Accepted) else Refused
    return kind.model_validate({name: getattr(told, name) for name in kind.model_fields}), told.view


async def handle_file[R: Model](
    activity: ActivityName, file: Model, result_type: type[R], summary: str, within: timedelta
) -> R:
    """Has an activity take a file that somebody handed in, whole. A rule's no is a result, in whatever way it comes.

    Raises ApplicationError for what is no fault of the file.
    """
    try:
        result: R = await answer_of(
            activity,
            file,
            result_type,
            start_to_close_timeout=LOAD_TIMEOUT,
            schedule_to_close_timeout=within,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRIES,
            summary=summary,
        )
    except ActivityError as error:
        failure = failure_of(error)
        kind = ERRORS.get(failure.type or "")
        if kind is None or not issubclass(kind, BadInput | Refusal):
            raise failure from error
        code = str(failure.details[0]) if failure.details else kind.__name__
        refused = {"status": "refused", "message": failure.message, "error": kind.__name__, "code": code}
        return result_type.model_validate(refused)
    return result


async def record_refusal(request: RefusalRequest) -> None:
    """Keeps what was sent and could not be taken. Raises ApplicationError only."""
    try:
        await answer_of(
            ActivityName.RECORD_REFUSAL,
            request,
            Refused,
            start_to_close_timeout=RECORD_TIMEOUT,
            retry_policy=RETRIES,
            summary="A refused message",
        )
    except ActivityError as error:
        raise failure_of(error) from error


async def read_schedule(request: ScheduleRequest) -> ScheduleView:
    view: ScheduleView = await answer_of(
        ActivityName.READ_SCHEDULE,
        request,
        ScheduleView,
        start_to_close_timeout=RECORD_TIMEOUT,
        retry_policy=RETRIES,
        summary="Read the schedule from the ledger",
    )
    return view


def failure_of(error: ActivityError) -> ApplicationError:
    """What went wrong within the activity, by its class in the error tree: the only error that may leave a handler."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return ApplicationError(cause.message, *cause.details, type=cause.type, non_retryable=True)
    return ApplicationError(
        f"The activity {error.activity_type} did not come to an end ({cause or error}): try again later.",
        type=Unavailable.__name__,
        non_retryable=True,
    )


def refusal_of(refused: Refused) -> ApplicationError:
    """The answer to an update that a rule does not allow."""
    return ApplicationError(refused.message, refused, type=refused.error, non_retryable=True)
