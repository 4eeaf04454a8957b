"""The doors to the processes: start them, send them updates, wait for their answers, each within a limit.

Processes are addressed by their names (`domain.process`); their code is not imported here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, FailureError
from temporalio.service import RPCError, RPCStatusCode

from command_line.session import Session
from domain.account_allocating import AccountCommand
from domain.account_process import AccountUpdateName, AlignmentRound, alignment_process_id
from domain.alignment_texts import alignment_static_details, alignment_summary
from domain.decision import Accepted, Command, Refused
from domain.errors import AllotError, BadInput, Unavailable, error_named
from domain.estimate_commands import EstimateCommand
from domain.estimate_process import EstimateRound, EstimateUpdateName, estimate_process_id
from domain.estimate_texts import estimate_static_details, estimate_summary
from domain.model import Model
from domain.process import (
    TASK_QUEUE,
    DirectCommand,
    RegisterPersonRequest,
    ScheduleRound,
    UpdateName,
    WorkflowName,
    direct_decision_process_id,
    person_registration_process_id,
    schedule_process_id,
)
from domain.process_texts import (
    direct_decision_summary,
    person_registration_summary,
    schedule_static_details,
    schedule_summary,
)
from domain.registry import AnyCommand
from domain.resource_search import ResourcePage, ResourceQuery, resource_search_process_id
from domain.schedule_commands import ScheduleCommand
from temporal_connection import connect, rest, unavailable

CONNECT_WITHIN_S = 4.0
"""So that the whole command answers within ten seconds when Temporal is down."""
CLOSED_MEANWHILE_MAX = 5
"""Times that an update is sent again because its process ended while it was under way."""
UNTOUCHED_EVENTS = 2
"""Started, and its first task waits: what the history of a process holds before any worker has seen it."""
OWN_HASH_CHARS = 16
NO_ANSWER = "NoAnswer"
"""Code of the error of a process that goes on without us."""
MISFIT = frozenset({"RuntimeError", "ValidationError"})
"""Types of the SDK's failures where a message did not fit the process."""
NOT_ANSWERING = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})


_runners: list[asyncio.Runner] = []
"""One loop for the whole process, made when first used: `allot demo` runs dozens of commands on it."""


def run[T](work: Coroutine[Any, Any, T]) -> T:
    if not _runners:
        _runners.append(asyncio.Runner())
    try:
        return _runners[0].run(work)
    except KeyboardInterrupt:
        at_rest()  # what was interrupted must not go on while the servers are stopped
        raise


def at_rest() -> None:
    """Call it at the end of the process: lets the SDK come to rest, without which the interpreter may die."""
    while _runners:
        with _runners.pop() as runner:
            for task in asyncio.all_tasks(runner.get_loop()):
                task.cancel()
            runner.run(rest())


@asynccontextmanager
async def temporal(session: Session) -> AsyncIterator[Client]:
    """A client of the Temporal server. Raises Unavailable where there is none."""
    client = await connect(session.settings, within_s=CONNECT_WITHIN_S)
    try:
        yield client
    except RPCError as error:
        raise _rpc_failed(error, client.service_client.config.target_host) from None


async def has_worker(session: Session, since: datetime) -> bool:
    """Whether a worker has asked the server for something to do since then."""
    request = DescribeTaskQueueRequest(
        task_queue=TaskQueue(name=TASK_QUEUE),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    async with temporal(session) as client:
        request.namespace = client.namespace
        queue = await client.workflow_service.describe_task_queue(request)
    return any(poller.last_access_time.ToDatetime(UTC) >= since for poller in queue.pollers)


async def decide(session: Session, command: AnyCommand) -> Accepted:
    """Sends a command that waits for nobody, and returns its outcome. Raises the refusal."""
    async with temporal(session) as client:
        handle = await client.start_workflow(
            WorkflowName.DIRECT_DECISION,
            DirectCommand(command=command),
            id=_own(direct_decision_process_id(command.command_id), command),
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            static_summary=direct_decision_summary(command),
            result_type=Accepted | Refused,  # type: ignore[arg-type]  # a union is fine for the pydantic converter
            rpc_timeout=timedelta(seconds=session.timeout_s),
        )
        return accepted(await answered(handle.result(), session, handle))


async def register_person(session: Session, request: RegisterPersonRequest) -> Accepted:
    """Adds somebody to the directory of people and makes them known to the ledger."""
    async with temporal(session) as client:
        handle = await client.start_workflow(
            WorkflowName.PERSON_REGISTRATION,
            request,
            id=_own(person_registration_process_id(request.command_id), request),
            task_queue=TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            static_summary=person_registration_summary(),
            result_type=Accepted | Refused,  # type: ignore[arg-type]  # as above
            rpc_timeout=timedelta(seconds=session.timeout_s),
        )
        return accepted(await answered(handle.result(), session, handle))


async def decide_on_schedule(session: Session, update: UpdateName, command: ScheduleCommand, round_: int) -> Accepted:
    """Sends a decision to the process of the product's schedule, which is started if none is under way."""
    request = ScheduleRound(fiscal_year=command.fiscal_year, product=command.product, round=round_)
    addressee = _Addressee(
        WorkflowName.BUDGET_SCHEDULE,
        request,
        schedule_process_id(command.fiscal_year, command.product, round_),
        schedule_summary(request),
        schedule_static_details(request),
    )
    return await _updated(session, addressee, update, command, str(command.product))


async def decide_on_account(
    session: Session, update: AccountUpdateName, command: AccountCommand, occasion: int
) -> Accepted:
    """The same for the process of an account's alignment."""
    request = AlignmentRound(account_id=command.account_id, occasion=occasion)
    addressee = _Addressee(
        WorkflowName.ACCOUNT_ALIGNMENT,
        request,
        alignment_process_id(command.account_id, occasion),
        alignment_summary(request),
        alignment_static_details(request),
    )
    return await _updated(session, addressee, update, command, f"account {command.account_id}")


async def decide_on_estimate(
    session: Session, update: EstimateUpdateName, command: EstimateCommand, round_: int
) -> Accepted:
    """The same for the process of a workload's estimate."""
    request = EstimateRound(product=command.product, workload=command.workload, round=round_)
    addressee = _Addressee(
        WorkflowName.WORKLOAD_ESTIMATE,
        request,
        estimate_process_id(command.product, command.workload, round_),
        estimate_summary(request),
        estimate_static_details(request),
    )
    return await _updated(session, addressee, update, command, f"workload {command.workload}")


async def search_resources(session: Session, query: ResourceQuery) -> ResourcePage:
    """Asks a worker, because only workers reach the cost mart."""
    async with temporal(session) as client:
        handle = await client.start_workflow(
            WorkflowName.RESOURCE_SEARCH,
            query,
            id=resource_search_process_id(uuid4()),
            task_queue=TASK_QUEUE,
            static_summary="Search the cost mart for resources",
            result_type=ResourcePage,
            rpc_timeout=timedelta(seconds=session.timeout_s),
        )
        return await answered(handle.result(), session, handle)


class _Addressee(NamedTuple):
    """A process, and how to start it."""

    name: WorkflowName
    request: ScheduleRound | AlignmentRound | EstimateRound
    process_id: str
    summary: str
    details: str


async def _updated(session: Session, to: _Addressee, update: str, command: Command, subject: str) -> Accepted:
    async with temporal(session) as client:
        for _ in range(CLOSED_MEANWHILE_MAX):
            try:
                return await _update(session, client, to, update, command)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
        raise Unavailable(
            f"The process of {subject} kept ending while the decision was under way: try again "
            f"with --command-id {command.command_id}."
        )


async def _update(session: Session, client: Client, to: _Addressee, update: str, command: Command) -> Accepted:
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        to.name,
        to.request,
        id=to.process_id,
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        static_summary=to.summary,
        static_details=to.details,
    )
    answer = client.execute_update_with_start_workflow(
        update,
        command,
        start_workflow_operation=start,
        id=_own(str(command.command_id), command),
        result_type=Accepted | Refused,  # type: ignore[arg-type]  # as above
        rpc_timeout=timedelta(seconds=session.timeout_s),
    )
    return accepted(await answered(answer, session, client.get_workflow_handle(to.process_id)))


def _own(name: str, message: Model) -> str:
    """The same id for the same message, so that Temporal answers a repetition; another one for another message with the
    same command id, so that the ledger is asked and says what is wrong."""
    return f"{name}/{sha256(message.model_dump_json().encode()).hexdigest()[:OWN_HASH_CHARS]}"


async def answered[T](answer: Awaitable[T], session: Session, handle: WorkflowHandle[Any, Any]) -> T:
    """The answer, within the session's limit. Raises what the process refused, or what is known of its waiting."""
    try:
        async with asyncio.timeout(session.timeout_s):
            return await answer
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise await _no_answer(session, handle) from None
    except (WorkflowUpdateFailedError, WorkflowFailureError) as error:
        raise as_our_error(error) from None
    except RPCError as error:
        if error.status is RPCStatusCode.DEADLINE_EXCEEDED:
            raise await _no_answer(session, handle) from None
        raise


def accepted(outcome: Accepted | Refused) -> Accepted:
    if isinstance(outcome, Refused):
        raise error_named(outcome.error, outcome.message, outcome.code)
    return outcome


def as_our_error(error: BaseException) -> AllotError:
    """What went wrong in a process, as the error that it was there."""
    cause = error.__cause__ if not isinstance(error, ApplicationError) else error
    while isinstance(cause, ActivityError | WorkflowFailureError | WorkflowUpdateFailedError):
        cause = cause.__cause__
    if isinstance(cause, ApplicationError):
        if cause.type in MISFIT:
            return BadInput(f"The process could not read this command ({cause.message}): update allot and its worker.")
        return error_named(cause.type or "", cause.message, _code_of(cause))
    if isinstance(cause, CancelledError):
        return Unavailable("The process was cancelled before it was done: look at it in the Temporal UI.")
    text = cause.message if isinstance(cause, FailureError) else str(cause or error)
    return Unavailable(f"The process failed: {text}")


def _code_of(error: ApplicationError) -> str | None:
    """The refusal travels as the first detail, which arrives as plain JSON."""
    detail = error.details[0] if error.details else None
    code = detail.get("code") if isinstance(detail, dict) else detail
    return code if isinstance(code, str) else None


async def _no_answer(session: Session, handle: WorkflowHandle[Any, Any]) -> Unavailable:
    return Unavailable(
        f"No answer within {session.timeout_s:g} s{await why_waiting(handle)}. It is not known yet whether the command "
        f"is carried out; repeat it with --command-id {session.command_id}, which does it once at most, "
        f"or look at the process {handle.id} at {session.settings.temporal_ui_url}.",
        code=NO_ANSWER,
    )


async def why_waiting(handle: WorkflowHandle[Any, Any]) -> str:
    """What the server knows of a process that takes long; as the rest of a sentence."""
    try:
        description = await handle.describe(rpc_timeout=timedelta(seconds=1))
    except RPCError:
        return ""
    for activity in description.raw_description.pending_activities:
        if activity.HasField("last_failure"):
            return (
                f": {activity.activity_type.name} was tried {activity.attempt} times ({activity.last_failure.message})"
            )
    if description.history_length <= UNTOUCHED_EVENTS:
        return ": no worker has taken it up; start one with `allot up` or `allot-worker`"
    return ""


def _rpc_failed(error: RPCError, address: str) -> AllotError:
    if error.status in NOT_ANSWERING:
        return unavailable(address, error.message)
    return Unavailable(f"Temporal at {address} could not do it ({error.status.name}: {error.message}).")
