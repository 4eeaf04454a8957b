"""A vended account, from its message until people see it, and many at once, beside a bare message and a bare process.

    python -m bench alignment

Ours receives the message, asks Organizations (three calls), records, starts the process, and waits until the views show
the account and its task; or, for an account that was expected, until they show it on its budget. The peer receives a
message from the same queue server, starts a process and sends it one update, which does nothing. The queue,
Organizations and Temporal are the same on this machine for both. A burst is received by ours one by one, in order; the
peer does as many at once as it has received.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import batched
from uuid import uuid4

from bench.decision import percentile
from bench.record import prepare, product_of
from bench.rows import Row
from bench.schedule import servers
from bench.vending import BATCH_MAX, Company, Vended, company, vended
from domain.allocation import AccountType, Share
from domain.decision import SYSTEM, Channel
from domain.expected_account import ExpectAccounts, ExpectedAccount
from temporal_connection import run

WARM_UP, ROUNDS = 5, 60
BURST = 1_000
LOOK_EVERY_S, LOOK_AT_MANY_EVERY_S = 0.005, 0.25
AIM = 4.0
"""Times the peer: three calls to AWS and a transaction more than a bare one."""
WITHIN_AIM_S = 10.0
"""The promise is seconds."""


def measure() -> list[Row]:
    each = WARM_UP + ROUNDS
    with servers() as (database_url, temporal), vended(2 * each + BURST) as accounts:
        prepare(database_url)
        return run(_measure(database_url, temporal, accounts[:each], accounts[each : 2 * each], accounts[2 * each :]))


async def _measure(
    database_url: str, address: str, unknown: list[Vended], expected: list[Vended], many: list[Vended]
) -> list[Row]:
    async with company(database_url, address) as ours:
        _expect(ours, expected)
        seconds = await _one_by_one(ours, unknown, expected)
        ours_s, peer_s = await _burst(ours, many), await _bare_burst(ours, many)
    rows = [
        _row("account vended until its task is visible", seconds["task"], seconds["bare"], percent, aim)
        for percent, aim in ((50, AIM), (95, None))
    ]
    rows.append(_row("expected account, until visible on its budget", seconds["budget"], seconds["bare"], 50, AIM))
    slowest = max(seconds["budget"])
    what = f"the slowest of {ROUNDS} : {WITHIN_AIM_S:.0f} s"
    rows.append(Row(what, f"{slowest * 1000:.0f} ms", "", slowest / WITHIN_AIM_S, 1, at_most=True))
    what = f"{BURST:,} accounts vended at once, until all tasks are visible : bare ones"
    rows.append(Row(what, f"{ours_s:.1f} s", f"{peer_s:.1f} s", ours_s / peer_s))
    return rows


def _row(what: str, ours: list[float], peer: list[float], percent: int, aim: float | None = None) -> Row:
    a, b = percentile(ours, percent), percentile(peer, percent)
    what = f"{what} : bare message, start and update, p{percent}"
    return Row(what, f"{a * 1000:.0f} ms", f"{b * 1000:.0f} ms", a / b, aim, at_most=True)


async def _one_by_one(ours: Company, unknown: list[Vended], expected: list[Vended]) -> dict[str, list[float]]:
    """Seconds of each round, in turns."""
    seconds: dict[str, list[float]] = {"task": [], "budget": [], "bare": []}
    for number, (one, other) in enumerate(zip(unknown, expected, strict=True)):
        found = {
            "task": await _seen(ours, one, _has_task),
            "budget": await _seen(ours, other, _has_budget),
            "bare": await _bare(ours, one),
        }
        if number >= WARM_UP:
            for name, value in found.items():
                seconds[name].append(value)
    return seconds


async def _seen(ours: Company, account: Vended, is_seen: Callable[[Company, str], bool]) -> float:
    begun = time.perf_counter()
    await ours.tell(ours.ours, [account.account_id])
    while not await asyncio.to_thread(is_seen, ours, account.account_id):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_EVERY_S)
    return time.perf_counter() - begun


def _has_task(ours: Company, account_id: str) -> bool:
    return any(task.subject == account_id for task in ours.views.tasks(ours.admin))


def _has_budget(ours: Company, account_id: str) -> bool:
    return any(account.aligned_at for account in ours.views.accounts(account_id))


async def _bare(ours: Company, account: Vended) -> float:
    """A receiver waits already when the message is sent, as ours does."""
    receiving = asyncio.create_task(ours.receive_bare())
    await asyncio.sleep(LOOK_EVERY_S)
    begun = time.perf_counter()
    await ours.tell(ours.bare, [account.account_id])
    for message in await receiving:
        await ours.handle_bare(message)
    return time.perf_counter() - begun


async def _burst(ours: Company, accounts: list[Vended]) -> float:
    """Seconds until the last of them is seen."""
    open_before = len(ours.views.open_alignments())
    begun = time.perf_counter()
    await _tell_all(ours, ours.ours, accounts)
    while len(await asyncio.to_thread(ours.views.open_alignments)) < open_before + len(accounts):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_AT_MANY_EVERY_S)
    return time.perf_counter() - begun


async def _bare_burst(ours: Company, accounts: list[Vended]) -> float:
    begun = time.perf_counter()
    await _tell_all(ours, ours.bare, accounts)
    handled = 0
    while handled < len(accounts):
        messages = await ours.receive_bare()
        await asyncio.gather(*(ours.handle_bare(message) for message in messages))
        handled += len(messages)
    return time.perf_counter() - begun


async def _tell_all(ours: Company, queue_url: str, accounts: list[Vended]) -> None:
    for some in batched(accounts, BATCH_MAX):
        await ours.tell(queue_url, [account.account_id for account in some])


def _expect(ours: Company, accounts: list[Vended]) -> None:
    everything = (Share(product=product_of(0), percent=Decimal(100)),)
    wanted = tuple(
        ExpectedAccount(email=one.email, account_type=AccountType.SANDBOX, shares=everything) for one in accounts
    )
    command = ExpectAccounts(command_id=uuid4(), actor=SYSTEM, channel=Channel.SETUP, accounts=wanted)
    outcome = ours.ledger.record(command)
    assert outcome.kind == "accepted", outcome
