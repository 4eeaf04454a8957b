"""Processes that look for cost reports without being asked: by a schedule, and when S3 tells of a manifest."""

from __future__ import annotations

from hashlib import sha256

from pydantic import AwareDatetime

from domain.calendar import Month
from domain.model import Model

COST_EVENTS_QUEUE = "allot-cost-events"
"""Task queue of the activity that waits for messages about cost reports: it is never idle, and holds up nobody else."""
COST_EVENTS_PROCESS_ID = "cost-events"
COST_SCHEDULE_PREFIX = "cost-watch/"
"""Of the schedules' ids; the rest is the source's name."""
TAG_CHARS = 16


class CostEventsRequest(Model):
    """Starts CostEvents. Which queue, the worker's settings say, and no message."""

    handled: int = 0
    """Messages by the runs before."""
    started: int = 0
    rejected: int = 0


class CostEventsReport(Model):
    """Answer of `cost.receive_events`: what came of the messages of a while."""

    configured: bool = True
    """False where the worker that was asked has no queue in its settings."""
    handled: int = 0
    """Messages that are dealt with."""
    started: int = 0
    """Looks that were started, or had been."""
    elsewhere: int = 0
    """Objects that are no current manifest of a configured source."""
    rejected: int = 0
    """Messages put aside, because they could not be understood."""
    last_at: AwareDatetime | None = None
    last_rejection: str = ""


def cost_schedule_id(source_name: str) -> str:
    return f"{COST_SCHEDULE_PREFIX}{source_name}"


def cost_sweep_process_id(source_name: str) -> str:
    return f"cost-sweep/{source_name}"


def cost_event_process_id(source_name: str, period: Month | None, tag: str) -> str:
    """One look for one state of a manifest, by its ETag: told of it twice, it is the same look; and a newer state is
    looked at although the look at an older one still waits for parts."""
    short = sha256(tag.encode()).hexdigest()[:TAG_CHARS]
    return f"cost-event/{source_name}/{period or 'all'}/{short}"
