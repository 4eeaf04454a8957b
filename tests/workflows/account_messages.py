"""Messages about accounts, stood in for: what they hold is no matter of the process that waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from temporalio import activity

from activities.contracts import AccountEventsReport, ActivityName
from activities.errors import to_application_error
from domain.account_process import AccountEventsRequest
from domain.errors import AllotError
from tests.workflows.stage import current_details

LAST_AT = datetime(2026, 5, 4, 10, 12, 30, tzinfo=UTC)
NO_QUEUE = AccountEventsReport(configured=False)
POLL_S = 0.05

type Look = AccountEventsReport | AllotError


def came(handled: int = 1, **fields: Any) -> AccountEventsReport:
    """That many messages were handled."""
    return AccountEventsReport.model_validate({"handled": handled, "last_at": LAST_AT} | fields)


class Messages:
    """Answers each look with the next of `looks`, and fails where that is an error; then nothing comes any more."""

    def __init__(self, looks: Iterable[Look], *, remember: bool = True) -> None:
        self._looks, self._remember = iter(looks), remember
        self.looks = 0
        self.told: list[str] = []
        """What the Temporal UI showed at the beginning of each look."""
        self.enough = asyncio.Event()

    @activity.defn(name=ActivityName.RECEIVE_ACCOUNT_EVENTS)
    async def receive(self, _request: AccountEventsRequest) -> AccountEventsReport:
        if self._remember:
            process = activity.client().get_workflow_handle(activity.info().workflow_id or "")
            self.told.append(await current_details(process))
        self.looks += 1
        look = next(self._looks, None)
        if isinstance(look, AllotError):
            raise to_application_error(look)
        while look is None and not self.enough.is_set():
            activity.heartbeat()
            await asyncio.sleep(POLL_S)
        return look or AccountEventsReport()
