"""A process that has loaded what workers and commands load, and makes copies of itself that run as them.

    python -m tests.support.nursery

To load it all takes a worker more than a second of the processor's time, and tests start a hundred of them. A copy is
a process of its own, with its own environment, folder and log; it has no part in another's memory, and SIGKILL takes it
alone. That a worker also starts from nothing is shown by the demo, by `allot up` and by the container's entry point.

Reads a line of JSON for each process to start; writes `{"pid": …}` for it and `{"pid": …, "status": …}` when it ends.
All that still run end with it.
"""

from __future__ import annotations

import json
import os
import runpy
import selectors
import signal
import sys
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

import psutil


class Order(NamedTuple):
    """A module to run, as with `python -m`."""

    module: str
    arguments: list[str]
    environment: dict[str, str]
    directory: str
    output: str
    """What it writes is added to this file, and its errors to the other one."""
    errors: str


def await_orders(orders: IO[bytes], answers: IO[bytes]) -> Order:
    """Returns in the copies only."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: set[int] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == woken:
                    os.read(woken, 4096)
                    _tell_who_ended(running, answers)
                    continue
                line = orders.readline()
                if not line:
                    _end_all(running)
                if (pid := os.fork()) == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    answers.close()
                    for number in (woken, wake):
                        os.close(number)
                    return Order(**json.loads(line))
                running.add(pid)
                _say(answers, {"pid": pid})


def _say(answers: IO[bytes], answer: dict[str, int]) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def _tell_who_ended(running: set[int], answers: IO[bytes]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        running.discard(pid)
        _say(answers, {"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def _end_all(running: set[int]) -> NoReturn:
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def become(order: Order) -> None:
    """Runs the module in this process, which from now on has nothing else to do."""
    os.chdir(order.directory)
    os.environ.clear()
    os.environ.update(order.environment)
    with (
        Path(os.devnull).open("rb") as nothing,
        Path(order.output).open("ab") as output,
        Path(order.errors).open("ab") as errors,
    ):
        for standard, file in enumerate((nothing, output, errors)):
            os.dup2(file.fileno(), standard)
    sys.argv = [order.module, *order.arguments]
    runpy.run_module(order.module, run_name="__main__", alter_sys=True)


def main() -> None:
    import starter  # noqa: F401 - what a command loads
    import worker  # noqa: F401 - what a worker loads

    assert psutil.Process().num_threads() == 1, "a copy of a process has none of its threads"
    answers = os.fdopen(os.dup(1), "wb")
    become(await_orders(open(0, "rb", buffering=0, closefd=False), answers))  # noqa: SIM115 - a file that is open


if __name__ == "__main__":
    main()
