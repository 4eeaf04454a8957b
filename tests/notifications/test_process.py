"""The process of a channel: it tells people of events, shows how it stands, and is in nobody's way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities import contracts
from activities import notifications as activities_module
from activities.contracts import ActivityName, ChannelReport
from activities.notifications import Notifying
from domain.process import NOTIFICATIONS_QUEUE, NotificationChannel, WorkflowName, notifications_process_id
from embedded.process import ROOT
from embedded.temporal_server import find_program
from notifications.config import AppriseChannel
from notifications.senders import Message, Sender, sender_of
from tests.notifications.company import Company
from tests.notifications.sinks import HttpCatcher
from tests.support.temporal import working
from tests.workflows.replay import STRICT, replay, replay_all_runs
from workflows.notifications import UNKNOWN_MAX, Notifications
from workflows.registration import workflow_runner
from workflows.standing import ensure_notifications

WITHIN_S = 30.0
SUGGESTED_AT_EVENTS = 60


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activities_module, "NOTIFICATIONS_WATCH", timedelta(seconds=2))


@pytest.fixture
def name() -> str:
    """Of a channel: the Temporal server is shared by all tests, so its processes are named apart."""
    return f"c-{uuid4().hex[:12]}"


class Hanging:
    """A channel that never comes back on its own."""

    per_person = False

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Semaphore(0), threading.Event()
        self.calls = 0

    def send(self, _message: Message) -> None:
        self.calls += 1
        self.begun.release()
        self.let_go.wait(WITHIN_S * 4)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    sender = Hanging()
    yield sender
    sender.let_go.set()


def room(catcher: HttpCatcher) -> AppriseChannel:
    return AppriseChannel(kind="apprise", url=SecretStr(catcher.url))


@asynccontextmanager
async def at_work(
    client: Client, company: Company, channels: Mapping[str, tuple[AppriseChannel, Sender]], slots: int = 0
) -> AsyncIterator[str]:
    """A worker that knows these channels; the queue of their processes."""
    notifying = Notifying(
        {name: config for name, (config, _) in channels.items()},
        {name: sender for name, (_, sender) in channels.items()},
        company.collector,
        company.outbox,
        company.ledger,
        look_every_s=0.05,
    )
    queue = f"notifications-{uuid4().hex[:8]}"
    slots = slots or notifying.slots
    with ThreadPoolExecutor(slots) as pool:
        async with (
            working(
                Worker(client, task_queue=queue, workflows=[Notifications], workflow_runner=workflow_runner(STRICT))
            ),
            working(
                Worker(
                    client,
                    task_queue=NOTIFICATIONS_QUEUE,
                    activities=[notifying.collect, notifying.send],
                    activity_executor=pool,
                    max_concurrent_activities=slots,
                )
            ),
        ):
            yield queue


async def until(condition: Any) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - nobody else tells us
            await asyncio.sleep(0.05)


async def details(handle: WorkflowHandle[Any, Any]) -> str:
    metadata = await handle.query("__temporal_workflow_metadata")
    return str(metadata["currentDetails"] if isinstance(metadata, dict) else metadata.current_details)


async def shows(handle: WorkflowHandle[Any, Any], words: str) -> str:
    async with asyncio.timeout(WITHIN_S):
        while words not in (text := await details(handle)):  # noqa: ASYNC110 - a query is the only way to know
            await asyncio.sleep(0.1)
    return text


async def test_people_are_told_and_nothing_secret_is_in_the_history(
    temporal_client: Client, company: Company, catcher: HttpCatcher, name: str
) -> None:
    config = room(catcher)
    async with at_work(temporal_client, company, {name: (config, sender_of(name, config))}) as queue:
        assert await ensure_notifications(temporal_client, [name], queue) == 1
        assert await ensure_notifications(temporal_client, [name], queue) == 1  # as another worker at its start
        handle = temporal_client.get_workflow_handle(notifications_process_id(name))
        await until(lambda: company.outbox.position(name) is not None)
        await asyncio.to_thread(company.submit)
        await asyncio.to_thread(company.project)
        await until(lambda: len(catcher.posts) == 1)
        text = await shows(handle, "**1** sent")
        history = await handle.fetch_history()
        await handle.terminate()

    assert "**Works.**" in text
    assert "To approve" in catcher.posts[0][2]["title"]
    assert "s3cr3t" not in history.to_json()
    assert "t0ken" not in history.to_json()
    await replay(history)


async def test_a_failing_channel_is_seen_in_its_process(
    temporal_client: Client, company: Company, catcher: HttpCatcher, name: str
) -> None:
    catcher.status = 503
    config = room(catcher)
    async with at_work(temporal_client, company, {name: (config, sender_of(name, config))}) as queue:
        await ensure_notifications(temporal_client, [name], queue)
        handle = temporal_client.get_workflow_handle(notifications_process_id(name))
        await until(lambda: company.outbox.position(name) is not None)
        await asyncio.to_thread(company.submit)
        await asyncio.to_thread(company.project)
        text = await shows(handle, "**Fails** since")
        catcher.status = 200
        company.outbox.retry(name)
        await shows(handle, "**Works.**")
        history = await handle.fetch_history()
        await handle.terminate()

    assert "503" in text
    assert "1 wait" in text
    assert len(catcher.posts) == 1
    assert "s3cr3t" not in text + history.to_json()
    assert "t0ken" not in text + history.to_json()
    await replay(history)


async def test_a_channel_that_hangs_delays_no_other_and_begins_nothing_more(
    temporal_client: Client,
    company: Company,
    catcher: HttpCatcher,
    hanging: Hanging,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good, stuck, config = f"{name}-good", f"{name}-stuck", room(catcher)
    monkeypatch.setattr(contracts, "NOTIFICATIONS_SEND_TIMEOUT", timedelta(seconds=1))
    channels: dict[str, tuple[AppriseChannel, Sender]] = {
        good: (config, sender_of(good, config)),
        stuck: (config, hanging),
    }
    async with at_work(temporal_client, company, channels) as queue:
        await ensure_notifications(temporal_client, channels, queue)
        await until(lambda: all(company.outbox.position(channel) is not None for channel in channels))
        await asyncio.to_thread(company.submit)
        await asyncio.to_thread(company.project)
        await asyncio.to_thread(hanging.begun.acquire, timeout=WITHIN_S)
        await until(lambda: len(catcher.posts) == 1)
        await asyncio.to_thread(company.reject, "Too much")
        await asyncio.to_thread(company.project)
        await until(lambda: len(catcher.posts) == 2)
        text = await shows(temporal_client.get_workflow_handle(notifications_process_id(stuck)), "**Does not work**")
        assert hanging.calls == 1
        assert "did not come to an end" in text
        hanging.let_go.set()
        for channel in channels:
            await temporal_client.get_workflow_handle(notifications_process_id(channel)).terminate()


async def test_without_room_for_each_channel_one_that_hangs_would_delay_the_others(
    temporal_client: Client, company: Company, catcher: HttpCatcher, hanging: Hanging, name: str
) -> None:
    good, stuck, config = f"{name}-good", f"{name}-stuck", room(catcher)
    channels: dict[str, tuple[AppriseChannel, Sender]] = {
        good: (config, sender_of(good, config)),
        stuck: (config, hanging),
    }
    async with at_work(temporal_client, company, channels, slots=1) as queue:
        await ensure_notifications(temporal_client, channels, queue)
        await until(lambda: all(company.outbox.position(channel) is not None for channel in channels))
        assert company.outbox.add_test(stuck, uuid4(), "room", "Test", "Test")
        await asyncio.to_thread(hanging.begun.acquire, timeout=WITHIN_S)
        assert company.outbox.add_test(good, uuid4(), "room", "Test", "Test")
        await asyncio.sleep(3)
        delayed = not catcher.posts
        hanging.let_go.set()
        await until(lambda: len(catcher.posts) == 1)
        for channel in channels:
            await temporal_client.get_workflow_handle(notifications_process_id(channel)).terminate()

    assert delayed


async def test_while_a_message_is_under_way_no_other_is_begun(company: Company, hanging: Hanging, name: str) -> None:
    from temporalio.testing import ActivityEnvironment

    config = AppriseChannel(kind="apprise", url=SecretStr("json://localhost/"))
    notifying = Notifying({name: config}, {name: hanging}, company.collector, company.outbox, company.ledger)
    company.collect(name, config)
    for _ in range(2):
        assert company.outbox.add_test(name, uuid4(), "room", "Test", "Test")
    first = asyncio.create_task(
        asyncio.to_thread(ActivityEnvironment().run, notifying.send, NotificationChannel(channel=name))
    )
    await asyncio.to_thread(hanging.begun.acquire, timeout=WITHIN_S)
    second = ActivityEnvironment().run(notifying.send, NotificationChannel(channel=name))
    hanging.let_go.set()

    assert second.busy
    assert hanging.calls == 1
    assert (await first).sent == 2


async def test_a_channel_that_no_worker_knows_any_more_ends_its_process(
    time_skipping_env: WorkflowEnvironment, name: str
) -> None:
    asked: list[str] = []

    @activity.defn(name=ActivityName.COLLECT_NOTIFICATIONS)
    async def unknown(request: NotificationChannel) -> ChannelReport:
        asked.append(request.channel)
        return ChannelReport(known=False)

    queue, client = f"unknown-{name}", time_skipping_env.client
    async with (
        Worker(client, task_queue=queue, workflows=[Notifications], workflow_runner=workflow_runner(STRICT)),
        Worker(client, task_queue=NOTIFICATIONS_QUEUE, activities=[unknown]),
    ):
        handle: WorkflowHandle[Any, Any] = await client.start_workflow(
            WorkflowName.NOTIFICATIONS, NotificationChannel(channel=name, sent=7), id=name, task_queue=queue
        )
        await handle.result()
        description = await handle.describe()
        await replay(await handle.fetch_history())

    assert description.status is WorkflowExecutionStatus.COMPLETED
    assert asked == [name] * UNKNOWN_MAX


async def test_a_channel_out_of_order_is_shown_and_asked_again(
    time_skipping_env: WorkflowEnvironment, name: str
) -> None:
    from temporalio.exceptions import ApplicationError

    answers: list[ChannelReport | str] = [
        "The log holds an event of a newer version.",
        *[ChannelReport(known=False)] * 10,
    ]

    @activity.defn(name=ActivityName.COLLECT_NOTIFICATIONS)
    async def asked(_request: NotificationChannel) -> ChannelReport:
        answer = answers.pop(0)
        if isinstance(answer, str):
            raise ApplicationError(answer, type="UnreadableEvent", non_retryable=True)
        return answer

    queue, client = f"order-{name}", time_skipping_env.client
    async with (
        Worker(client, task_queue=queue, workflows=[Notifications], workflow_runner=workflow_runner(STRICT)),
        Worker(client, task_queue=NOTIFICATIONS_QUEUE, activities=[asked]),
    ):
        handle: WorkflowHandle[Any, Any] = await client.start_workflow(
            WorkflowName.NOTIFICATIONS, NotificationChannel(channel=name), id=name, task_queue=queue
        )
        await handle.result()
        await replay(await handle.fetch_history())

    assert answers == []


@pytest.fixture(scope="module")
async def impatient_client() -> AsyncIterator[Client]:
    """Of a server that suggests to continue as new after a few events instead of 4,096."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(find_program(ROOT / ".allot")),
        dev_server_extra_args=[
            "--dynamic-config-value",
            f"limit.historyCount.suggestContinueAsNew={SUGGESTED_AT_EVENTS}",
        ],
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment.client


async def test_a_long_process_continues_as_new_and_loses_and_repeats_nothing(
    impatient_client: Client, company: Company, catcher: HttpCatcher, name: str
) -> None:
    config, count = room(catcher), 12
    async with at_work(impatient_client, company, {name: (config, sender_of(name, config))}) as queue:
        await ensure_notifications(impatient_client, [name], queue)
        handle = impatient_client.get_workflow_handle(notifications_process_id(name))
        await until(lambda: company.outbox.position(name) is not None)
        for number in range(count):
            assert company.outbox.add_test(name, uuid4(), "room", f"Test {number}", "Test")
            await until(lambda sent=number + 1: len(catcher.posts) == sent)
        await shows(handle, f"**{count}** sent")
        runs = await replay_all_runs(impatient_client, notifications_process_id(name))
        await handle.terminate()

    assert runs > 1
    assert [body["title"] for _, _, body in catcher.posts] == [f"Test {number}" for number in range(count)]
