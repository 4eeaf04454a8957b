"""Starting the processes of alignments from threads, and when Temporal does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RetryConfig

from activities.alignment_starting import STARTS_AT_ONCE, AlignmentStarter
from domain.account_process import AlignmentRound
from domain.errors import Unavailable
from tests.activities.aligning import Aligning, aligning_at, new_account_id

RUNNING = WorkflowExecutionStatus.RUNNING
IMPATIENT = RetryConfig(max_elapsed_time_millis=200)
ONE = AlignmentRound(account_id="810000000000", occasion=1)


@pytest.fixture
async def aligning(temporal_client: Client, database_url: str) -> AsyncIterator[Aligning]:
    async with aligning_at(temporal_client, database_url) as made:
        yield made


@asynccontextmanager
async def cut_off(address: str) -> AsyncIterator[AlignmentStarter]:
    """A starter whose connection to Temporal is lost."""
    host, _, port = address.partition(":")
    open_ones: list[asyncio.StreamWriter] = []

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(host, int(port))
        open_ones.extend([writer, server_writer])
        await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))

    between = await asyncio.start_server(passed_on, "127.0.0.1", 0)
    client = await Client.connect(
        f"127.0.0.1:{between.sockets[0].getsockname()[1]}",
        data_converter=pydantic_data_converter,
        retry_config=IMPATIENT,
    )
    between.close()
    for writer in open_ones:
        writer.close()
    yield AlignmentStarter(client, asyncio.get_running_loop())


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def on_thread[T](work: Callable[[], T]) -> T:
    """As an activity does it; the starter's own loop goes on."""
    return await asyncio.to_thread(work)


async def test_a_thread_starts_processes_and_wakes_those_that_run(aligning: Aligning) -> None:
    first, second = aligning.appears(), aligning.appears()
    assert await on_thread(lambda: aligning.starter.start([first])) == 1
    assert await on_thread(lambda: aligning.starter.start([first, second])) == 2
    assert [await aligning.status(one) for one in (first, second)] == [RUNNING, RUNNING]
    assert [await aligning.signals(one) for one in (first, second)] == [2, 1]
    assert await on_thread(lambda: aligning.starter.start([])) == 0


async def test_more_than_are_started_at_once_are_started_all(aligning: Aligning) -> None:
    rounds = [aligning.appears() for _ in range(STARTS_AT_ONCE + 1)]
    assert await on_thread(lambda: aligning.starter.start(rounds)) == len(rounds)
    assert {await aligning.status(one) for one in rounds} == {RUNNING}


async def test_only_what_does_not_run_is_started(aligning: Aligning) -> None:
    running, missing = aligning.appears(), aligning.appears()
    await on_thread(lambda: aligning.starter.start([running]))
    await aligning.listed(running)
    assert await on_thread(lambda: aligning.starter.start_missing([running, missing])) == 1
    assert [await aligning.signals(one) for one in (running, missing)] == [1, 1]
    await aligning.listed(running, missing)
    assert await on_thread(lambda: aligning.starter.start_missing([running, missing])) == 0


async def test_a_process_that_nobody_told_of_its_end_ends(aligning: Aligning) -> None:
    """As where an account left, and the worker knew nobody to tell."""
    over, waits = aligning.appears(), aligning.appears()
    await on_thread(lambda: aligning.starter.start([over, waits]))
    await aligning.listed(over, waits)
    aligning.allocate(over.account_id)
    assert await aligning.status(over) is RUNNING
    assert await on_thread(lambda: aligning.starter.start_missing([waits])) == 0
    assert not (await aligning.over(over)).open
    assert (await aligning.status(waits), await aligning.signals(waits)) == (RUNNING, 1)


async def test_the_views_may_be_behind_what_runs(aligning: Aligning) -> None:
    """The control of the test above: what is not shown to be open yet looks, and goes on waiting."""
    one = aligning.appears()
    await on_thread(lambda: aligning.starter.start([one]))
    await aligning.listed(one)
    assert await on_thread(lambda: aligning.starter.start_missing([])) == 0
    await asyncio.sleep(0.5)
    assert (await aligning.status(one), await aligning.signals(one)) == (RUNNING, 2)


async def test_a_process_that_is_over_is_started_again_where_its_occasion_is_open(aligning: Aligning) -> None:
    one = aligning.appears()
    await on_thread(lambda: aligning.starter.start([one]))
    await aligning.process(one).terminate()
    await on_thread(lambda: aligning.starter.start([one]))
    assert await aligning.status(one) is RUNNING


async def test_a_thread_tells_processes_that_they_are_over(aligning: Aligning) -> None:
    one = aligning.appears()
    await on_thread(lambda: aligning.starter.start([one]))
    aligning.allocate(one.account_id)
    assert await on_thread(lambda: aligning.starter.tell_over([one])) == 1
    assert not (await aligning.over(one)).open
    assert await on_thread(lambda: aligning.starter.tell_over([])) == 0


async def test_telling_a_process_that_is_not_there_is_no_error(aligning: Aligning) -> None:
    await aligning.starter.tell([AlignmentRound(account_id=new_account_id(), occasion=1)])


async def test_where_temporal_does_not_answer_it_is_tried_again(temporal: str) -> None:
    async with cut_off(temporal) as starter:
        for doing in (lambda: starter.start([ONE]), lambda: starter.start_missing([ONE])):
            with pytest.raises(Unavailable, match="Temporal could not start the process of an alignment"):
                await on_thread(doing)
        with pytest.raises(Unavailable):
            await starter.tell([ONE])


async def test_a_start_that_takes_too_long_is_given_up(aligning: Aligning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.alignment_starting.STARTED_WITHIN_S", 0.0)
    with pytest.raises(Unavailable, match="did not start the processes of alignments in time"):
        await on_thread(lambda: aligning.starter.start([aligning.appears()]))
