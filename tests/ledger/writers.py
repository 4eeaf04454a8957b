"""What the tests run in processes of their own, to be stopped and killed."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from uuid import UUID, uuid4

from ledger.migrate import migrate
from tests.ledger.jars import deliver, fill, open_ledger


def write_together(database_url: str, commands: int, barrier: Barrier) -> None:
    """Two events a command, twenty commands a jar; everybody starts at once."""
    with open_ledger(database_url, pool_size=1) as ledger:
        barrier.wait(60)
        for _ in range(commands // 20):
            name = str(uuid4())
            for _ in range(20):
                deliver(ledger, fill(name, 1, 2))


def write_for_ever(database_url: str, ids: Connection) -> None:
    """Says which command is on its way, and then that it was answered."""
    with open_ledger(database_url, pool_size=1) as ledger:
        name = str(uuid4())
        while True:
            command = fill(name, 1, 2, command_id=uuid4())
            ids.send(command)
            ledger.record(command)
            ids.send(command.command_id)


def migrate_once(database_url: str, at: float, result: Connection) -> None:
    time.sleep(max(0.0, at - time.time()))
    result.send(migrate(database_url))


def answered(ids: Connection) -> tuple[list[UUID], object]:
    """The ids of the answered commands, and the command that was on its way."""
    done: list[UUID] = []
    last: object = None
    while ids.poll():
        try:
            sent = ids.recv()
        except EOFError:
            break
        if isinstance(sent, UUID):
            done.append(sent)
        else:
            last = sent
    return done, last
