"""`allot notify`: whether people are told of events, and what to do where they are not.

It works on the outbox itself, so that it answers while a channel, a worker or Temporal is down.
"""

from __future__ import annotations

import time
from typing import Annotated
from uuid import UUID, uuid4

import typer

from command_line import options
from command_line.decisions import known_person
from command_line.output import Column, figures, moment, show, table
from command_line.session import Session
from domain.errors import NotFound, Unavailable
from notifications.outbox import ROOM, ChannelState, Outbox, opened

app = typer.Typer(no_args_is_help=True, help="Telling people of events: mail, Slack and other channels.")

LOOK_EVERY_S = 0.25
COLUMNS = (
    Column("Channel"),
    Column("State"),
    *figures("Waiting", "Sent", "Given up", "Skipped"),
    Column("Oldest waiting"),
    Column("Last sent"),
    Column("Last error", fold=True),
)
ChannelArgument = Annotated[str, typer.Argument(metavar="CHANNEL", help="Name of the channel, as in the settings.")]
AnyChannel = Annotated[str | None, typer.Argument(metavar="CHANNEL", help="Only this channel; default: all.")]


@app.command()
def status(as_json: options.Json = False) -> None:
    """Show each channel: whether it works, how much waits, and what was given up. Sent ones are kept for 90 days."""
    session = Session.open(as_json)
    with opened(session.database_url) as outbox:
        found = outbox.status()
    if not found:
        hint = "No channel has begun yet: set ALLOT_NOTIFICATIONS, see docs/notifications.md, and start a worker."
        show({"channels": []}, as_json, lambda: [hint])
        return
    data = {"channels": found}
    show(data, as_json, lambda: [table("Channels", COLUMNS, (_row(state) for state in found))])


@app.command()
def retry(channel: AnyChannel = None, as_json: options.Json = False) -> None:
    """Try again at once what was given up or waits after a failure."""
    session = Session.open(as_json)
    with opened(session.database_url) as outbox:
        channels, messages = outbox.retry(channel)
    if channel and not channels:
        raise _unknown(channel)
    show({"messages": messages}, as_json, lambda: [f"To be tried again: {messages:,}. See `allot notify status`."])


@app.command("test")
def send_test(
    channel: ChannelArgument,
    to: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Who gets it, where the channel writes to persons.")
    ] = None,
    as_json: options.Json = False,
    timeout_s: options.AnswerWithin = options.ANSWER_WITHIN_S,
) -> None:
    """Send a test message the way that all messages go, and say what became of it."""
    session, event_id = Session.open(as_json, timeout_s=timeout_s), uuid4()
    recipient = _person(session, to) if to else ROOM
    subject = f"Test of the channel {channel}"
    body = f"Allot can tell people of events through this channel. Nobody has to do anything.\n\nEvent {event_id}"
    with opened(session.database_url) as outbox:
        if not outbox.add_test(channel, event_id, recipient, subject, body):
            raise _unknown(channel)
        told, error = _outcome(outbox, event_id, timeout_s)
    if told != "sent":
        unnamed = " Name one: --to EMAIL." if told == "skipped" and not to else ""
        raise Unavailable(_why_not(channel, told, error, timeout_s) + unnamed, code="NotSent")
    show({"channel": channel, "event_id": event_id, "status": told}, as_json, lambda: [f"Sent through {channel}."])


def _outcome(outbox: Outbox, event_id: UUID, timeout_s: float) -> tuple[str, str]:
    """Once it is sent or a try has failed; `pending` where neither happens in time."""
    ends_at = time.monotonic() + timeout_s
    while True:
        told, _, error = outbox.outcome(event_id)
        if told != "pending" or error or time.monotonic() > ends_at:
            return told, error
        time.sleep(LOOK_EVERY_S)


def _why_not(channel: str, told: str, error: str, timeout_s: float) -> str:
    if error:
        again = "" if told == "skipped" else " It will be tried again."
        return f"The test was not sent through {channel}: {error.rstrip('.')}.{again}"
    return (
        f"The test was not sent through {channel} within {timeout_s:g} s and stays in the outbox: see "
        "`allot notify status`, and whether a worker with this channel runs."
    )


def _person(session: Session, email: str) -> str:
    with session.views() as views:
        return str(known_person(views, email).person_id)


def _unknown(channel: str) -> NotFound:
    return NotFound(
        f"No channel {channel} has begun here: see `allot notify status`, and ALLOT_NOTIFICATIONS of the worker.",
        code="UnknownChannel",
    )


def _row(state: ChannelState) -> tuple[object, ...]:
    return (
        state.channel,
        f"fails since {moment(state.failing_since)}" if state.failing_since else "works",
        f"{state.waiting:,}",
        f"{state.sent:,}",
        f"{state.failed:,}",
        f"{state.skipped:,}",
        moment(state.oldest_at),
        moment(state.last_sent_at),
        state.last_error,
    )
