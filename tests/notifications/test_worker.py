"""A worker as a process of its own, with channels in its settings, and the commands of an operator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client

from domain.process import notifications_process_id
from notifications.outbox import Outbox
from tests.command_line.conftest import Allot, allot
from tests.notifications.company import LEAD, Company
from tests.notifications.sinks import HttpCatcher, MailSink
from tests.support.workers import own_namespace, start_worker, stop_worker, worker_environment

__all__ = ["allot"]

WITHIN_S = 40.0


def channels(mail_sink: MailSink, catcher: HttpCatcher) -> str:
    return (
        f"[mail]\nkind = 'apprise'\nurl = '{mail_sink.url}'\n"
        f"[room]\nkind = 'apprise'\nurl = '{catcher.url}'\nevents = ['schedule.Submitted']\n"
    )


async def test_a_worker_tells_people_and_an_operator_sees_it(
    temporal: str,
    company: Company,
    mail_sink: MailSink,
    catcher: HttpCatcher,
    tmp_path: Path,
    allot: Allot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catcher.status = 500
    client = await own_namespace(temporal, f"told-{uuid4().hex[:8]}")
    environment = worker_environment(client, company.database_url, tmp_path)
    worker = start_worker(environment, tmp_path, ALLOT_NOTIFICATIONS=channels(mail_sink, catcher))
    monkeypatch.setenv("ALLOT_DATABASE_URL", company.database_url)
    try:
        await until(lambda: len(company.outbox.status()) == 2)
        await asyncio.to_thread(company.submit)
        await until(lambda: len(mail_sink.mails) == 2)
        await until(lambda: company.outbox.status("room")[0].failing_since is not None)
        failing = await asyncio.to_thread(allot, "notify", "status", "--json")
        catcher.status = 200
        retried = await asyncio.to_thread(allot, "notify", "retry", "room")
        await until(lambda: len(catcher.posts) == 1)
        tested = await asyncio.to_thread(allot, "notify", "test", "mail", "--to", LEAD)
        shown = await asyncio.to_thread(allot, "notify", "status")
        process = client.get_workflow_handle(notifications_process_id("mail"))
        started = (await process.fetch_history()).to_json()
    finally:
        assert stop_worker(worker, WITHIN_S) == 0

    states = {state["channel"]: state for state in json.loads(failing.out)["channels"]}
    assert states["mail"]["failing_since"] is None
    assert "500" in states["room"]["last_error"]
    assert "To be tried again: 1." in retried.out
    assert (tested.status, tested.out) == (0, "Sent through mail.\n")
    assert len(mail_sink.mails) == 3
    assert "works" in shown.out
    url = mail_sink.mails[0].text.partition("Process: ")[2].split()[0] if "Process: " in mail_sink.mails[0].text else ""
    assert client.namespace in url or not url
    log = (tmp_path / "worker.log").read_text()
    for text in (failing.out, retried.out, tested.out, shown.out, log, started):
        assert "s3cr3t" not in text
        assert "t0ken" not in text
        assert LEAD not in text
    assert "Channel room" in log


async def test_a_worker_with_a_wrong_channel_does_not_start_and_says_why(
    temporal_client: Client, database_url: str, tmp_path: Path
) -> None:
    environment = worker_environment(temporal_client, database_url, tmp_path)
    worker = start_worker(environment, tmp_path, ALLOT_NOTIFICATIONS="[chat]\nkind = 'apprise'\nurl = 'slakc://s3cr3t'")
    assert await asyncio.to_thread(worker.wait, WITHIN_S) == 2
    log = (tmp_path / "worker.log").read_text()
    assert "chat is not one that apprise understands" in log
    assert "s3cr3t" not in log


def test_without_a_channel_the_status_says_how_to_get_one(
    allot: Allot, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", database_url)
    assert "set ALLOT_NOTIFICATIONS" in allot("notify", "status").out
    for command in (("retry", "mail"), ("test", "mail")):
        answer = allot("notify", *command)
        assert answer.status == 5
        assert "No channel mail" in answer.err


def test_a_test_that_nobody_sends_stays_and_says_so(
    allot: Allot, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", company.database_url)
    company.outbox.begin("room", 0)
    answer = allot("notify", "test", "room", "--timeout", "1")
    assert answer.status == 10
    assert "NotSent" in answer.err
    assert "stays in the outbox" in answer.err
    assert company.statuses("room") == ["pending"]


def test_a_test_to_nobody_says_how_to_name_somebody(
    monkeypatch: pytest.MonkeyPatch, allot: Allot, company: Company
) -> None:
    monkeypatch.setenv("ALLOT_DATABASE_URL", company.database_url)
    company.outbox.begin("mail", 0)
    for told, said in (
        ("skipped", "It is nobody. Name one: --to EMAIL."),
        ("pending", "It is nobody. It will be tried"),
    ):
        monkeypatch.setattr(Outbox, "outcome", lambda *_, told=told: (told, 1, "It is nobody."))
        assert said in allot("notify", "test", "mail").err


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - nobody else tells us
            await asyncio.sleep(0.1)
