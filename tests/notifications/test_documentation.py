"""What `docs/notifications.md` says of the code is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr

from activities.contracts import NOTIFICATIONS_SEND_TIMEOUT
from command_line.app import app
from domain.decision import Event
from notifications.collect import NEWS_FOR, SEPARATE_MAX
from notifications.config import CHANNELS_MAX, read_channels
from notifications.messages import TOLD
from notifications.outbox import (
    ATTEMPTS_MAX,
    BACKOFF_MAX_S,
    BACKOFF_MIN_S,
    CLAIM_S,
    FAILURES_IN_A_ROW_MAX,
    KEPT_DAYS,
    REST_S,
)
from notifications.senders import EVENT_HEADER
from tests.notifications.test_messages import EVENTS, told
from workflows.notifications import UNKNOWN_FOR, UNKNOWN_MAX

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")


def test_every_event_that_is_told_is_listed_and_no_other() -> None:
    table = PAGE.partition("## Who is told of what")[2].partition("\n\n## ")[0]
    assert set(re.findall(r"`(\w+\.\w+)`", table)) == TOLD


def test_the_example_is_one() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert list(read_channels(SecretStr("[" + example.partition("[")[2]))) == ["mail", "finance-room", "ses"]


def test_the_figures_are_those_of_the_code() -> None:
    assert f"At most {CHANNELS_MAX} channels" in PAGE
    assert (NEWS_FOR.days, SEPARATE_MAX, CLAIM_S, FAILURES_IN_A_ROW_MAX, REST_S) == (7, 5, 300, 3, 60)
    assert (BACKOFF_MIN_S, BACKOFF_MAX_S, ATTEMPTS_MAX) == (30, 3_600, 30)
    assert f"kept for {KEPT_DAYS} days" in PAGE
    assert f"longer than {NOTIFICATIONS_SEND_TIMEOUT.total_seconds():.0f} s" in PAGE
    assert (UNKNOWN_FOR * UNKNOWN_MAX).total_seconds() == 300
    assert EVENT_HEADER in PAGE


def commands_of(text: str) -> list[list[str]]:
    """The words of each command that a message gives to be copied."""
    return [shlex.split(line) for line in text.splitlines() if line.startswith("    allot ")]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.fact.fact_name)
def test_every_command_in_a_message_is_one_that_the_command_line_takes(event: Event) -> None:
    for words in commands_of(told(event).body):
        parse(words[1:])


def test_a_command_that_does_not_exist_would_be_found() -> None:
    for words in (["schedule", "aprove", "a/b/c/d"], ["tasks", "--az", "ann@example.com"]):
        with pytest.raises(Exception, match=r"(?i)no such (command|option)"):
            parse(words)


def parse(words: list[str]) -> None:
    """Reads the words as the command line does, and does nothing."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("allot", list(words), resilient_parsing=False)
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
