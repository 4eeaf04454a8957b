"""`allot organization`: accounts as AWS Organizations shows them."""

from __future__ import annotations

import typer

from command_line import options
from command_line.decisions import wait_for_views
from command_line.doors import run
from command_line.output import show
from command_line.session import Session
from command_line.works import progress_shown, work
from domain.account_process import SyncRequest, SyncResult
from domain.process import ORGANIZATION_SYNC_PROCESS_ID, WorkflowName

app = typer.Typer(no_args_is_help=True, help="The accounts of AWS Organizations.")


@app.callback()
def group() -> None:
    """Makes `sync` a command of its own although it is the only one so far."""


@app.command()
def sync(as_json: options.Json = False, timeout_s: options.WorkWithin = options.WORK_WITHIN_S) -> None:
    """Read AWS Organizations now, instead of waiting for the next scheduled time."""
    session = Session.open(as_json, timeout_s=timeout_s)
    with session.views() as views, progress_shown() as step:
        views.position()  # says at once where PostgreSQL is down
        step("Reading AWS Organizations", 0, 0)
        request, process_id = SyncRequest(), ORGANIZATION_SYNC_PROCESS_ID
        result = run(work(session, WorkflowName.ORGANIZATION_SYNC, request, process_id, SyncResult, step))
        if result.position:
            wait_for_views(views, result.position, step, session.timeout_s)
    show(dict(result), as_json, lambda: [_told(result)])


def _told(result: SyncResult) -> str:
    calls = f"{result.list_calls:,} to list accounts, {result.tag_calls:,} for tags"
    calls += f", {result.throttled:,} times asked for patience" if result.throttled else ""
    parts = [f"{result.recorded:,} were new or changed"]
    parts += [f"{result.departed:,} have left"] if result.departed else []
    parts += [f"{result.skipped:,} are not ready yet"] if result.skipped else []
    parts += [f"{result.opened:,} have to be allocated"] if result.opened else []
    return f"{result.accounts:,} accounts read with {result.calls:,} calls ({calls}); {', '.join(parts)}."
