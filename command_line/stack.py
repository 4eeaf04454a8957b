"""`allot up` and `allot down`: everything Allot needs, on this machine, with its state kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from command_line import options
from command_line.doors import has_worker, run
from command_line.installation import set_up
from command_line.output import note, show
from command_line.session import Session, read_settings
from domain.errors import Unavailable
from embedded import stack
from embedded.errors import StartFailed
from embedded.stack import Stack
from embedded.state import State

UP_WITHIN_S = 120.0
WORKER_WITHIN_S = 60.0
POLL_S = 0.1
TAIL_LINES = 5


def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when everything runs; `allot down` stops it.")
    ] = False,
    aws: Annotated[
        bool, typer.Option("--aws/--no-aws", help="Start a stand-in for AWS where no AWS is configured.")
    ] = True,
    as_json: options.Json = False,
) -> None:
    """Start PostgreSQL, Temporal and a worker on this machine, and set them up."""
    if detach:
        _up_detached(aws, as_json)
        return
    with Stack(read_settings().state_dir, aws=aws, progress=note) as running:
        os.environ.update(running.environment())
        set_up(Session.open(), None, "")
        start_worker(running)
        _show_addresses(as_json)
        running.wait()
        note("Stopping…")


def down(as_json: options.Json = False) -> None:
    """Stop what `allot up` or `allot demo` started here, from any terminal."""
    stopped = stack.stop(read_settings().state_dir)
    show({"stopped": stopped}, as_json, lambda: ["Stopped." if stopped else "Nothing was running here."])


def start_worker(running: Stack) -> None:
    """Starts a worker and waits until it asks for work. Raises StartFailed where it ends instead."""
    started = datetime.now(UTC)
    running.start_worker()
    session, deadline = Session.open(), time.monotonic() + WORKER_WITHIN_S
    while not run(has_worker(session, started)):
        running.check()
        if time.monotonic() > deadline:
            raise StartFailed(
                f"The worker asked for no work within {WORKER_WITHIN_S:.0f} s: see its log in {running.state_dir}/logs"
            )
        time.sleep(POLL_S)


def _show_addresses(as_json: bool) -> None:
    settings = read_settings()
    data = {
        "temporal_address": settings.temporal_address,
        "temporal_ui_url": settings.temporal_ui_url,
        "state_dir": str(settings.state_dir),
    }
    lines = [
        f"Allot runs. Temporal UI: {settings.temporal_ui_url}",
        "First time here? `allot setup --admin you@example.com --name 'Your Name'`, "
        "then `allot budget load FILE --as you@example.com`.",
        "Ctrl-C or `allot down` stops it; the state is kept.",
    ]
    show(data, as_json, lambda: lines)


def _up_detached(aws: bool, as_json: bool) -> None:
    """Starts `allot up` as a process of its own and waits until it has said where everything is."""
    directory = read_settings().state_dir
    state = State(directory)
    state.lock()  # raises AlreadyRunning; the process below takes it over
    state.unlock()
    log = directory / "up.log"
    command = [sys.executable, "-m", "starter", "up", "--aws" if aws else "--no-aws", "--json"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + UP_WITHIN_S
    while '"temporal_ui_url"' not in (said := log.read_text(errors="replace")):
        if process.poll() is not None:
            raise Unavailable(f"It did not start: {' '.join(said.splitlines()[-TAIL_LINES:])} (all of it: {log})")
        if time.monotonic() > deadline:
            raise Unavailable(f"It did not start within {UP_WITHIN_S:.0f} s: see {log}; `allot down` stops it.")
        time.sleep(POLL_S)
    _show_addresses(as_json)
