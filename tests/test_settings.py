"""Settings for AWS Organizations and its events: what cannot be meant is refused when a process starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.account_event_queue import WAIT_S
from domain.errors import BadInput
from settings import Settings
from tests.command_line.conftest import Allot, allot
from worker import queue_place
from worker_costs import cost_events_place, cost_places

__all__ = ["allot"]

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/allot-account-events"
DEAD_LETTERS = f"{QUEUE}-dead-letters"
ROLE = "arn:aws:iam::123456789012:role/allot"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file of settings lies where the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALLOT_STATE_DIR", str(tmp_path))


def test_without_a_queue_nothing_waits_for_messages() -> None:
    settings = Settings()
    assert (settings.organizations_role_arn, settings.organizations_external_id) == ("", None)
    assert queue_place(settings) is None
    assert queue_place(Settings(account_events_queue_url=" ")) is None


def test_a_queue_is_enough_and_dead_letters_may_have_one_too() -> None:
    alone = queue_place(Settings(account_events_queue_url=QUEUE))
    assert alone is not None
    assert (alone.queue_url, alone.dead_letter_url) == (QUEUE, None)
    both = queue_place(Settings(account_events_queue_url=QUEUE, account_events_dead_letter_url=f" {DEAD_LETTERS} "))
    assert both is not None
    assert both.dead_letter_url == DEAD_LETTERS


@pytest.mark.parametrize(("graceful_s", "wait_s"), [(90, WAIT_S), (41, WAIT_S), (10, 5), (3, 1), (1, 1)])
def test_waiting_for_messages_neither_delays_the_end_nor_asks_without_a_pause(graceful_s: int, wait_s: int) -> None:
    place = queue_place(Settings(account_events_queue_url=QUEUE, graceful_shutdown_s=graceful_s))
    assert place is not None
    assert place.wait_s == wait_s


@pytest.mark.parametrize(
    ("given", "wrong", "said"),
    [
        ({"organizations_external_id": "secret-7"}, "organizations_external_id", "ALLOT_ORGANIZATIONS_ROLE_ARN"),
        ({"payer_account_id": "123456789012, 12345"}, "payer_account_id", "'12345' is no account id: 12 digits"),
        (
            {"account_events_queue_url": QUEUE, "account_events_dead_letter_url": QUEUE},
            "account_events_dead_letter_url",
            "come back for ever",
        ),
        (
            {"account_events_queue_url": QUEUE, "account_events_dead_letter_url": f" {QUEUE} "},
            "account_events_dead_letter_url",
            "come back for ever",
        ),
        (
            {"cost_events_queue_url": QUEUE, "cost_events_dead_letter_url": f" {QUEUE} "},
            "cost_events_dead_letter_url",
            "come back for ever",
        ),
        ({"cost_poll_minutes": 4}, "cost_poll_minutes", "greater than or equal to 5"),
        ({"cost_scratch_mb": 63}, "cost_scratch_mb", "greater than or equal to 64"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], wrong: str, said: str) -> None:
    with pytest.raises(ValidationError) as told:
        Settings(**given)
    (error,) = told.value.errors()
    assert error["loc"] == (wrong,)
    assert said in error["msg"]
    assert "secret-7" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "listed"),
    [("", None), ("123456789012", "123456789012"), (" 123456789012 ,, 210987654321", "123456789012,210987654321")],
)
def test_payers_are_listed_with_commas(text: str, listed: str | None) -> None:
    assert Settings(payer_account_id=text).organization().payer_account_id == listed


def test_an_external_id_is_a_secret_that_goes_with_its_role() -> None:
    settings = Settings.model_validate({"organizations_role_arn": ROLE, "organizations_external_id": "secret-7"})
    assert settings.organizations_external_id is not None
    assert settings.organizations_external_id.get_secret_value() == "secret-7"
    assert "secret-7" not in repr(settings)
    assert Settings.model_validate({"organizations_external_id": ""}).organizations_role_arn == ""


def test_a_wrong_setting_is_told_by_every_command_without_its_value(
    allot: Allot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOT_ORGANIZATIONS_EXTERNAL_ID", "secret-7")
    answer = allot("account", "list")
    assert answer.status == 2
    assert "ALLOT_ORGANIZATIONS_EXTERNAL_ID is wrong" in answer.err
    assert "secret-7" not in answer.err


def test_sources_of_cost_reports_are_a_secret_and_looked_at_every_six_hours() -> None:
    settings = Settings.model_validate({"cost_sources": '[[source]]\nexternal_id = "secret-7"'})
    assert "secret-7" not in repr(settings)
    assert (settings.cost_poll_minutes, settings.cost_scratch_mb, settings.cost_scratch) == (360, 4096, None)
    assert cost_events_place(settings) is None
    queue = cost_events_place(Settings(cost_events_queue_url=QUEUE, graceful_shutdown_s=10))
    assert queue == (QUEUE, None, 5)


def test_a_worker_does_not_start_with_sources_that_cannot_be_meant(tmp_path: Path) -> None:
    settings = Settings.model_validate({"cost_sources": "[[source]]", "cost_scratch": str(tmp_path)})
    with pytest.raises(BadInput, match="ALLOT_COST_SOURCES: source 1, name: Field required"):
        cost_places(settings)
