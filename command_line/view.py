"""`allot view`: the read models, which can be computed anew from the ledger at any time."""

from __future__ import annotations

import time

import typer

from command_line import options
from command_line.installation import rebuild_views
from command_line.output import show
from command_line.session import Session
from command_line.works import progress_shown

app = typer.Typer(no_args_is_help=True, help="The views, computed from the ledger.")


@app.callback()
def group() -> None:
    """Makes `rebuild` a command of its own although it is the only one so far."""


@app.command()
def rebuild(as_json: options.Json = False) -> None:
    """Compute all views anew beside the live ones, then put them in their place."""
    session, started = Session.open(as_json), time.monotonic()
    with progress_shown() as step:
        generation, position = rebuild_views(session, lambda done, whole: step("Folding events", done, whole))
    seconds = time.monotonic() - started
    data = {"generation": generation, "position": position, "milliseconds": round(seconds * 1000)}
    text = f"Rebuilt from the first event to position {position:,} in {seconds:.1f} s; generation {generation} is live."
    show(data, as_json, lambda: [text])
