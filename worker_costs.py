"""What a worker does about cost reports, by its settings: where it reads them, and when it looks unasked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from temporalio.client import Client

from activities.account_event_queue import WAIT_S
from activities.account_events import QueuePlace
from activities.aws_access import AwsAccess
from activities.cost_engines import Engines, engines_of
from activities.cost_events import CostEventIntake, CostStarter
from activities.cost_fetching import BYTES_PER_MB, Room
from activities.cost_scratch import remove_leftovers
from activities.cost_sources import CostPlaces, read_sources
from settings import Settings
from workflows.cost_schedules import ensure_cost_watches
from workflows.standing import ensure_cost_events

COST_EVENTS_SLOTS = 1
"""One process waits for messages; a second worker stands by."""


def cost_places(settings: Settings) -> CostPlaces:
    """Raises BadInput where the sources cannot be meant. What killed processes left on the disk is removed."""
    remove_leftovers(settings.cost_scratch)
    room = Room(bytes_max=settings.cost_scratch_mb * BYTES_PER_MB)
    return CostPlaces(read_sources(settings.cost_sources), room, settings.cost_scratch)


def cost_engines(settings: Settings) -> Engines:
    """Raises BadInput where Athena is chosen, and not where it is."""
    return engines_of(
        settings.cost_engine,
        settings.cost_athena_database,
        settings.cost_athena_workgroup,
        settings.cost_athena_output,
        settings.cost_athena_from_gb,
        settings.cost_athena_scan_gb_max,
    )


def cost_events_place(settings: Settings) -> QueuePlace | None:
    """Where messages about cost reports arrive; None where no queue is configured."""
    if not settings.cost_events_queue_url:
        return None
    # A worker that is told to stop must not wait for a message that does not come; nor may it ask without a pause.
    wait_s = max(1, min(WAIT_S, settings.graceful_shutdown_s // 2))
    return QueuePlace(settings.cost_events_queue_url, settings.cost_events_dead_letter_url or None, wait_s)


def cost_event_hands(settings: Settings, client: Client, places: CostPlaces) -> tuple[Callable[..., Any], ...]:
    starter = CostStarter(client, asyncio.get_running_loop())
    return (CostEventIntake(AwsAccess(), cost_events_place(settings), places, starter).receive,)


async def ensure_costs(client: Client, settings: Settings) -> None:
    """Schedules and processes that are to be there while this worker's settings say so. Raises Unavailable."""
    if sources := read_sources(settings.cost_sources):
        await ensure_cost_watches(client, [source.name for source in sources], settings.cost_poll_minutes)
    if settings.cost_events_queue_url:
        await ensure_cost_events(client)
