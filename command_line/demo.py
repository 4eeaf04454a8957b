"""`allot demo`: the whole way once on sample data, on servers of its own."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Annotated, Any

import typer

from command_line import options
from command_line.demo_company import Company
from command_line.demo_story import Story
from command_line.output import note, show
from command_line.rollup import read_rollup, rollup_data
from command_line.session import Session, read_settings
from embedded.stack import Stack

FOREIGN = ("AWS_", "ALLOT_", "TEMPORAL_")
OURS = ("ALLOT_STATE_DIR", "TEMPORAL_CLI")


def demo(
    context: typer.Context,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Keep running until Ctrl-C, or end after the tables.")
    ] = True,
    as_json: options.Json = False,
) -> None:
    """Show the whole way once on sample data, all on this machine; then keep running until Ctrl-C."""
    company = Company.read()
    state_dir, state_dir_given = read_settings().state_dir, os.environ.get("ALLOT_STATE_DIR")
    _leave_own_configuration_alone(company)
    started = time.monotonic()
    with Stack(state_dir, aws=True, fresh=True, progress=note, accounts_joined=company.old_accounts) as stack:
        os.environ.update(stack.environment())
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            story = Story(company, stack, context, state_dir_given)
            try:
                story.tell()
            except KeyboardInterrupt:
                note("Stopping…")
                raise
            note(f"Done in {time.monotonic() - started:.0f} s.")
            if keep:
                story.show_what_next()
        if as_json:
            show(_data(company, stack), True, list)
        if keep:
            stack.wait()
            note("Stopping…")


def _leave_own_configuration_alone(company: Company) -> None:
    """The demo has servers of its own: what the environment says of real ones must not reach it, or be touched."""
    for name in list(os.environ):
        if name.startswith(FOREIGN) and name not in OURS:
            del os.environ[name]
    os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull
    os.environ["ALLOT_CURRENCY"] = company.currency
    os.environ["ALLOT_FISCAL_YEAR_FIRST_MONTH"] = "1"


def _data(company: Company, stack: Stack) -> dict[str, Any]:
    report = read_rollup(Session.open(True), company.fiscal_year, None)
    return {
        "temporal_address": stack.temporal_address,
        "temporal_ui_url": stack.ui_url,
        "rollup": rollup_data(report),
    }
