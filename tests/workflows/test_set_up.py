"""What `allot setup` brings about in Temporal."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import Client, ScheduleOverlapPolicy

from domain.hierarchy import NodePath
from domain.process import ORGANIZATION_SYNC_SCHEDULE_ID
from tests.support.temporal import pause, shown
from workflows import search_attributes
from workflows.schedules import ensure_schedules


async def test_search_attributes_are_registered_as_often_as_one_likes(temporal_client: Client) -> None:
    await search_attributes.register(temporal_client)
    await search_attributes.register(temporal_client)

    assert await search_attributes.missing(temporal_client) == []


async def test_the_schedule_is_created_updated_and_stays_paused(temporal_client: Client) -> None:
    handle = temporal_client.get_schedule_handle(ORGANIZATION_SYNC_SCHEDULE_ID)
    await ensure_schedules(temporal_client, 5)
    await pause(handle, "AWS is moved today")
    try:
        await ensure_schedules(temporal_client, 7)
        schedule = (await handle.describe()).schedule
    finally:
        await handle.delete()

    assert [interval.every for interval in schedule.spec.intervals] == [timedelta(minutes=7)]
    assert schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert (schedule.state.paused, schedule.state.note) == (True, "AWS is moved today")


async def test_a_pause_right_after_a_change_stays(temporal_client: Client) -> None:
    """Within one task the server takes an update after a pause, whichever was sent first."""
    handle = temporal_client.get_schedule_handle(ORGANIZATION_SYNC_SCHEDULE_ID)
    await ensure_schedules(temporal_client, 5)
    try:
        for minutes in range(6, 12):
            await ensure_schedules(temporal_client, minutes)
            await pause(handle, f"Paused at {minutes}")
            await handle.unpause(note=f"Goes on at {minutes}")
    finally:
        await handle.delete()


async def test_a_pause_at_the_moment_of_a_change_stays(temporal_client: Client) -> None:
    handle = temporal_client.get_schedule_handle(ORGANIZATION_SYNC_SCHEDULE_ID)
    await ensure_schedules(temporal_client, 5)
    try:
        for minutes in range(6, 12):
            async with asyncio.TaskGroup() as group:
                group.create_task(ensure_schedules(temporal_client, minutes))
                group.create_task(handle.pause(note=f"Paused at {minutes}"))
            await shown(handle, f"Paused at {minutes}")
            schedule = (await handle.describe()).schedule
            assert schedule.state.paused
            assert [interval.every for interval in schedule.spec.intervals] == [timedelta(minutes=minutes)]
            await handle.unpause(note=f"Goes on at {minutes}")
            await shown(handle, f"Goes on at {minutes}")
    finally:
        await handle.delete()


def test_a_node_is_found_by_all_nodes_above_it() -> None:
    node = NodePath(("Retail", "A/B", "Web", "Checkout"))

    assert search_attributes.node_values(node) == [
        "Retail",
        "Retail/A%2FB",
        "Retail/A%2FB/Web",
        "Retail/A%2FB/Web/Checkout",
    ]


@pytest.mark.parametrize("name", ["/" * 100, "é" * 100, "x" * 100])
def test_the_longest_names_never_exceed_what_a_server_takes(name: str) -> None:
    values = search_attributes.node_values(NodePath((name,) * 4))

    assert values
    assert sum(len(value.encode()) for value in values) <= search_attributes.VALUE_BYTES_MAX
