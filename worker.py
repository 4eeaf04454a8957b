"""The worker: builds settings and connections once, registers workflows and activities, runs until told to stop.

allot-worker            runs until SIGTERM or Ctrl-C
allot-worker --check    says whether the worker with this state directory lives; exit 0 or 1
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from pydantic import ValidationError
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from activities.account_event_queue import WAIT_S
from activities.account_events import AccountEventIntake, QueuePlace
from activities.account_files import AccountFiles
from activities.account_lookups import AccountLookups
from activities.alignment_starting import AlignmentStarter
from activities.alignments import Alignments
from activities.aws_access import AwsAccess
from activities.budget_drop import BudgetDrops
from activities.budget_files import BudgetFiles
from activities.claimed_resources import EverClaimed
from activities.cost_keeping import Keeping
from activities.cost_mart import CostMart
from activities.cost_reports import CostReports
from activities.estimates import Estimates
from activities.first_bills import FirstBills
from activities.holder_rounds import HolderRounds
from activities.ledger_commands import LedgerCommands
from activities.notifications import Notifying, notifying
from activities.organizations import Organizations, Surroundings
from activities.people_files import PeopleFiles
from activities.resource_search import ResourceSearches
from activities.restatements import Restatements
from activities.schedule_waiting import ScheduleWaiting
from domain.account_process import ACCOUNT_EVENTS_QUEUE
from domain.cost_process import COST_EVENTS_QUEUE
from domain.errors import AllotError, Unavailable
from domain.process import COST_QUEUE, NOTIFICATIONS_QUEUE, ORGANIZATIONS_QUEUE, TASK_QUEUE
from file_store import FileStore
from ledger.ledger import Ledger
from notifications.config import read_channels
from rights.cedar import CedarRights
from settings import Settings
from temporal_connection import connect, run
from views.projector import Projector
from worker_costs import COST_EVENTS_SLOTS, cost_engines, cost_event_hands, cost_places, ensure_costs
from worker_health import Health, check
from workflows import search_attributes
from workflows.registration import WORKFLOWS, workflow_runner
from workflows.schedules import ensure_budget_drop
from workflows.standing import ensure_account_events, ensure_notifications

ORGANIZATION_CALLS_PER_S = 1.0
"""Passes over AWS Organizations that may start per second, over all workers; calls within one are limited by it."""
PROGRESS_EVERY = timedelta(seconds=1)
"""Heartbeats reach the server so often, because the command line shows them as progress."""
ACCOUNT_EVENTS_SLOTS = 1
"""One process waits for messages; a second worker stands by."""
FIRST_PAUSE_S, PAUSE_MAX_S = 0.5, 10.0
"""Between tries to reach what is not there yet at the start."""
PROJECTOR_STOPS_WITHIN_S = 5.0
HANGING_AFTER_S = 10.0
"""Beyond the graceful shutdown: an activity that does not come back by then is left to another worker's retry."""

log = logging.getLogger("allot.worker")


class Hands(NamedTuple):
    """Activities by task queue."""

    common: Sequence[Callable[..., Any]]
    cost: Sequence[Callable[..., Any]]
    organizations: Sequence[Callable[..., Any]]
    account_events: Sequence[Callable[..., Any]]
    notifications: Sequence[Callable[..., Any]] = ()
    """None where no channel is configured."""
    notification_slots: int = 0
    cost_events: Sequence[Callable[..., Any]] = ()


def hands(settings: Settings, ledger: Ledger, client: Client, told: Notifying | None = None) -> Hands:
    """All activities, with what they work on."""
    organization, url = settings.organization(), settings.database_url.get_secret_value()
    commands = LedgerCommands(ledger, organization)
    waiting = ScheduleWaiting(ledger, organization, client)
    estimates = Estimates(ledger, organization)
    mart = CostMart(settings.cost_mart)
    searches = ResourceSearches(ledger, url, mart)
    people = PeopleFiles(ledger, FileStore(settings.file_store))
    budgets = BudgetFiles(ledger, FileStore(settings.file_store), organization, url)
    drops = BudgetDrops(FileStore(settings.file_store), settings.budget_drop or "", settings.budget_drop_actor or "")
    places = cost_places(settings)
    keeping = Keeping(mart, EverClaimed(ledger, url))
    kept = timedelta(days=settings.cost_versions_kept_days)
    memory_mb, engines = settings.cost_memory_mb, cost_engines(settings)
    costs = CostReports(ledger, url, organization, memory_mb, places, keeping, kept, engines)
    access = AwsAccess(settings.organizations_role_arn, settings.organizations_external_id)
    starter, asked = AlignmentStarter(client, asyncio.get_running_loop()), AccountLookups(url, organization)
    organizations = Organizations(
        ledger, access.organizations, Surroundings(asked.present, asked.open_alignments, starter)
    )
    intake = AccountEventIntake(ledger, access, queue_place(settings), starter)
    alignments = Alignments(ledger, organization, starter, asked.coded, asked.open_alignments)
    account_files = AccountFiles(ledger, FileStore(settings.file_store), asked.coded, asked.named, starter)
    return Hands(
        (
            commands.record,
            commands.record_refusal,
            commands.read_schedule,
            commands.register_person,
            waiting.step,
            waiting.inform_rounds,
            HolderRounds(ledger, client, url).inform,
            budgets.load,
            drops.take,
            drops.answer,
            people.import_people,
            alignments.align,
            alignments.step,
            alignments.wake,
            account_files.import_accounts,
            estimates.read,
            estimates.step,
            searches.search,
        ),
        (
            costs.find_deliveries,
            costs.import_delivery,
            FirstBills(ledger, url, starter).record,
            Restatements(ledger, url).record,
        ),
        (organizations.sync,),
        (intake.receive,),
        (told.collect, told.send) if told and told.channels else (),
        told.slots if told else 0,
        cost_event_hands(settings, client, places),
    )


def queue_place(settings: Settings) -> QueuePlace | None:
    """Where messages about accounts arrive; None where no queue is configured."""
    if not settings.account_events_queue_url:
        return None
    # A worker that is told to stop must not wait for a message that does not come; nor may it ask without a pause.
    wait_s = max(1, min(WAIT_S, settings.graceful_shutdown_s // 2))
    dead_letters = settings.account_events_dead_letter_url or None
    return QueuePlace(settings.account_events_queue_url, dead_letters, wait_s)


def build_workers(client: Client, settings: Settings, activities: Hands) -> list[Worker]:
    """One worker a task queue: a long import must not keep a decision waiting."""
    common: dict[str, Any] = {
        "graceful_shutdown_timeout": settings.graceful_shutdown,
        "max_heartbeat_throttle_interval": PROGRESS_EVERY,
        "default_heartbeat_throttle_interval": PROGRESS_EVERY,
    }
    queues: tuple[tuple[str, Sequence[Callable[..., Any]], int, dict[str, Any]], ...] = (
        (TASK_QUEUE, activities.common, settings.activity_slots, {"workflows": WORKFLOWS}),
        (COST_QUEUE, activities.cost, settings.cost_slots, {}),
        (
            ORGANIZATIONS_QUEUE,
            activities.organizations,
            1,
            {"max_task_queue_activities_per_second": ORGANIZATION_CALLS_PER_S},
        ),
        (ACCOUNT_EVENTS_QUEUE, activities.account_events, ACCOUNT_EVENTS_SLOTS, {}),
        (COST_EVENTS_QUEUE, activities.cost_events, COST_EVENTS_SLOTS, {}),
        (NOTIFICATIONS_QUEUE, activities.notifications, activities.notification_slots, {}),
    )
    return [
        Worker(
            client,
            task_queue=queue,
            activities=of_queue,
            max_concurrent_activities=slots,
            activity_executor=ThreadPoolExecutor(slots, thread_name_prefix=queue),
            workflow_runner=workflow_runner(),
            **common,
            **options,
        )
        for queue, of_queue, slots, options in queues
        if of_queue
    ]


class Runs(Protocol):
    """What runs on a thread until it is told to stop: the projector."""

    def run(self, stop: threading.Event) -> None: ...


class Projection:
    """The projector on its thread. Its end is the end of the process: views that stand still mislead people."""

    def __init__(self, projector: Runs) -> None:
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._projector = projector
        self.ended = asyncio.Event()
        self.thread = threading.Thread(target=self._run, name="projector", daemon=True)
        self.thread.start()

    async def stop(self) -> None:
        self._stop.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), PROJECTOR_STOPS_WITHIN_S)

    def _run(self) -> None:
        try:
            self._projector.run(self._stop)
        except Exception:
            log.exception("The projector failed")
        finally:
            self._loop.call_soon_threadsafe(self.ended.set)


async def serve(settings: Settings) -> int:
    """Runs until a signal; 0 where it was asked to end, 1 where a part of it failed."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    channels = read_channels(settings.notifications)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    health = Health(settings.state_dir)
    beating = asyncio.create_task(health.beat())
    slots = settings.activity_slots + settings.cost_slots + len(channels) + 1 + ACCOUNT_EVENTS_SLOTS
    url, business = settings.database_url.get_secret_value(), settings.organization().business
    ledger = Ledger(
        settings.database_url.get_secret_value(),
        settings.organization(),
        rights=CedarRights(),
        pool_size=slots,
        accept_claimed_actors=settings.accept_claimed_actors,
    )
    try:
        health.now("waiting for PostgreSQL")
        if await reached(lambda: asyncio.to_thread(ledger.open), stop) is None:
            return 0
        health.now("waiting for Temporal")
        if (client := await reached(lambda: connect_for_work(settings), stop)) is None:
            return 0
        ui_url = f"{settings.temporal_ui_url.rstrip('/')}/namespaces/{quote(client.namespace, safe='')}"
        with notifying(channels, ledger, url, business, ui_url) as told:
            return await work(client, settings, ledger, health, stop, told)
    finally:
        beating.cancel()
        health.forget()
        ledger.close()
        log.info("Stopped")


async def reached[T](attempt: Callable[[], Awaitable[T]], stop: asyncio.Event) -> T | None:
    """What the attempt gives once it succeeds; None where the process is to stop before."""
    pause_s = FIRST_PAUSE_S
    while not stop.is_set():
        try:
            return await attempt()
        except Unavailable as error:
            log.warning("%s Trying again in %.1f s.", error.message, pause_s)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
        pause_s = min(pause_s * 2, PAUSE_MAX_S)
    return None


async def connect_for_work(settings: Settings) -> Client:
    """A client of a server that is set up: without the search attributes every process would stand still."""
    client = await connect(settings)
    try:
        absent = await search_attributes.missing(client)
    except RPCError as error:
        if error.status in (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED):
            log.warning("Temporal does not let us see its search attributes: be sure that they are there.")
            return client
        raise Unavailable(f"Temporal does not answer ({error.message}).") from None
    if absent:
        raise Unavailable(f"Temporal lacks the search attributes {', '.join(absent)}: run `allot setup`.")
    return client


async def ensure_standing(client: Client, settings: Settings, channels: Iterable[str]) -> int:
    """Starts what is to be there while this worker's settings say so; how many channels there are."""
    if settings.budget_drop:
        await ensure_budget_drop(client, settings.budget_drop_minutes)
    if settings.account_events_queue_url:
        await ensure_account_events(client)
    await ensure_costs(client, settings)
    return await ensure_notifications(client, channels)


async def work(
    client: Client,
    settings: Settings,
    ledger: Ledger,
    health: Health,
    stop: asyncio.Event,
    told: Notifying | None = None,
) -> int:
    workers = build_workers(client, settings, hands(settings, ledger, client, told))
    url = settings.database_url.get_secret_value()
    projector = Projector(ledger, url, settings.organization(), poll_ms=settings.view_poll_ms, news=ledger.news)
    projection = Projection(projector)
    running = {asyncio.create_task(worker.run(), name=worker.task_queue): worker for worker in workers}
    waits = (asyncio.create_task(stop.wait()), asyncio.create_task(projection.ended.wait()))
    channels = told.channels if told else ()
    starting = asyncio.create_task(reached(lambda: ensure_standing(client, settings, channels), stop))

    def problem() -> str | None:
        stopped = [task.get_name() for task in running if task.done()]
        # The thread says that it ends just before it is gone.
        projecting = projection.thread.is_alive() and not projection.ended.is_set()
        return f"stopped: {', '.join(stopped)}" if stopped else None if projecting else "projector"

    health.problem = problem
    health.now("working")
    log.info("Working for namespace %s on %s", client.namespace, ", ".join(worker.task_queue for worker in workers))
    await asyncio.wait({*running, *waits}, return_when=asyncio.FIRST_COMPLETED)
    failed = problem()
    if failed:
        log.error("A part of the worker has ended (%s): stopping the rest", failed)
    else:
        log.info("Stopping: activities have %d s to finish", settings.graceful_shutdown_s)
    health.now("stopping")
    await shut_down(running, settings)
    await projection.stop()
    for task in (*waits, starting):
        task.cancel()
    return 1 if failed else 0


async def shut_down(running: dict[asyncio.Task[None], Worker], settings: Settings) -> None:
    """Lets activities finish. Ends the process by force where one of them hangs, as nothing else would end it."""
    for task, worker in running.items():
        if not task.done():
            asyncio.create_task(worker.shutdown()).add_done_callback(lambda done: done.exception())
    _, hanging = await asyncio.wait(running, timeout=settings.graceful_shutdown_s + HANGING_AFTER_S)
    for task in running:
        if task.done() and (error := task.exception()):
            log.error("The worker of %s failed: %s", task.get_name(), error)
    if hanging:
        log.error("Activities on %s did not end: leaving them", ", ".join(task.get_name() for task in hanging))
        logging.shutdown()
        os._exit(1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="allot-worker", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="say whether the worker lives, and exit 0 or 1")
    arguments = parser.parse_args()
    try:
        settings = Settings()
        if arguments.check:
            healthy, line = check(settings.state_dir)
            print(line)  # noqa: T201 - the answer to whoever asked
            return 0 if healthy else 1
        logging.basicConfig(
            level=settings.log_level, stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s %(message)s"
        )
        return run(serve(settings))
    except ValidationError as error:
        wrong = "; ".join(f"{problem['loc']}: {problem['msg']}" for problem in error.errors(include_input=False))
        sys.stderr.write(f"A setting is wrong ({wrong}): see docs/settings.md\n")
        return 2
    except AllotError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
